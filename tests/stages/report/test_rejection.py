"""The note by which a person has archives hide images."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest

from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.output import default_kinds
from miqa_node.errors import ReportError
from miqa_node.stages.report.outputs.rejection import Confirmation, rejection_note
from tests.stages.report import making

CONFIRMED = Confirmation("maria.muster", datetime(2026, 11, 20, 10, 0, tzinfo=UTC), "111210", "both hands moved")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return making.write(making.small(), tmp_path_factory.mktemp("source") / "source.dcm")


def test_it_says_what_is_rejected_why_and_by_whom(source: Path) -> None:
    note = making.read(rejection_note([source], making.assessment(), CONFIRMED))
    image = pydicom.dcmread(source, stop_before_pixels=True)
    assert note.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.59"
    assert note.ConceptNameCodeSequence[0].CodeValue == "113001"
    modifier = note.ContentSequence[0]
    assert modifier.ConceptNameCodeSequence[0].CodeValue == "113011"
    assert modifier.ConceptCodeSequence[0].CodeValue == "111210"
    [named] = [item for item in note.ContentSequence if item.ValueType == "PNAME"]
    assert str(named.PersonName) == "maria.muster^"
    [text] = [
        item.TextValue for item in note.ContentSequence if item.ValueType == "TEXT" and "Rejected" in item.TextValue
    ]
    assert text == "Rejected by maria.muster: Motion blur. both hands moved"
    [meant] = [item.ReferencedSOPSequence[0] for item in note.ContentSequence if item.ValueType == "IMAGE"]
    assert meant.ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert (note.PatientID, note.StudyInstanceUID) == (image.PatientID, image.StudyInstanceUID)


def test_confirming_twice_gives_the_same_object_and_another_reason_another(source: Path) -> None:
    later = Confirmation("else", datetime(2026, 11, 21, tzinfo=UTC), "111210")
    first, again = (rejection_note([source], making.assessment(), review) for review in (CONFIRMED, later))
    other = rejection_note([source], making.assessment(), Confirmation("x", CONFIRMED.confirmed_at, "111209"))
    assert first.sop_instance_uid == again.sop_instance_uid != other.sop_instance_uid


def test_several_images_of_a_study_are_one_note(source: Path, tmp_path: Path) -> None:
    second = making.write(making.small(), tmp_path / "b.dcm", lambda ds: setattr(ds, "SOPInstanceUID", "1.2.3.4"))
    note = making.read(rejection_note([source, second], making.assessment(), CONFIRMED))
    assert sum(item.ValueType == "IMAGE" for item in note.ContentSequence) == 2
    (series,) = note.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert len(series.ReferencedSOPSequence) == 2


def test_images_of_two_studies_and_unknown_reasons_are_refused(source: Path, tmp_path: Path) -> None:
    other = making.write(making.small(), tmp_path / "b.dcm", lambda ds: setattr(ds, "StudyInstanceUID", "1.2.3.4"))
    with pytest.raises(ReportError, match="exactly one study"):
        rejection_note([source, other], making.assessment(), CONFIRMED)
    with pytest.raises(ReportError, match="exactly one study"):
        rejection_note([], making.assessment(), CONFIRMED)
    with pytest.raises(ReportError, match="CID 7011"):
        rejection_note([source], making.assessment(), Confirmation("x", CONFIRMED.confirmed_at, "999"))


def test_every_reason_of_cid_7011_can_be_given() -> None:
    assert set(REASON_CODES) == {*map(str, range(111207, 111222)), "113026"}


def test_nobody_gets_it_without_asking() -> None:
    assert ResultKind("REJECTION") not in default_kinds()
