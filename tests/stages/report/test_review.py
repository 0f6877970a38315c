"""Reports state what a person decided: the decision, agreement on each finding, and whom it replaces."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.worklist import Resolution
from tests.stages.report import making
from tests.stages.report.reviewed import amended, review


def answers(item: pydicom.Dataset, name: str) -> list[str]:
    items = []
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "CODE" and child.ConceptNameCodeSequence[0].CodeValue == name:
            items.append(child.ConceptCodeSequence[0].CodeValue)
        items += answers(child, name)
    return items


@pytest.mark.parametrize(
    ("resolution", "named", "assessed", "opinions", "title"),
    [
        (Resolution.DISMISSED, (), "111237", ["DISAGREES"] * 3, "Decision: dismissed (image quality)"),
        (Resolution.CONFIRMED, (FindingName.FOREIGN_OBJECT,), "111235", ["AGREES", "DISAGREES", "DISAGREES"],
         "Decision: rejected (image quality)"),
        (Resolution.RETAKEN, (), "111235", [], "Decision: retake requested (image quality)"),
        (Resolution.ACCEPTED, (), "111236", [], "Decision: accepted (image quality)"),
        (None, (), "111235", [], "Decision taken back (image quality)"),
    ],
)  # fmt: skip
def test_the_amended_report_has_the_decision_and_the_opinion_on_each_finding(
    resolution: Resolution | None,
    named: tuple[FindingName, ...],
    assessed: str,
    opinions: list[str],
    title: str,
    tmp_path: Path,
) -> None:
    report, note, _, withdrawal = map(making.read, amended(making.CHEST, review(resolution, *named), tmp_path))
    before = pydicom.dcmread(tmp_path / "before-SR.dcm")

    assert answers(report, "111050") == [assessed]
    assert sorted(answers(report, "READER_OPINION")) == opinions
    assert len(answers(report, "READER_DECISION")) == 1
    observers = [item.ConceptCodeSequence[0].CodeValue for item in report.ContentSequence
                 if item.ConceptNameCodeSequence[0].CodeValue == "121005"]  # fmt: skip
    assert observers == ["121006", "121007"]
    [series] = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert report.ContentTime > before.ContentTime
    assert (before.SeriesDescription, report.SeriesDescription) == ("Image quality report", title)
    assert report.SeriesInstanceUID != before.SeriesInstanceUID
    # What the node found keeps its identifiers and its segments.
    assert trackers(report) == trackers(before)
    assert note.SOPInstanceUID != pydicom.dcmread(tmp_path / "before-KOS.dcm").SOPInstanceUID
    assert "j.doe" in withdrawal.to_json()


def trackers(item: pydicom.Dataset) -> list[str]:
    uids = [child.UID for child in item.get("ContentSequence", ()) if child.ValueType == "UIDREF"]
    return uids + [uid for child in item.get("ContentSequence", ()) for uid in trackers(child)]
