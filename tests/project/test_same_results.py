"""What two checkouts say of the same images is compared field by field; when they said it is no difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian

from tools.same_results import ABSENT, Comparison, comparisons_of

LINE = {
    "file": "a.dcm",
    "verdict": "ACCEPT",
    "reasons": ["one", "two"],
    "findings": [{"name": "noise", "severity": 0.1}, {"name": "unsharp", "severity": 0.2}],
    "timings_ms": {"total": 12.0},
}
DAYS = {"20260102", "20260103"}


def item(code: str, text: str) -> Dataset:
    concept = Dataset()
    concept.CodeValue = code
    one = Dataset()
    one.ConceptNameCodeSequence, one.TextValue = [concept], text
    return one


def report(*texts: str, day: str = "20260102", time: str = "101112") -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = BasicTextSRStorage, "2.25.7"
    ds.ContentDate, ds.ContentTime, ds.StudyDate, ds.StudyTime = day, time, "20250101", "080000"
    ds.ContentSequence = [item("121071", text) for text in texts]
    return ds


def folder(path: Path, line: dict[str, Any], assess: Dataset, invented: Dataset) -> Path:
    for name, ds in (("assess", assess), ("invented", invented)):
        (path / name).mkdir(parents=True)
        ds.save_as(path / name / ("a.sr.dcm" if name == "assess" else "sr0.dcm"), enforce_file_format=True)
    (path / "lines.jsonl").write_text(json.dumps(line) + "\n")
    return path


def differences(tmp_path: Path, line: dict[str, Any], assess: Dataset, invented: Dataset) -> dict[str, dict[str, int]]:
    before = folder(tmp_path / "before", LINE, report("x", "y"), report("x"))
    after = folder(tmp_path / "after", line, assess, invented)
    comparisons = comparisons_of(before, after, DAYS)
    return {one.name: {key: len(shown) for key, shown in one.differences.items()} for one in comparisons}


def test_the_moment_is_no_difference(tmp_path: Path) -> None:
    later = {**LINE, "timings_ms": {"total": 99.0}}
    fields = differences(tmp_path, later, report("x", "y", day="20260103", time="111213"), report("x"))
    assert fields == {"assess --json": {}, "assess SR": {}, "invented SR": {}}


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ({**LINE, "verdict": "REVIEW"}, {"verdict": 1}),
        ({**LINE, "reasons": ["one"]}, {"reasons": 1}),
        ({**LINE, "findings": LINE["findings"][:1]}, {"findings[unsharp]": 1}),  # type: ignore[index]
        ({**LINE, "left_out": {}}, {"left_out": 1}),
        ({**LINE, "file": "b.dcm"}, {"all of it": 2}),
    ],
)
def test_a_line_is_told_by_its_fields(tmp_path: Path, line: dict[str, Any], fields: dict[str, int]) -> None:
    assert differences(tmp_path, line, report("x", "y"), report("x"))["assess --json"] == fields


def test_an_object_is_told_by_its_fields(tmp_path: Path) -> None:
    invented = report("x", day="20251231")
    invented.StudyTime = "090000"
    fields = differences(tmp_path, LINE, report("x", "z", "w"), invented)
    item = "ContentSequence[121071]"
    assert fields["assess SR"] == {f"{item}.TextValue": 1, item: 1}, "one says something else, one is new"
    assert fields["invented SR"] == {"ContentDate": 1, "ContentTime": 1, "StudyTime": 1}


def test_the_example_names_both_values() -> None:
    one = Comparison("lines")
    one.add("a.dcm", {"score": "91.0"}, {})
    one.add("b.dcm", {"score": "91.0"}, {"score": "91.0"})
    assert list(one.lines()) == [
        "lines: 2 before, 2 after, 1 the same (0 by bytes)",
        f"      1 score  a.dcm: 91.0 -> {ABSENT}",
    ]
