# ruff: noqa: F401, F811 - fixtures of another folder are imported by name
"""Storage commitment, TLS and STOW-RS with what hospitals run: DCMTK's tools and Orthanc, in both directions."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydicom import dcmread

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.settings import load_settings
from miqa_node.node import Node as WholeNode
from miqa_node.stages.deliver.kinds.base import DeliveryContext, connect
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_node.stages.deliver.kinds.stow import StowConfig
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances
from tests.conftest import free_port
from tests.peers.orthanc import Orthanc, start_orthanc
from tests.peers.test_receive_peers import dcmtk
from tests.stages.deliver.making import as_file, outcomes, report
from tests.stages.receive.conftest import dicom_settings, start_node
from tests.stages.receive.wire import Node
from tests.waiting import wait_until

pytestmark = pytest.mark.peers

StartNode = Callable[..., Node]


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, str]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("node", "ct"):
        issued = ca.issue_cert("127.0.0.1", common_name=name)
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    return {path.stem + path.suffix: str(path) for path in tmp_path.iterdir()}


def tls_only(files: dict[str, str]) -> dict[str, Any]:
    """Settings of a node that takes DICOM over TLS alone, from clients with a certificate of the site's."""
    return {
        "tls": "only",
        "tls_port": 0,
        "tls_certificate": files["node.pem"],
        "tls_key": files["node.key"],
        "tls_client_ca": files["ca.pem"],
    }


def test_storescu_over_tls(start_node: StartNode, samples: Path, certificates: dict[str, str]) -> None:
    files = certificates
    node = start_node(**tls_only(files))
    image = samples / "RG1_UNCR.dcm"
    trusted = dcmtk(
        "storescu", "+tls", files["ct.key"], files["ct.pem"], "+cf", files["ca.pem"], "127.0.0.1", node.port, image
    )
    assert trusted.returncode == 0, trusted.stderr
    nameless = dcmtk("storescu", "+tla", "+cf", files["ca.pem"], "127.0.0.1", node.port, image)
    assert nameless.returncode != 0
    assert dcmtk("storescu", "127.0.0.1", node.port, image).returncode != 0
    assert len(node.received) == 1


def test_dcmtk_with_the_certificate_of_its_title(
    start_node: StartNode, samples: Path, certificates: dict[str, str]
) -> None:
    files = certificates
    node = start_node(**tls_only(files), peer_certificates=["CT1@127.0.0.1 name:ct"])

    def sent(ae_title: str, name: str) -> int:
        shown = ("+tls", files[f"{name}.key"], files[f"{name}.pem"], "+cf", files["ca.pem"])
        image = samples / "RG1_UNCR.dcm"
        return int(dcmtk("storescu", *shown, "-aet", ae_title, "127.0.0.1", node.port, image).returncode)

    assert sent("CT1", "ct") == 0
    assert sent("CT1", "node") != 0
    assert sent("MR1", "ct") != 0
    assert len(node.received) == 1


def test_the_users_of_dcmtk(start_node: StartNode, samples: Path) -> None:
    """By default names are answered and passcodes taken; with user_identity = "check" guessed ones get nowhere."""

    def sent(node: Node, *user: str) -> int:
        return int(dcmtk("storescu", *user, "127.0.0.1", node.port, samples / "RG1_UNCR.dcm").returncode)

    node, passcode = start_node(), ("-usr", "ct", "-pwd", "guess")
    assert sent(node, "-usr", "ct", "-rsp") == 0
    assert sent(node, *passcode) == 0
    checking = start_node(user_identity="check")
    assert sent(checking, "-usr", "ct", "-rsp") == 0
    assert sent(checking, *passcode) != 0
    assert sent(checking) == 0
    assert sent(start_node(user_identity="require")) != 0


def test_orthanc_over_tls_both_ways(
    start_node: StartNode,
    samples: Path,
    tmp_path: Path,
    certificates: dict[str, str],
) -> None:
    files = certificates
    node = start_node(**tls_only(files))
    with start_orthanc(
        tmp_path,
        DicomTlsEnabled=True,
        DicomTlsCertificate=files["ct.pem"],
        DicomTlsPrivateKey=files["ct.key"],
        DicomTlsTrustedCertificates=files["ca.pem"],
        DicomModalities={"node": {"AET": "MIQA", "Host": "127.0.0.1", "Port": node.port, "UseDicomTls": True}},
    ) as peer:
        uploaded = peer.call("/instances", (samples / "RG1_UNCR.dcm").read_bytes())["ID"]
        answer = peer.call("/modalities/node/store", {"Resources": [uploaded], "Synchronous": True})
        assert answer["FailedInstancesCount"] == 0
        assert len(node.received) == 1
        config = CStoreConfig(
            name="pacs",
            ae_title="ORTHANC",
            host="127.0.0.1",
            port=peer.dicom_port,
            tls=True,
            tls_ca=files["ca.pem"],
            tls_certificate=files["node.pem"],
            tls_key=files["node.key"],
        )
        destination = CStoreDestination(config, DeliveryContext(load_settings().deliver, "NODE"))
        assert outcomes(destination, as_file(report())) == [None]
        destination.close()
        assert len(peer.call("/instances")) == 2


def test_results_reach_orthanc_by_stow(orthanc: Orthanc) -> None:
    config = StowConfig(name="web", url=orthanc.dicomweb)
    destination = connect(config, DeliveryContext(load_settings().deliver, "NODE"))
    destination.probe()
    files = [as_file(report()) for _ in range(3)]
    assert outcomes(destination, *files) == [None] * 3
    destination.close()
    stored = (orthanc.call(f"/instances/{one}/tags?simplify") for one in orthanc.call("/instances"))
    assert {one["SOPInstanceUID"] for one in stored} == {uid for _, uid, _ in files}


def test_orthanc_pushes_by_stow_and_gets_the_report_by_stow(tmp_path: Path, samples: Path, orthanc: Orthanc) -> None:
    """Orthanc's own DICOMweb client on one side, its server on the other; the whole node between them."""
    port, names = free_port(), ("RG1_UNCR.dcm", "RG3_J2KR.dcm", "US1_J2KR.dcm", "SC_rgb.dcm")
    settings = load_settings(node={"data_dir": tmp_path}, dicom={"host": "127.0.0.1", "port": 0}, web={"port": port})
    with WholeNode(settings, [StowConfig(name="pacs", url=orthanc.dicomweb)]) as node:
        server = {"Url": f"http://127.0.0.1:{port}/api/dicom-web", "ChunkedTransfers": True}
        orthanc.call("/dicom-web/servers/node", server, "PUT")
        uploaded = [orthanc.call("/instances", (samples / name).read_bytes())["ID"] for name in names]
        orthanc.call("/dicom-web/servers/node/stow", {"Resources": uploaded, "Synchronous": True})  # an error raises
        uids = [str(dcmread(samples / name, stop_before_pixels=True).SOPInstanceUID) for name in names]
        with node.database.begin() as transaction:
            digests = [instances.find(transaction, uid) for uid in uids]
            keys = [instances.load(transaction, instance[0]).object_key for instance in digests]
        for name, key in zip(names, keys, strict=True):
            dataset = dcmread(BytesIO(node.objects.get(key)))
            assert dataset.PixelData == dcmread(samples / name).PixelData

        def modalities() -> list[str]:
            tags = (orthanc.call(f"/instances/{one}/tags?simplify") for one in orthanc.call("/instances"))
            return [one["Modality"] for one in tags]

        assert wait_until(lambda: modalities().count("SR") == len(names), 120), modalities()


def test_storage_commitment_with_orthanc_both_ways(tmp_path: Path, samples: Path, orthanc: Orthanc) -> None:
    """Orthanc reports on an association of its own, in both roles; the whole node is on the other side."""
    port = free_port()
    modality = {"AET": "MIQA", "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": True}
    orthanc.call("/modalities/node", modality, "PUT")
    settings = load_settings(
        node={"data_dir": tmp_path, "name": "commit"},
        dicom={"host": "127.0.0.1", "port": port, "commitment_peers": [f"ORTHANC@127.0.0.1:{orthanc.dicom_port}"]},
        web={"port": 0},
    )
    config = CStoreConfig(name="pacs", ae_title="ORTHANC", host="127.0.0.1", port=orthanc.dicom_port, commitment=True)
    with WholeNode(settings, [config]) as node:
        uploaded = orthanc.call("/instances", (samples / "RG1_UNCR.dcm").read_bytes())["ID"]
        uid = dcmread(samples / "RG1_UNCR.dcm", stop_before_pixels=True).SOPInstanceUID
        orthanc.call("/modalities/node/store", {"Resources": [uploaded], "Synchronous": True})
        job = orthanc.call("/modalities/node/storage-commitment", {"Resources": [uploaded]})["ID"]
        assert wait_until(lambda: orthanc.call(f"/storage-commitment/{job}")["Status"] == "Success", 60)
        unknown = {"DicomInstances": [["1.2.840.10008.5.1.4.1.1.1", "1.2.3.4.5"]]}
        lacking = orthanc.call("/modalities/node/storage-commitment", unknown)["ID"]
        assert wait_until(lambda: orthanc.call(f"/storage-commitment/{lacking}")["Status"] == "Failure", 60)

        def states() -> set[DeliveryState]:
            with node.database.begin() as transaction:
                rows = instances.find(transaction, uid)
                return {one.state for one in deliveries.of_instance(transaction, rows[0])} if rows else set()

        assert wait_until(lambda: states() == {DeliveryState.COMMITTED}, 120), states()
