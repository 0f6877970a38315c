"""Objects of many SOP classes come by C-GET, also where the archive does not say of which they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit
from pynetdicom import AE, evt

from miqa_node.core.domain.dimse_status import in_words
from miqa_node.core.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.errors import ClassRefusedError, DeliveryError
from miqa_node.stages.deliver.association import Peer
from miqa_node.stages.deliver.pulling import MOST_CONTEXTS, RADIOGRAPHS, PullingAssociation
from miqa_node.stages.deliver.retrieval import FIND, GET
from tests.conftest import free_port
from tests.stages.deliver.conftest import deliver_settings

__all__ = ["deliver_settings"]
MODALITIES = ("CR", "DX", "MG", "IO", "XA", "RF", "PX", "RG")
CLASSES = RADIOGRAPHS
PRIVATE = "1.2.3.4.5.6"


def objects() -> dict[str, Dataset]:
    """One of each class, by SOP Instance UID, in one syntax or another."""
    made = {}
    for number, sop_class in enumerate([*CLASSES, PRIVATE]):
        ds = Dataset()
        ds.SOPClassUID, ds.SOPInstanceUID, ds.PatientID = sop_class, f"1.2.3.{number}", f"P{number}"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2", "1.2.3"
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if number % 3 == 2 else ExplicitVRLittleEndian
        made[ds.SOPInstanceUID] = ds
    return made


OBJECTS = objects()


@contextmanager
def archive(classes: list[str], *, get: bool = True) -> Iterator[tuple[int, list[int]]]:
    """Its port, and how many contexts each association proposed."""
    ae, port, proposed = AE("ARCHIVE"), free_port(), list[int]()
    for service in (FIND, *([GET] if get else [])):
        ae.add_supported_context(service)
    for one in classes:
        syntaxes = [ExplicitVRLittleEndian, JPEGBaseline8Bit]
        ae.add_supported_context(one, syntaxes, scu_role=True, scp_role=True)

    def give(event: Any) -> Iterator[Any]:
        yield 1
        yield 0xFF00, OBJECTS[event.identifier.SOPInstanceUID]

    def count(event: Any) -> None:
        proposed.append(len(event.assoc.requestor.primitive.presentation_context_definition_list))

    handlers: list[Any] = [(evt.EVT_C_GET, give), (evt.EVT_REQUESTED, count)]
    server: Any = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        yield port, proposed
    finally:
        server.shutdown()


@contextmanager
def pulling(port: int, settings: Any) -> Iterator[PullingAssociation]:
    peer = Peer("ARCHIVE", "127.0.0.1", port, "MIQA", settings)
    with closing(PullingAssociation(lambda contexts, roles, store: peer.open(contexts, roles, None, store))) as one:
        yield one


def header(uid: str, sop_class: str, modality: str = "DX") -> Header:
    return Header(sop_class, SopInstanceUid(uid), SeriesInstanceUid("1.2.3"), StudyInstanceUid("1.2"), "", modality)


@pytest.mark.parametrize("is_told", [True, False])
def test_each_class_that_the_archive_has_comes(is_told: bool, deliver_settings: Any) -> None:
    with archive([*CLASSES, PRIVATE]) as (port, proposed), pulling(port, deliver_settings()) as one:
        for _time in range(2):
            for number, (uid, ds) in enumerate(OBJECTS.items()):
                if is_told or ds.SOPClassUID != PRIVATE:
                    name = header(uid, ds.SOPClassUID if is_told else "", MODALITIES[number % len(MODALITIES)])
                    assert pydicom.dcmread(BytesIO(one.get(name))).PatientID == ds.PatientID
        assert max(proposed) <= MOST_CONTEXTS


def test_one_association_does_for_images_of_a_modality(deliver_settings: Any) -> None:
    with archive(CLASSES) as (port, proposed), pulling(port, deliver_settings()) as one:
        for _time in range(3):
            for uid, ds in OBJECTS.items():
                if ds.SOPClassUID in RADIOGRAPHS[:3]:
                    one.get(header(uid, ds.SOPClassUID))
        assert len(proposed) == 1


@pytest.mark.parametrize("is_told", [True, False])
def test_a_class_that_the_archive_does_not_offer_is_named_so(is_told: bool, deliver_settings: Any) -> None:
    uid = next(uid for uid, ds in OBJECTS.items() if ds.SOPClassUID == PRIVATE)
    words = "none of the object's possible SOP classes"
    with (
        archive([]) as (port, _proposed),
        pulling(port, deliver_settings()) as one,
        pytest.raises(DeliveryError, match=words),
    ):
        one.get(header(uid, PRIVATE if is_told else ""))


@pytest.mark.parametrize("is_told", [True, False])
def test_an_archive_without_c_get_is_known_as_such(is_told: bool, deliver_settings: Any) -> None:
    with (
        archive(CLASSES, get=False) as (port, _proposed),
        pulling(port, deliver_settings()) as one,
        pytest.raises(ClassRefusedError, match="does no C-GET"),
    ):
        one.get(header("1.2.3.0", CLASSES[0] if is_told else ""))


@pytest.mark.parametrize(
    ("status", "service", "words"),
    [
        (0xA700, "C-STORE", "the archive is full"), (0xA701, "C-GET", "cannot count"), (0xA702, "C-GET", "cannot send"),
        (0xA702, "C-MOVE", "cannot send"), (0xA801, "C-MOVE", "destination unknown"), (0xA700, "C-FIND", "no further"),
        (0xA900, "C-FIND", "does not understand"), (0xA900, "C-STORE", "does not match its SOP class"),
        (0xC001, "C-FIND", "this search"), (0xC001, "C-GET", "cannot do this"), (0xC001, "C-STORE", "understand it"),
        (0xB000, "C-MOVE", "some objects"), (0xB000, "C-STORE", "coerced"), (0x0122, "C-FIND", "not supported"),
        (0xFE00, "C-GET", "cancelled"),
    ],
)  # fmt: skip
def test_a_status_is_said_in_the_words_of_its_service(status: int, service: str, words: str) -> None:
    assert words in in_words(status, service)
    assert ("full" in in_words(status, service)) is (service == "C-STORE" and status == 0xA700)
