"""The last look at an object before it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from miqa_node.errors import ReportError
from miqa_node.stages.report import seg
from miqa_node.stages.report.inherit import inherited_elements
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.outputs import kos, sr
from miqa_node.stages.report.required import required
from miqa_node.stages.report.source import read_source
from miqa_node.stages.report.validate import check_file
from tests.stages.report import making


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return making.write(making.small(), tmp_path_factory.mktemp("source") / "source.dcm")


@pytest.fixture(scope="module")
def made(source: Path) -> dict[str, MadeObject]:
    return {item.kind: item for item in making.flagged(source)}


def altered(item: MadeObject, change: Callable[[Dataset], None]) -> bytes:
    dataset = making.read(item)
    change(dataset)
    out = DicomBytesIO()
    dataset.save_as(out)
    return out.getvalue()


def check(item: MadeObject, data: bytes, path: Path) -> None:
    read = read_source(path)
    check_file(data, item.sop_class_uid, item.sop_instance_uid, [read], inherited_elements(read))


def long_label(dataset: Dataset) -> None:
    dataset.SegmentSequence[0].get_item("SegmentLabel")
    dataset.SegmentSequence[0].SegmentLabel = "x" * 65


def not_ascii(dataset: Dataset) -> None:
    dataset.SegmentSequence[0].SegmentDescription = "Größe"


def wrong_uid(dataset: Dataset) -> None:
    dataset.SeriesInstanceUID = "1.2.x"


def other_instance(dataset: Dataset) -> None:
    dataset.ContentSequence[-1].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def no_evidence(dataset: Dataset) -> None:
    dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def short_pixels(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:-2]


def one_frame_too_many(dataset: Dataset) -> None:
    dataset.PerFrameFunctionalGroupsSequence.append(Dataset())


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize(
    ("kind", "change", "complaint"),
    [
        ("SR", making.without("CompletionFlag"), "CompletionFlag is missing"),
        ("SR", making.empty("ContentSequence"), "ContentSequence is missing or empty"),
        ("KOS", making.without("ReferencedPerformedProcedureStepSequence"), "ReferencedPerformedProcedureStepSequence"),
        ("SEG", making.without("PatientName"), "PatientName is missing"),
        ("SEG", long_label, "SegmentLabel has a value that LO does not allow"),
        ("SEG", not_ascii, "SegmentDescription is not in the character set"),
        ("SEG", wrong_uid, "SeriesInstanceUID is not a UID"),
        ("KOS", other_instance, "refers to an instance that the evidence does not list"),
        ("SEG", no_evidence, "the source is not among the referenced instances"),
        ("SEG", short_pixels, "PixelData has the wrong length"),
        ("SEG", one_frame_too_many, "functional group for each frame"),
        ("SR", lambda d: setattr(d, "StudyInstanceUID", "1.2.3"), "StudyInstanceUID is not the source's"),
    ],
)
def test_what_is_wrong_is_named(
    made: dict[str, MadeObject], source: Path, kind: str, change: Callable[[Dataset], None], complaint: str
) -> None:
    with pytest.raises(ReportError, match=complaint):
        check(made[kind], altered(made[kind], change), source)


def test_another_instance_than_announced_is_refused(made: dict[str, MadeObject], source: Path) -> None:
    with pytest.raises(ReportError, match="SOPInstanceUID is not what was announced"):
        check(made["SR"], altered(made["SR"], lambda d: setattr(d, "SOPInstanceUID", "1.2.3")), source)


@pytest.mark.parametrize("data", [b"", b"\0" * 128 + b"DICM", b"<html>"])
def test_what_cannot_be_read_back_is_refused(data: bytes, made: dict[str, MadeObject], source: Path) -> None:
    with pytest.raises(ReportError):
        check(made["SR"], data, source)


def test_what_is_cut_or_damaged_anywhere_is_refused(made: dict[str, MadeObject], source: Path) -> None:
    """Every byte that says what an element is and how long: the first 12 of each of the file."""
    data = made["KOS"].data
    begin, heads = 144, [(132, 8)]
    while begin < len(data):
        is_long = data[begin + 4 : begin + 6] in (b"SQ", b"OB")
        size = int.from_bytes(data[begin + 8 : begin + 12] if is_long else data[begin + 6 : begin + 8], "little")
        heads.append((begin, 6))
        begin += (12 if is_long else 8) + size
    assert len(heads) > 30
    for begin, size in heads:
        for damaged in (data[:begin] + b"\0" * size + data[begin + size :], data[: begin + 5]):
            with pytest.raises(ReportError):
                check(made["KOS"], damaged, source)


def test_another_encoding_than_that_of_the_file_is_refused(made: dict[str, MadeObject], source: Path) -> None:
    data = made["KOS"].data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0", 1)
    with pytest.raises(ReportError, match="TransferSyntaxUID is not that of the file"):
        check(made["KOS"], data, source)


def test_the_patients_values_never_stand_in_the_error(made: dict[str, MadeObject], source: Path) -> None:
    def change(dataset: Dataset) -> None:
        dataset.PatientID = "SECRET-77"
        del dataset.ContentDate

    with pytest.raises(ReportError) as caught:
        check(made["SR"], altered(made["SR"], change), source)
    assert "SECRET" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_what_was_wrong_in_the_source_already_is_no_reason_to_stop(tmp_path: Path) -> None:
    def scribble(dataset: Dataset) -> None:
        dataset.PatientBirthDate = "19.03.1950"
        dataset.StudyID = "longer than sixteen characters"

    path = making.write(making.small(), tmp_path / "s.dcm", scribble)
    assert [making.read(item).PatientBirthDate for item in making.flagged(path)] == ["19.03.1950"] * 3


def test_pydicom_reads_every_value_back_strictly(made: dict[str, MadeObject], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.RAISE)
    for item in made.values():
        dataset = making.read(item)
        assert len([element.value for element in dataset.iterall()]) > 50
        assert dataset.to_json_dict()


@pytest.mark.more
@pytest.mark.parametrize("sop_class", [sr.SOP_CLASS_UID, kos.SOP_CLASS_UID, seg.SOP_CLASS_UID])
def test_the_checks_know_every_required_element_of_the_modules_that_are_always_there(sop_class: str) -> None:
    """Against the tables of the standard that come with highdicom."""
    assert set(required(sop_class, 1)) >= set(mandatory(sop_class, "1")) - CHOICES
    assert set(required(sop_class, 1)) | set(required(sop_class, 2)) >= set(mandatory(sop_class, "2")) - CHOICES


# The content module lists what content items need, each for its own value type.
CHOICES = {
    *("ReferencedSOPSequence", "TemporalRangeType", "ConceptCodeSequence", "TabulatedValuesSequence", "GraphicData"),
    *("GraphicType", "ReferencedFrameOfReferenceUID", "MeasuredValueSequence"),
}


def mandatory(sop_class: str, kind: str) -> Iterable[str]:
    pytest.importorskip("highdicom")
    tables = files("highdicom") / "_standard"

    def table(name: str) -> dict[str, list[dict[str, str]]]:
        content: dict[str, list[dict[str, str]]] = json.loads((tables / name).read_text())
        return content

    iod = str(json.loads((tables / "sop_class_iod_map.json").read_text())[sop_class])
    attributes = table("module_attribute_map.json")
    for module in table("iod_module_map.json")[iod]:
        if module["usage"] == "M":
            yield from (a["keyword"] for a in attributes.get(module["key"], []) if not a["path"] and a["type"] == kind)
