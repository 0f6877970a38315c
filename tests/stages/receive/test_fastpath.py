from __future__ import annotations

import logging
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import psutil
import pynetdicom
import pytest
from pydicom import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom import build_context
from pynetdicom.dimse_messages import N_ACTION_RQ
from pynetdicom.dimse_primitives import N_ACTION
from pynetdicom.dsutils import encode

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.settings import DicomSettings
from miqa_node.libraries.pynetdicom_streaming import is_available
from miqa_node.stages.deliver.association import ClosingAE
from miqa_node.stages.receive.commitment import PUSH_MODEL_INSTANCE, Commitment
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.scp import StorageScp
from tests.stages.receive.wire import Node, RawPeer, encoded, p_data, pdv, send_raw, small_image
from tests.waiting import LIMIT_S, grown

StartNode = Callable[..., Node]
COMMITMENT = "1.2.840.10008.1.20.1"
"""Storage Commitment Push Model (PS3.4 J.3.1)."""


@pytest.fixture
def node(start_node: StartNode) -> Node:
    return start_node()


VERIFICATION = b"1.2.840.10008.1.1\0"

fast = pytest.mark.parametrize("start_node", [True], indirect=True, ids=["fast"])


def test_the_pinned_pynetdicom_has_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_available()
    monkeypatch.setattr(pynetdicom, "__version__", "3.0.5")
    assert not is_available()


def test_a_missing_seam_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("pynetdicom.dul.DULServiceProvider._is_transport_event")
    assert not is_available()


def test_another_version_is_received_from_all_the_same(
    tmp_path: Path, dicom_settings: Callable[..., DicomSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pynetdicom, "__version__", "3.0.5")
    received: list[ReceivedObject] = []
    settings = dicom_settings()
    scp = StorageScp(settings, Intake.of(settings, tmp_path / "in", received.append, lambda: None))
    scp.start()
    try:
        ds = small_image()
        response = send_raw(scp.port, encoded(ds), sop_instance=ds.SOPInstanceUID)
    finally:
        scp.stop()
    assert response is not None
    assert response.Status == 0
    assert len(received) == 1


@fast
@pytest.mark.parametrize("size", [1, 2, 7, 100, 1000])
def test_hostile_fragmentation(node: Node, size: int) -> None:
    """A PDU per fragment, several fragments per PDU, empty ones between, TCP segments of any length."""
    ds = small_image(size=500)
    data = encoded(ds)
    command = RawPeer.command(CTImageStorage, ds.SOPInstanceUID)
    fragments = [data[at : at + size] for at in range(0, len(data), size)]
    stream = p_data(*(pdv(1, command[at : at + size]) for at in range(0, len(command), size)), pdv(3, b""))
    half = len(fragments) // 2
    stream += b"".join(p_data(pdv(0, fragment), pdv(0, b"")) for fragment in fragments[:half])
    stream += p_data(*(pdv(0, fragment) for fragment in fragments[half:]), pdv(2, b""))
    with RawPeer(node.port) as peer:
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(stream), 997):
            peer.socket.sendall(stream[at : at + 997])
        assert peer.read_status() == 0x0000
    assert node.files[0].endswith(data)


@fast
def test_several_requests_in_one_segment(node: Node) -> None:
    images = [small_image() for _ in range(5)]
    stream = b"".join(
        p_data(pdv(3, RawPeer.command(CTImageStorage, ds.SOPInstanceUID)), pdv(2, encoded(ds))) for ds in images
    )
    with RawPeer(node.port) as peer:
        peer.socket.sendall(stream)
        assert [peer.read_status() for _ in images] == [0] * 5
        peer.socket.sendall(b"\x05\x00\x00\x00\x00\x04\0\0\0\0")
        assert peer.read_pdu()[0] == 6
    assert [file[-100:] for file in node.files] == [encoded(ds)[-100:] for ds in images]


@fast
@pytest.mark.parametrize(
    "stream",
    [
        p_data(pdv(2, b"data without a command")),
        p_data(struct.pack(">IBB", 0xFFFFFFF0, 1, 3)),
        b"\x04\x00\x00\x00\x00\x02\0\0",
        b"\x09\x00\x00\x00\x00\x04\0\0\0\0",
        b"\x05\x00\xff\xff\xff\xff",
        p_data(pdv(3, b"\0" * 40)),
        p_data(pdv(3, RawPeer.command(CTImageStorage, "1.2.3"), context_id=9)),
        b"\x01\x00\x00\x00\x00\x04\0\0\0\0",
        b"\x06\x00\x00\x00\x00\x04\0\0\0\0",
    ],
)
def test_whoever_breaks_the_protocol_is_aborted(node: Node, stream: bytes) -> None:
    with RawPeer(node.port) as peer:
        peer.socket.sendall(stream)
        assert peer.read_pdu()[0] == 7
    assert node.leftovers() == []
    assert node.received == []
    ds = small_image()
    response = send_raw(node.port, encoded(ds), sop_instance=ds.SOPInstanceUID)
    assert response is not None
    assert response.Status == 0


@fast
@pytest.mark.parametrize(
    "command",
    [
        {},
        {0x0002: VERIFICATION},
        {0x0002: VERIFICATION, 0x0100: b"\x77\x77"},
        {0x0100: b"\x30\0\x30\0"},
        {0x0100: b"\x30"},
    ],
    ids=["empty", "no field", "unknown field", "two fields", "half a field"],
)
def test_a_command_that_cannot_be_read_is_one_warning(
    node: Node, caplog: pytest.LogCaptureFixture, command: dict[int, bytes]
) -> None:
    encoded_command = b"".join(struct.pack("<HHI", 0, tag, len(value)) + value for tag, value in command.items())
    with RawPeer(node.port) as peer:
        peer.socket.sendall(p_data(pdv(3, encoded_command)))
        assert peer.read_pdu()[0] == 7
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert "protocol error: message that cannot be read" in record.getMessage()


@fast
def test_a_request_without_a_data_set_gets_its_status(node: Node) -> None:
    with RawPeer(node.port) as peer:
        for _ in range(2):
            peer.socket.sendall(p_data(pdv(3, RawPeer.command(CTImageStorage, "1.2.3", has_data=False))))
            assert peer.read_status() == 0xC000


@fast
def test_an_oversized_negotiation_is_not_read(start_node: StartNode) -> None:
    node = start_node(acse_timeout_s=1.0)
    with socket.create_connection(("127.0.0.1", node.port), timeout=LIMIT_S) as connection:
        connection.sendall(b"\x01\x00\xff\xff\xff\xff")
        assert connection.recv(10)[:1] == b"\x07"


@fast
def test_what_comes_after_an_abort_is_dropped(node: Node) -> None:
    """A peer that goes on gets no second abort, and nobody looks for PDUs in the rest."""
    with RawPeer(node.port) as peer:
        peer.socket.sendall(p_data(pdv(3, bytes(100))) + bytes(3 << 20))
        answers = []
        with suppress(EOFError, ConnectionError):
            while True:
                answers.append(peer.read_pdu()[0])
    assert answers == [7]


@fast
def test_idle_associations_cost_next_to_nothing(start_node: StartNode) -> None:
    node = start_node()
    peers = [RawPeer(node.port) for _ in range(15)]
    try:
        process = psutil.Process()
        # Each turn of a loop gives the processor back once; a slow machine turns less often, never more.
        assert grown(lambda: int(process.num_ctx_switches().voluntary), 1.0) < 1_500
    finally:
        for peer in peers:
            peer.socket.close()


@fast
def test_many_associations_at_once(node: Node) -> None:
    failures: list[object] = []

    def sender() -> None:
        association = ClosingAE("TEST").associate("127.0.0.1", node.port, [build_context(CTImageStorage)])
        for _ in range(10):
            ds = small_image(size=50_000)
            if association.send_c_store(ds).get("Status") != 0:
                failures.append(ds)
        association.release()

    threads = [threading.Thread(target=sender) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(node.received) == 60


@fast
def test_other_services_still_work_between_stores(node: Node) -> None:
    ds = small_image()
    contexts = [build_context(CTImageStorage), build_context("1.2.840.10008.1.1")]
    association = ClosingAE("TEST").associate("127.0.0.1", node.port, contexts)
    for _ in range(3):
        assert association.send_c_store(ds).Status == 0
        assert association.send_c_echo().Status == 0
    association.release()
    assert association.is_released


@pytest.mark.more
def test_requests_that_pile_up_are_not_kept(tmp_path: Path, dicom_settings: Callable[..., DicomSettings]) -> None:
    """A peer that asks without waiting for answers must not fill the memory.

    The first request gets no answer before the peer is refused: none piles up where each is answered at once.
    """
    end = threading.Event()
    commitment = Commitment(lambda request, association: wait_for(end), lambda: None, lambda kind, report: None)
    settings = dicom_settings()
    intake = Intake.of(settings, tmp_path / "in", lambda received: None, lambda: None)
    scp = StorageScp(settings, intake, commitment=commitment)
    scp.start()
    stream = large_commitment_request()
    try:
        with RawPeer(scp.port, COMMITMENT) as peer:
            with suppress(OSError):
                for _ in range(400):
                    peer.socket.sendall(stream)
            assert peer.is_ended()
    finally:
        end.set()
        scp.stop(1.0)


def wait_for(event: threading.Event) -> None:
    assert event.wait(60)


def large_commitment_request() -> bytes:
    """A request for storage commitment with half a megabyte of padding."""
    request = N_ACTION()
    request.MessageID = 1
    request.RequestedSOPClassUID = COMMITMENT
    request.RequestedSOPInstanceUID = PUSH_MODEL_INSTANCE
    request.ActionTypeID = 1
    request.ActionInformation = BytesIO(b"xx")
    message = N_ACTION_RQ()
    message.primitive_to_message(request)
    command = encode(message.command_set, is_implicit_vr=True, is_little_endian=True)
    assert command is not None
    item, information = Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, "1.2.3"
    information.TransactionUID, information.ReferencedSOPSequence = "1.2.4", [item]
    information.DataSetTrailingPadding = bytes(500_000)
    return p_data(pdv(3, command)) + p_data(pdv(2, encoded(information)))


@pytest.mark.more
@fast
def test_memory_stays_flat_for_large_objects(start_node: StartNode) -> None:
    node = start_node()
    node.scp._intake._receive = lambda received: None  # the fixture's own would read the file
    ds = small_image()
    uid = ds.SOPInstanceUID
    megabyte = b"\0" * (1 << 20)
    size = 200 << 20
    with RawPeer(node.port) as peer:
        before = psutil.Process().memory_info().rss
        del ds.PixelData
        peer.socket.sendall(p_data(pdv(3, RawPeer.command(CTImageStorage, uid))))
        pixel_head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size)
        peer.socket.sendall(p_data(pdv(0, encoded(ds) + pixel_head)))
        # One single fragment of 200 MB: nobody may wait for its end before writing.
        peer.socket.sendall(struct.pack(">BxI", 4, size + 6) + struct.pack(">IBB", size + 2, 1, 2))
        peak = 0
        for _ in range(size >> 20):
            peer.socket.sendall(megabyte)
            peak = max(peak, psutil.Process().memory_info().rss)
        assert peer.read_status() == 0x0000
    assert peak - before < 50 << 20
