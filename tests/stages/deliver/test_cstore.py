from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.transport import AssociationSocket

from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID
from miqa_node.core.settings import DeliverSettings
from miqa_node.dicom.pixels.encode import encode_frame
from miqa_node.errors import ClassRefusedError, DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.association import ClosingAE
from miqa_node.stages.deliver.kinds.base import DeliveryContext, split_file
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_node.stages.report.pixels import add_encapsulated
from tests.stages.deliver.making import as_file, outcomes, pacs, report
from tests.waiting import delay, wait_until

Make = Callable[..., DeliverSettings]


@pytest.fixture
def connect(deliver_settings: Make) -> Iterator[Callable[..., CStoreDestination]]:
    made: list[CStoreDestination] = []

    def make(port: int, title: str = "PACS", **changes: object) -> CStoreDestination:
        config = CStoreConfig(name="pacs", ae_title=title, host="127.0.0.1", port=port)
        made.append(CStoreDestination(config, DeliveryContext(deliver_settings(**changes), "NODE")))
        return made[-1]

    yield make
    for destination in made:
        destination.close()


Connect = Callable[..., CStoreDestination]


def test_sends_the_bytes_as_they_are_over_one_association(connect: Connect) -> None:
    with pacs() as peer:
        destination = connect(peer.port)
        files = [as_file(report()) for _ in range(5)]
        assert outcomes(destination, *files) == [None] * 5
        assert peer.stored == [(uid, split_file(data)[1]) for _, uid, data in files]
        assert peer.associations == 1
        (association,) = peer.ae.active_associations
        assert association.requestor.ae_title == "NODE"
        assert association.requestor.implementation_class_uid == IMPLEMENTATION_CLASS_UID
        destination.close()
        assert wait_until(lambda: not peer.ae.active_associations)


def test_converts_where_only_implicit_vr_is_accepted(connect: Connect) -> None:
    with pacs(syntaxes=[ImplicitVRLittleEndian]) as peer:
        ds = report()
        assert outcomes(connect(peer.port), as_file(ds)) == [None]
        ((_, data),) = peer.stored
        assert data != split_file(as_file(ds)[2])[1]
        assert data == split_file_implicit(ds)


def split_file_implicit(ds: Dataset) -> bytes:
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = True, True
    from pydicom.filewriter import write_dataset

    write_dataset(out, ds)
    return out.getvalue()


def test_a_class_that_the_peer_does_not_take_is_refused_and_others_go_on(connect: Connect) -> None:
    with pacs() as peer:
        destination = connect(peer.port)
        bad, good = as_file(report(SegmentationStorage)), as_file(report())
        first, second, third = outcomes(destination, good, bad, good)
        assert first is None
        assert isinstance(second, DeliveryRefusedError)
        assert "Segmentation" in str(second)
        assert third is None


def picture(syntax: UID) -> Dataset:
    """A small picture in colour, compressed."""
    pixels = np.random.default_rng(3).integers(0, 255, (96, 64, 3), np.uint8)
    ds = report(SecondaryCaptureImageStorage)
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration = 96, 64, 3, 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PhotometricInterpretation = {JPEG2000Lossless: "YBR_RCT", RLELossless: "RGB"}.get(syntax, "YBR_FULL_422")
    add_encapsulated(ds, [pixels], syntax, encode_frame)
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, RLELossless, JPEGBaseline8Bit])
@pytest.mark.parametrize("accepted", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_peer_that_decodes_nothing_gets_the_picture_uncompressed(
    connect: Connect, syntax: UID, accepted: UID
) -> None:
    """PS3.5 10.1: who proposes a compressed syntax proposes the default one, too."""
    ds = picture(syntax)
    expected = ds.pixel_array
    with pacs(classes=[SecondaryCaptureImageStorage], syntaxes=[accepted]) as peer:
        assert outcomes(connect(peer.port), as_file(ds)) == [None]
        ((uid, data_set),) = peer.stored
    got = dcmread(BytesIO(data_set), force=True) if accepted == ImplicitVRLittleEndian else read_explicit(data_set)
    got.file_meta = FileMetaDataset()
    got.file_meta.TransferSyntaxUID = accepted
    assert (uid, got.PhotometricInterpretation, got.PlanarConfiguration) == (ds.SOPInstanceUID, "RGB", 0)
    assert np.abs(got.pixel_array.astype(int) - expected.astype(int)).max() <= (1 if syntax == JPEGBaseline8Bit else 0)


def read_explicit(data_set: bytes) -> Dataset:
    return read_dataset(BytesIO(data_set), is_implicit_VR=False, is_little_endian=True)


def test_a_peer_that_decodes_gets_it_as_it_is(connect: Connect) -> None:
    ds = picture(RLELossless)
    with pacs(classes=[SecondaryCaptureImageStorage], syntaxes=[ImplicitVRLittleEndian, RLELossless]) as peer:
        file = as_file(ds)
        assert outcomes(connect(peer.port), file) == [None]
        assert peer.stored == [(file[1], split_file(file[2])[1])]


def test_the_error_names_what_was_refused(connect: Connect) -> None:
    with pacs(classes=[SecondaryCaptureImageStorage], syntaxes=["1.2.840.10008.1.2.2"]) as peer:
        (outcome,) = outcomes(connect(peer.port), as_file(picture(RLELossless)))
    refused = "Secondary Capture Image Storage in none of RLE Lossless, Explicit VR Little Endian, Implicit VR"
    assert refused in str(outcome)
    with pacs() as peer:
        (outcome,) = outcomes(connect(peer.port), as_file(report(SegmentationStorage)))
    assert "no Segmentation Storage (offered in" in str(outcome)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, None),
        (0xB000, None),
        (0xB006, None),
        (0x0111, None),
        (0xA700, DeliveryError),
        (0xC000, DeliveryError),
        (0x0110, DeliveryError),
        (0xA900, DeliveryRefusedError),
        (0x0122, ClassRefusedError),
    ],
)
def test_statuses(connect: Connect, status: int, outcome: type[Exception] | None) -> None:
    with pacs() as peer:
        peer.answer = lambda event: status
        destination = connect(peer.port)
        (got,) = outcomes(destination, as_file(report()))
        assert type(got) is (outcome or type(None))
        if outcome:
            assert f"0x{status:04X}" in str(got)
        peer.answer = lambda event: 0x0000
        assert outcomes(destination, as_file(report())) == [None]
        assert peer.associations == 1


def test_nobody_listens(connect: Connect) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        destination = connect(listener.getsockname()[1])
        (outcome,) = outcomes(destination, as_file(report()))
    assert type(outcome) is DeliveryError
    assert "the connection was refused" in str(outcome)


def test_an_unknown_host(deliver_settings: Make) -> None:
    config = CStoreConfig(name="pacs", ae_title="PACS", host="no-such-host.invalid", port=104)
    (outcome,) = outcomes(CStoreDestination(config, DeliveryContext(deliver_settings(), "NODE")), as_file(report()))
    assert type(outcome) is DeliveryError
    assert "cannot be resolved" in str(outcome)


def test_a_rejected_association_says_why(connect: Connect) -> None:
    with pacs(title="OTHER", require=True) as peer:
        (outcome,) = outcomes(connect(peer.port), as_file(report()))
    assert type(outcome) is DeliveryError
    assert "Called AE title not recognised" in str(outcome)


class LateEvent(threading.Event):
    """Wakes its waiter only after the others have gone on, as a busy machine does now and then."""

    def wait(self, timeout: float | None = None) -> bool:
        done = super().wait(timeout)
        delay(0.5)
        return done


def test_a_rejection_that_comes_before_somebody_looks_says_why(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = ClosingAE._create_socket

    def create_late(*arguments: Any) -> AssociationSocket:
        made = create(*arguments)
        made._ready = LateEvent()
        return made

    monkeypatch.setattr(ClosingAE, "_create_socket", create_late)
    with pacs(title="OTHER", require=True) as peer:
        (outcome,) = outcomes(connect(peer.port), as_file(report()))
    assert "Called AE title not recognised" in str(outcome)


def test_an_aborting_peer_fails_the_object_and_the_next_one_gets_through(connect: Connect) -> None:
    with pacs() as peer:
        peer.answer = lambda event: event.assoc.abort() or 0x0000
        destination = connect(peer.port, dimse_timeout_s=3600.0)  # it does not wait for an answer
        (outcome,) = outcomes(destination, as_file(report()))
        assert type(outcome) is DeliveryError
        assert "aborted" in str(outcome)
        peer.answer = lambda event: 0x0000
        assert outcomes(destination, as_file(report())) == [None]


def test_an_association_that_the_peer_closed_meanwhile_is_opened_again(connect: Connect) -> None:
    with pacs() as peer:
        destination = connect(peer.port)
        assert outcomes(destination, as_file(report())) == [None]
        for association in peer.ae.active_associations:
            association.abort()
        assert outcomes(destination, as_file(report())) == [None]
        assert len(peer.stored) == 2


@contextmanager
def stuck_listener() -> Iterator[int]:
    """Accepts connections and says nothing, ever."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_peer_that_says_nothing_does_not_hang(connect: Connect) -> None:
    with stuck_listener() as port:
        (outcome,) = outcomes(connect(port, dimse_timeout_s=0.5), as_file(report()))
        assert type(outcome) is DeliveryError


@contextmanager
def dripping_listener() -> Iterator[int]:
    """Answers a request for an association with a PDU that comes a byte at a time, and never whole."""

    def drip(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.sendall(b"\x02\x00\x00\x00\x00\xff")
                    while True:
                        connection.sendall(b"\0")
                        delay(0.05)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def test_a_peer_that_answers_a_byte_at_a_time_does_not_hang(connect: Connect) -> None:
    with dripping_listener() as port:
        (outcome,) = outcomes(connect(port, dimse_timeout_s=0.5), as_file(report()))
        assert type(outcome) is DeliveryError
        assert "made no association in time" in str(outcome)


def test_large_objects(connect: Connect) -> None:
    with pacs(classes=[SegmentationStorage]) as peer:
        ds = report(SegmentationStorage)
        ds.PixelData = bytes(range(256)) * 40_000
        ds["PixelData"].VR = "OB"
        file = as_file(ds)
        assert outcomes(connect(peer.port), file) == [None]
        assert peer.stored == [(file[1], split_file(file[2])[1])]


def test_echo(connect: Connect) -> None:
    with pacs() as peer:
        connect(peer.port).probe()
    with pytest.raises(DeliveryError, match="refused"):
        connect(peer.port).probe()


def steal_responses(monkeypatch: pytest.MonkeyPatch, how_many: int) -> list[int]:
    """Let the reactor thread do what it does once in thousands: take a response before the sender looks.

    The sender's ``get_msg`` or ``msg_queue.get`` sees the queue only after the reactor has served its head.
    """
    stolen: list[int] = []
    original = Association.request

    def request(self: Association) -> None:
        original(self)
        queue = self.dimse.msg_queue
        real_put = queue.put

        def put(item: Any) -> None:
            if len(stolen) < how_many and threading.current_thread() is self.dul:
                stolen.append(item[0])
                # On the reactor's behalf, before anybody else can see the message.
                self._serve_request(item[1], item[0])
            else:
                real_put(item)

        monkeypatch.setattr(queue, "put", put)

    monkeypatch.setattr(Association, "request", request)
    return stolen


def test_a_response_that_the_reactor_took_is_handed_back(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    stolen = steal_responses(monkeypatch, 3)
    with pacs() as peer:
        destination = connect(peer.port, dimse_timeout_s=3600.0)  # none waits for its end
        assert outcomes(destination, *(as_file(report()) for _ in range(4))) == [None] * 4
        assert len(stolen) == 3
        assert peer.associations == 1


def test_the_race_is_real_without_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the guard is for: pynetdicom's own sender loses the response. When this fails, the guard can go."""
    from pynetdicom import AE

    stolen = steal_responses(monkeypatch, 1)
    with pacs() as peer:
        ae = AE("NODE")
        ae.dimse_timeout = 0.5
        ae.add_requested_context(BasicTextSRStorage)
        association = ae.associate("127.0.0.1", peer.port)
        status = association.send_c_store(report())
        assert stolen
        assert "Status" not in status
        assert len(peer.stored) == 1


def test_a_foreign_response_is_not_taken_for_ours(connect: Connect) -> None:
    """A response with another message ID ends the association instead of counting as success."""
    with pacs() as peer:

        def answer(event: Any) -> int:
            foreign = C_STORE()
            foreign.MessageIDBeingRespondedTo = 4711
            foreign.AffectedSOPClassUID = BasicTextSRStorage
            foreign.AffectedSOPInstanceUID = event.request.AffectedSOPInstanceUID
            foreign.Status = 0x0000
            event.assoc.dimse.send_msg(foreign, event.context.context_id)
            return 0xA700

        peer.answer = answer
        destination = connect(peer.port, dimse_timeout_s=0.5)
        (outcome,) = outcomes(destination, as_file(report()))
        assert type(outcome) is DeliveryError


def test_what_is_no_dicom_file_fails_alone(connect: Connect) -> None:
    with pacs() as peer:
        bad, good = outcomes(connect(peer.port), (BasicTextSRStorage, "1.2.3", b""), as_file(report()))
        assert isinstance(bad, DeliveryRefusedError)
        assert good is None


@pytest.mark.more
def test_a_slow_answer_times_out(connect: Connect) -> None:
    with pacs() as peer:
        may_answer = threading.Event()
        peer.answer = lambda event: 0x0000 if may_answer.wait(60.0) else 0xC000
        destination = connect(peer.port, dimse_timeout_s=1.2)  # it also limits the association's own beginning
        (outcome,) = outcomes(destination, as_file(report()))
        may_answer.set()
        assert type(outcome) is DeliveryError
        assert "1.2 s" in str(outcome)
