"""What a peer asks in negotiation is answered: who its user is, and how fully objects are stored."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.uid import ComputedRadiographyImageStorage
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation, UserIdentityNegotiation

from miqa_node.core.settings import load_settings
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.scp import StorageScp
from tests.stages.receive.wire import Node, RawPeer


@pytest.mark.parametrize(("kind", "answered"), [(1, True), (2, False), (5, False)])
def test_user_identity(kind: int, answered: bool, tmp_path: Path) -> None:
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field = kind, b"mara"
    identity.positive_response_requested = True
    if kind == 2:
        identity.secondary_field = b"secret"
    settings = load_settings(dicom={"host": "127.0.0.1", "port": 0}).dicom
    scp = StorageScp(settings, Intake.of(settings, tmp_path, lambda r: None, lambda: None))
    scp.start()
    try:
        ae = AE("CT1")
        ae.add_requested_context(ComputedRadiographyImageStorage)
        level = SOPClassExtendedNegotiation()
        level.sop_class_uid = ComputedRadiographyImageStorage
        level.service_class_application_information = bytes(6)
        association = ae.associate("127.0.0.1", scp.port, ext_neg=[identity, level])
        assert association.is_established
        assert (association.acceptor.user_identity is not None) is answered
        assert association.acceptor.sop_class_extended == {ComputedRadiographyImageStorage: bytes([2, 0, 0, 0, 0, 0])}
        association.release()
    finally:
        scp.stop(1.0)


def proposal(context_id: int, *syntaxes: bytes) -> bytes:
    """An A-ASSOCIATE-RQ with one context of Verification (PS3.8 9.3.2)."""

    def item(kind: int, value: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(value)) + value

    context = bytes([context_id, 0, 0, 0]) + item(0x30, b"1.2.840.10008.1.1")
    body = struct.pack(">HH16s16s32x", 1, 0, b"MIQA".ljust(16), b"EVIL".ljust(16))
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, context + b"".join(item(0x40, one) for one in syntaxes))
    body += item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3"))
    return struct.pack(">BBI", 1, 0, len(body)) + body


def ended_within(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("start_node", [True], indirect=True, ids=["fast"])
def test_a_malformed_proposal_holds_no_connection(
    start_node: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    """A context without transfer syntaxes ended the thread of the association, and nobody closed its connection."""
    node = start_node(network_timeout_s=1.0, acse_timeout_s=1.0)
    for pdu in (proposal(1), proposal(2, b"1.2.840.10008.1.2")):
        with socket.create_connection(("127.0.0.1", node.port)) as connection:
            connection.sendall(pdu)
            assert ended_within(connection, 10.0)
    assert "thread died" not in caplog.text
    assert RawPeer(node.port, "1.2.840.10008.1.1").socket, "others are taken"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("start_node", [True], indirect=True, ids=["fast"])
def test_no_connection_outlives_the_thread_of_its_association(
    start_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pynetdicom.acse.ACSE.send_accept", lambda *_: sys.exit())
    node = start_node()
    with socket.create_connection(("127.0.0.1", node.port)) as connection:
        connection.sendall(proposal(1, b"1.2.840.10008.1.2"))
        assert ended_within(connection, 10.0)
