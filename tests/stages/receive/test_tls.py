"""DICOM over TLS: who gets in, who does not, and that a silent peer keeps nobody waiting."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydicom.uid import CTImageStorage

from miqa_node.core.settings import load_settings
from miqa_node.errors import DeliveryError, SettingsError
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from tests.stages.deliver.making import as_file, outcomes, report
from tests.stages.receive.wire import Node, RawPeer, encoded, p_data, pdv, small_image
from tests.waiting import LIMIT_S, wait_until


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    ca, other = trustme.CA(), trustme.CA()
    paths = {}
    for name, blob in (
        ("ca", ca.cert_pem),
        ("node", ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem),
        ("ct", ca.issue_cert("ct.example").private_key_and_cert_chain_pem),
        ("stranger", other.issue_cert("x.example").private_key_and_cert_chain_pem),
    ):
        blob.write_to_path(tmp_path / f"{name}.pem")
        paths[name] = str(tmp_path / f"{name}.pem")
    return paths


def send(port: int, **more: Any) -> Exception | None:
    settings = load_settings(deliver={"dimse_timeout_s": 3.0, "connection_timeout_s": 3.0}).deliver
    config = CStoreConfig(name="node", ae_title="MIQA", host="127.0.0.1", port=port, **more)
    destination = CStoreDestination(config, DeliveryContext(settings, "CT1"))
    try:
        return outcomes(destination, as_file(report()))[0]
    finally:
        destination.close()


def test_only_peers_with_a_certificate_of_the_authority_get_in(
    start_node: Callable[..., Node], files: dict[str, str]
) -> None:
    node = start_node(tls="only", tls_port=0, tls_certificate=files["node"], tls_client_ca=files["ca"])
    trusted = {"tls": True, "tls_ca": files["ca"]}
    assert send(node.port, **trusted, tls_certificate=files["ct"]) is None
    assert isinstance(send(node.port, **trusted), DeliveryError)
    assert isinstance(send(node.port, **trusted, tls_certificate=files["stranger"]), DeliveryError)
    assert isinstance(send(node.port), DeliveryError)
    assert len(node.received) == 1


def test_beside_the_plain_port_and_large_objects_too(start_node: Callable[..., Node], files: dict[str, str]) -> None:
    node = start_node(tls="also", tls_port=0, tls_certificate=files["node"])
    assert send(node.port) is None
    assert send(node.scp.tls_port, tls=True, tls_ca=files["ca"]) is None
    assert isinstance(send(node.scp.tls_port, tls=True), DeliveryError)  # the sender trusts no such node
    ds = report()
    ds.TextValue = "x" * 3_000_000
    destination = CStoreDestination(
        CStoreConfig(name="n", ae_title="MIQA", host="127.0.0.1", port=node.scp.tls_port, tls=True, tls_ca=files["ca"]),
        DeliveryContext(load_settings().deliver, "CT1"),
    )
    assert outcomes(destination, *[as_file(ds)] * 3) == [None] * 3
    destination.close()
    assert len(node.received) == 5


def presented(port: int, ca: str) -> bytes | None:
    """The certificate that a connection gets; None if ``ca`` did not sign it."""
    context = ssl.create_default_context(cafile=ca)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
        ):
            return secured.getpeercert(binary_form=True)
    except ssl.SSLCertVerificationError:
        return None


def test_a_renewed_certificate_and_authority_are_in_force_without_a_restart(
    start_node: Callable[..., Node], files: dict[str, str], tmp_path: Path
) -> None:
    """A certificate that ends is the usual way in which a receiver of many years stops one night."""
    node = start_node(tls="only", tls_port=0, tls_certificate=files["node"], tls_client_ca=files["ca"])
    before = presented(node.port, files["ca"])
    other = trustme.CA()
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    other.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(files["node"])
    after = presented(node.port, str(tmp_path / "other.pem"))
    assert None not in (before, after)
    assert before != after

    Path(files["node"]).write_text("half a file")
    assert presented(node.port, str(tmp_path / "other.pem")) == after
    trusted = {"tls": True, "tls_ca": str(tmp_path / "other.pem"), "tls_certificate": files["ct"]}
    assert send(node.port, **trusted) is None

    other.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(files["node"])
    Path(files["ca"]).write_bytes((tmp_path / "other.pem").read_bytes())  # this authority signed no device
    assert isinstance(send(node.port, **trusted), DeliveryError)


@pytest.mark.parametrize("piece", [500, 1 << 14, 100_000])
def test_an_object_whose_sender_leaves_without_waiting_is_kept_whole(
    start_node: Callable[..., Node], files: dict[str, str], piece: int
) -> None:
    node = start_node(tls="only", tls_port=0, tls_certificate=files["node"])
    ds = small_image(size=1_500_000)
    data = encoded(ds)
    with RawPeer(node.port, tls=ssl.create_default_context(cafile=files["ca"])) as peer:
        stream = p_data(pdv(0x03, RawPeer.command(CTImageStorage, ds.SOPInstanceUID)))
        stream += b"".join(p_data(pdv(0x00, data[at : at + 30_000])) for at in range(0, len(data), 30_000))
        stream += p_data(pdv(0x02, b""))
        for at in range(0, len(stream), piece):
            peer.socket.sendall(stream[at : at + piece])
    assert wait_until(lambda: len(node.files) == 1)
    assert node.files[0].endswith(data)


def test_silent_and_old_peers_keep_nobody_waiting(start_node: Callable[..., Node], files: dict[str, str]) -> None:
    node = start_node(tls="only", tls_port=0, tls_certificate=files["node"])
    with socket.create_connection(("127.0.0.1", node.port)):  # never says a word
        assert send(node.port, tls=True, tls_ca=files["ca"]) is None
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):  # the versions are deprecated, which is the point
        old.minimum_version, old.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", node.port), timeout=LIMIT_S) as raw, pytest.raises(OSError):
        old.wrap_socket(raw)


@pytest.mark.parametrize("start_node", [True], indirect=True, ids=["fast"])
def test_an_oversized_negotiation_is_not_read_over_tls_either(
    start_node: Callable[..., Node], files: dict[str, str]
) -> None:
    node = start_node(tls="only", tls_port=0, tls_certificate=files["node"])
    context = ssl.create_default_context(cafile=files["ca"])
    with (
        socket.create_connection(("127.0.0.1", node.port), timeout=LIMIT_S) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"\x01\x00\x7f\xff\xff\xff")
        sent = 0
        with pytest.raises(OSError):
            while sent < 1 << 26:
                sent += connection.send(bytes(1 << 16))
        assert sent < 1 << 24


@pytest.mark.parametrize(
    "changes", [{}, {"tls_certificate": "/none.pem"}, {"tls_certificate": "node", "tls_client_ca": "/no"}]
)
def test_wrong_files_are_said_before_anything_listens(
    start_node: Callable[..., Node], files: dict[str, str], changes: dict[str, str]
) -> None:
    with pytest.raises(SettingsError, match=r"dicom\.tls_certificate"):
        start_node(tls="only", **{key: files.get(value, value) for key, value in changes.items()})
