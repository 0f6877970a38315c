"""A report in the lower classes of Structured Report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_charset_files
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import BasicTextSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.errors import ReportError
from miqa_node.stages.report.lower import lower_class
from tests.stages.report import making


def opened(data: bytes) -> pydicom.FileDataset:
    return pydicom.dcmread(DicomBytesIO(data))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    source = making.write(making.small(), tmp_path_factory.mktemp("source") / "source.dcm")
    return next(item.data for item in making.flagged(source) if item.kind == ResultKind("SR"))


def test_each_step_is_another_object_with_the_same_content(report: bytes) -> None:
    comprehensive = lower_class(report)
    assert comprehensive is not None
    enhanced = lower_class(comprehensive[2])
    assert enhanced is not None
    assert (comprehensive[0], enhanced[0]) == (ComprehensiveSRStorage, EnhancedSRStorage)
    before = opened(report)
    assert len({before.SOPInstanceUID, comprehensive[1], enhanced[1]}) == 3
    for sop_class, uid, data in (comprehensive, enhanced):
        after = opened(data)
        assert (after.SOPClassUID, after.SOPInstanceUID) == (sop_class, uid)
        assert (after.file_meta.MediaStorageSOPClassUID, after.file_meta.MediaStorageSOPInstanceUID) == (sop_class, uid)
        del after.SOPClassUID, after.SOPInstanceUID
        expected = opened(report)
        del expected.SOPClassUID, expected.SOPInstanceUID
        assert after == expected
    assert lower_class(report) == comprehensive


def test_basic_text_says_the_same_without_numbers_and_coordinates(report: bytes) -> None:
    lowered, sop_class = report, ""
    for _ in range(3):
        made = lower_class(lowered)
        assert made is not None
        sop_class, _, lowered = made
    assert sop_class == BasicTextSRStorage
    assert lower_class(lowered) is None
    basic, full = opened(lowered), opened(report)
    assert not {item.ValueType for item in items(basic)} & {"NUM", "SCOORD", "TCOORD", "SCOORD3D"}
    assert "ContentTemplateSequence" not in basic
    texts = (item for item in items(basic) if item.ValueType == "TEXT")
    text_pairs = {(item.ConceptNameCodeSequence[0].CodeMeaning, item.TextValue) for item in texts}
    numbers = [item for item in items(full) if item.ValueType == "NUM"]
    assert numbers
    for item in numbers:
        (measured,) = item.MeasuredValueSequence
        name = item.ConceptNameCodeSequence[0].CodeMeaning
        assert any(meaning == name and text.startswith(str(measured.NumericValue)) for meaning, text in text_pairs), (
            name
        )
    codes = [{item.ConceptCodeSequence[0].CodeMeaning for item in items(ds) if "ConceptCodeSequence" in item}
             for ds in (full, basic)]  # fmt: skip
    assert codes[0] - codes[1] <= {text for _, text in text_pairs}
    del basic.ContentSequence
    assert basic.CurrentRequestedProcedureEvidenceSequence == full.CurrentRequestedProcedureEvidenceSequence


def items(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence", ()):
        yield item
        yield from items(item)


def test_elements_without_a_value_stay(tmp_path: Path) -> None:
    source = making.write(making.small(), tmp_path / "source.dcm", making.AWKWARD["empty patient"])
    report = next(item.data for item in making.flagged(source) if item.kind == ResultKind("SR"))
    lowered = lower_class(report)
    assert lowered is not None
    assert opened(lowered[2])["PatientID"].is_empty


def test_the_patients_name_stays_byte_for_byte() -> None:
    (file,) = (path for path in get_charset_files("chrH31.dcm") if isinstance(path, str))
    report = next(item.data for item in making.flagged(Path(file)) if item.kind == ResultKind("SR"))
    lowered = lower_class(report)
    assert lowered is not None
    name = pydicom.dcmread(file).get_item("PatientName").value
    assert opened(lowered[2]).get_item("PatientName").value == name + b" " * (len(name) % 2)


def test_what_is_no_report_has_no_lower_class(report: bytes) -> None:
    for item in making.flagged(making.EXTREMITY):
        if item.kind != ResultKind("SR"):
            assert lower_class(item.data) is None


def test_content_that_a_lower_class_forbids_is_not_sent(report: bytes) -> None:
    dataset = opened(report)
    dataset.ContentSequence[0].RelationshipType = "MAGIC"
    out = DicomBytesIO()
    dataset.save_as(out)
    with pytest.raises(ReportError, match="MAGIC"):
        lower_class(out.getvalue())
