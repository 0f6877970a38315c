"""Notes of other systems (IHE IOCM) on their way through the real pipeline, before and after the images they name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from miqa_node.core.domain.label import LabelOrigin
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.dicom.bytes.notes import KEY_OBJECT_SELECTION, read_note
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store import tables
from miqa_node.runtime.workers.pool import WorkerPool
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig

ART = Path("RG3_UNCR.dcm")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with WorkerPool(load_settings(work={"processes": 1})) as pool:
        rig = Rig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
        yield rig
        rig.database.close()


def code(value: str, scheme: str = "DCM", meaning: str = "x") -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return [item]


def note_about(image: Path, folder: Path, title: str, reason: str = "", scheme: str = "DCM") -> Path:
    """A Key Object Selection as an archive writes it."""
    source = dcmread(image)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = KEY_OBJECT_SELECTION, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = source.StudyInstanceUID, generate_uid()
    ds.Modality = "KO"
    ds.PatientName, ds.PatientID = source.PatientName, source.PatientID
    ds.ConceptNameCodeSequence = code(title, scheme)
    evidence, series, item = Dataset(), Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = source.SeriesInstanceUID, [item]
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = source.StudyInstanceUID, [series]
    ds.CurrentRequestedProcedureEvidenceSequence = [evidence]
    if reason:
        modifier = Dataset()
        modifier.RelationshipType, modifier.ValueType = "HAS CONCEPT MOD", "CODE"
        modifier.ConceptNameCodeSequence, modifier.ConceptCodeSequence = code("113011"), code(reason)
        ds.ContentSequence = [modifier]
    path = folder / f"{ds.SOPInstanceUID}.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


def rejected(rig: Rig) -> list[tuple[bool, str]]:
    with rig.database.begin() as transaction:
        rows = transaction.execute(sa.select(tables.acquisitions.c.rejected, tables.acquisitions.c.reject_reason))
        return [(row[0], row[1]) for row in rows]


@pytest.mark.parametrize("image_first", [True, False])
def test_a_rejection_for_quality_is_a_label_whichever_comes_first(
    rig: Rig,
    samples: Path,
    tmp_path: Path,
    image_first: bool,
) -> None:
    note = note_about(samples / ART, tmp_path, "113001", "111207")
    sources = [samples / ART, note] if image_first else [note, samples / ART]
    digests = [rig.receive(source) for source in sources]
    for digest in digests:
        rig.finish(digest)
    image = digests[0 if image_first else 1]
    with rig.database.begin() as transaction:
        (label,) = labels.of_images(transaction, [image])
    opinion = label.judgement
    assert (opinion.origin, opinion.bad, opinion.rejects) == (LabelOrigin.REJECTION_NOTE, True, True)
    assert (opinion.actor, opinion.reason, opinion.findings) == ("SCANNER", "111207", None)
    assert rejected(rig) == [(True, "111207")]


def test_the_same_note_twice_is_one_label(rig: Rig, samples: Path, tmp_path: Path) -> None:
    note = note_about(samples / ART, tmp_path, "113001")
    image = rig.receive(samples / ART)
    for digest in (image, rig.receive(note), rig.receive(note, {"SeriesDescription": "sent by another archive"})):
        rig.finish(digest)
    with rig.database.begin() as transaction:
        assert len(labels.of_images(transaction, [image])) == 1


@pytest.mark.parametrize(
    ("title", "counts"), [("113037", [(True, "113037")]), ("113038", [(False, "")]), ("113039", [(False, "")])]
)
def test_other_notes_are_kept_and_say_nothing_of_quality(
    rig: Rig,
    samples: Path,
    tmp_path: Path,
    title: str,
    counts: list[tuple[bool, str]],
) -> None:
    image = rig.receive(samples / ART)
    for digest in (image, rig.receive(note_about(samples / ART, tmp_path, title))):
        rig.finish(digest)
    with rig.database.begin() as transaction:
        assert labels.of_images(transaction, [image]) == []
        (row,) = transaction.execute(sa.select(tables.rejection_notes)).all()
    assert (row.title, row.digest, row.sender) == (title, image, "SCANNER")
    assert rejected(rig) == counts


def changed(note: Path, *, uid: str = "", **elements: object) -> Path:
    """The note with other elements, as a document of its own."""
    ds = dcmread(note)
    ds.SOPInstanceUID = uid or generate_uid()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    path = note.with_name(f"{generate_uid()}.dcm")
    ds.save_as(path)
    return path


def documents(*notes: Path) -> list[Dataset]:
    """A sequence that refers to documents (PS3.3 C.17.2.1)."""
    study, series = Dataset(), Dataset()
    items = []
    for note in notes:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = KEY_OBJECT_SELECTION, dcmread(note).SOPInstanceUID
        items.append(item)
    series.SeriesInstanceUID, series.ReferencedSOPSequence = "1.2.3", items
    study.StudyInstanceUID, study.ReferencedSeriesSequence = "1.2", [series]
    return [study]


REVOKE = code("REVOKE_REJECTION", "99DCM4CHEE")


def come(rig: Rig, *sources: Path) -> None:
    for source in sources:
        rig.finish(rig.receive(source))


@pytest.mark.parametrize("title", ["113001", "113037"])
def test_a_rejection_that_the_archive_takes_back_is_none(rig: Rig, samples: Path, tmp_path: Path, title: str) -> None:
    note = note_about(samples / ART, tmp_path, title, "111207")
    revocation = changed(note, ConceptNameCodeSequence=REVOKE)
    come(rig, samples / ART, note)
    assert rejected(rig) == [(True, "111207")]
    come(rig, revocation)
    assert rejected(rig) == [(False, "")]
    with rig.database.begin() as transaction:
        assert list(labels.select(transaction)) == []
    uid = dcmread(note).SOPInstanceUID
    come(rig, changed(note, uid=uid, SeriesDescription="the same document, from the router"))
    assert rejected(rig) == [(False, "")]
    come(rig, note_about(samples / ART, tmp_path, "113001", "111208"))  # rejected once more
    assert rejected(rig) == [(True, "111208")]
    uid = dcmread(revocation).SOPInstanceUID
    come(rig, changed(revocation, uid=uid, SeriesDescription="the earlier revocation, from the router"))
    assert rejected(rig) == [(True, "111208")]


def test_a_later_note_takes_the_place_of_its_predecessor(rig: Rig, samples: Path, tmp_path: Path) -> None:
    first = note_about(samples / ART, tmp_path, "113001", "111207")
    expired = changed(first, ConceptNameCodeSequence=code("113039"), PredecessorDocumentsSequence=documents(first))
    come(rig, samples / ART, first, expired)
    assert rejected(rig) == [(False, "")]
    safety = changed(first, ConceptNameCodeSequence=code("113037"), PredecessorDocumentsSequence=documents(expired))
    come(rig, safety)
    assert rejected(rig) == [(True, "111207")]


def test_a_note_that_was_taken_back_before_its_image_came_rejects_nothing(
    rig: Rig, samples: Path, tmp_path: Path
) -> None:
    note = note_about(samples / ART, tmp_path, "113001")
    come(rig, note, changed(note, ConceptNameCodeSequence=REVOKE), samples / ART)
    assert rejected(rig) == [(False, "")]


def test_an_identical_document_is_the_same_rejection(rig: Rig, samples: Path, tmp_path: Path) -> None:
    note = note_about(samples / ART, tmp_path, "113001", "111207")
    come(rig, samples / ART, note, changed(note, IdenticalDocumentsSequence=documents(note)))
    with rig.database.begin() as transaction:
        assert len(list(labels.select(transaction))) == 1


@pytest.mark.parametrize("title", [code("REVOKE", "99OTHER"), code("113000"), code("REVOKE_REJECTION", "DCM")])
def test_a_key_object_that_is_not_understood_changes_nothing(
    rig: Rig, samples: Path, tmp_path: Path, title: list[Dataset]
) -> None:
    note = note_about(samples / ART, tmp_path, "113001", "111207")
    other = changed(note, ConceptNameCodeSequence=title, PredecessorDocumentsSequence=documents(note))
    come(rig, samples / ART, note, other)
    assert rejected(rig) == [(True, "111207")]


def test_other_key_objects_are_none(samples: Path, tmp_path: Path) -> None:
    assert read_note(note_about(samples / ART, tmp_path, "113010")) is None
    assert read_note(note_about(samples / ART, tmp_path, "113001", scheme="99X")) is None
    assert read_note(samples / ART) is None
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"\0" * 300)
    assert read_note(broken) is None


DATED = ("20260102", "101500")


@pytest.mark.parametrize("is_dated", [True, False])
@pytest.mark.parametrize("image_first", [True, False])
def test_a_revocation_that_comes_before_its_note_takes_it_back(
    rig: Rig, samples: Path, tmp_path: Path, *, is_dated: bool, image_first: bool
) -> None:
    note = note_about(samples / ART, tmp_path, "113001", "111207")
    revocation = changed(note, ConceptNameCodeSequence=REVOKE)
    later = changed(note)
    if is_dated:
        note = changed(note, ContentDate=DATED[0], ContentTime=DATED[1])
        revocation = changed(revocation, ContentDate=DATED[0], ContentTime="101600")
        later = changed(later, ContentDate=DATED[0], ContentTime="101700.5")
    sources = [samples / ART, revocation, note] if image_first else [revocation, note, samples / ART]
    come(rig, *sources)
    assert rejected(rig) == [(False, "")]
    come(rig, later)  # a new rejection
    assert rejected(rig) == [(True, "111207")]
    if is_dated:
        come(rig, changed(revocation, ContentTime="101630"))  # an older one on a slower way
        assert rejected(rig) == [(True, "111207")]


def test_a_note_that_comes_after_the_one_that_takes_its_place_says_nothing(
    rig: Rig, samples: Path, tmp_path: Path
) -> None:
    note = note_about(samples / ART, tmp_path, "113001", "111207")
    other = note_about(samples / ART, tmp_path, "113001", "111210")
    come(rig, samples / ART, changed(other, PredecessorDocumentsSequence=documents(note)), note)
    assert rejected(rig) == [(True, "111210")]
