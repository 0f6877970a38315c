"""The study that a destination is tried with: one object of each kind, of nobody, that leads nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from miqa_node.core.domain.delivery import REJECTION
from miqa_node.core.domain.output import output_kinds
from miqa_node.core.settings import load_settings
from miqa_selftest.trial_study import IMAGES, TrialStudy, make_study

pytestmark = pytest.mark.more

REFERENCES = ("ReferencedSOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
REJECTION_TITLES = {"113001", "113037", "113038", "113039"}
"""Of key objects by which archives hide what they name (IHE IOCM)."""


@pytest.fixture(scope="module")
def study() -> TrialStudy:
    return make_study(load_settings())


def elements(ds: Dataset) -> Iterator[tuple[str, str]]:
    """Every value that may lead elsewhere, at any depth, by keyword."""
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                yield from elements(item)
        elif element.keyword in REFERENCES:
            yield element.keyword, str(element.value)


def test_each_kind_is_there_once_but_for_the_rejection_note(study: TrialStudy) -> None:
    kinds = [one.kind for one in study.objects]
    assert sorted(kinds) == sorted({*output_kinds(), *IMAGES.values()} - {REJECTION})
    assert "archives hide" in study.left_out[REJECTION]


def test_every_object_is_of_the_test_patient_and_refers_only_to_its_own_study(study: TrialStudy) -> None:
    files = {one.kind: dcmread(BytesIO(one.data)) for one in study.objects}
    own = {
        keyword: {str(ds[keyword].value) for ds in files.values()}
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID")
    }
    own["ReferencedSOPInstanceUID"] = {str(ds.SOPInstanceUID) for ds in files.values()}
    own["FrameOfReferenceUID"] = {str(files[IMAGES["CT"]].FrameOfReferenceUID)}
    assert len(own["StudyInstanceUID"]) == 1
    assert len({ds.PatientID for ds in files.values()}) == 1
    for kind, ds in files.items():
        assert ds.PatientID.startswith("TEST-MIQA-"), kind
        assert str(ds.PatientName) == "TEST^DESTINATION", kind
        references = list(elements(ds))
        assert [(keyword, uid) for keyword, uid in references if uid not in own[keyword]] == [], kind
        is_derived = kind not in IMAGES.values()
        assert is_derived == ("ReferencedSOPInstanceUID" in dict(references)), kind


def test_no_key_object_rejects_and_what_they_say_is_invented(study: TrialStudy) -> None:
    notes = [one for one in (dcmread(BytesIO(each.data)) for each in study.objects) if one.Modality == "KO"]
    titles = {note.ConceptNameCodeSequence[0].CodeValue for note in notes}
    assert titles == {"113010"}
    assert not titles & REJECTION_TITLES
    [sentence] = [item.TextValue for item in notes[0].ContentSequence if item.ValueType == "TEXT"]
    assert "TEST" in sentence
    assert "invented" in sentence


def test_every_study_is_another_one(study: TrialStudy) -> None:
    other = make_study(load_settings())
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID"):
        first, second = ({str(each.header[keyword].value) for each in one.objects} for one in (study, other))
        assert not first & second, keyword
