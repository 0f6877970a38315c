"""A decision becomes an assessment of the node's report: agreement on each finding, and what the newest one says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.make import amend_objects
from miqa_node.stages.report.outputs.airai import AIRAI
from tests.stages.report import making
from tests.stages.report.reviewed import amended, review


def assessed(resolution: Resolution | None, folder: Path, *named: FindingName) -> pydicom.Dataset:
    [made] = [one for one in amended(making.CHEST, review(resolution, *named, comment="why"), folder)
              if one.kind == AIRAI]  # fmt: skip
    return making.read(made)


def observations(assessment: pydicom.Dataset) -> list[tuple[str, str]]:
    items = assessment.AssessmentObservationsSequence
    assert assessment.NumberOfAssessmentObservations == len(items)
    assert {item.ObservationBasisCodeSequence[0].CodeValue for item in items} == {"121375"}
    return [(item.ObservationSignificance, item.ObservationDescription) for item in items]


def test_it_refers_to_the_first_report_and_the_image_and_names_who_decided(tmp_path: Path) -> None:
    assessment = assessed(Resolution.CONFIRMED, tmp_path, FindingName.FOREIGN_OBJECT)
    report = pydicom.dcmread(tmp_path / "before-SR.dcm")
    image = pydicom.dcmread(making.CHEST, stop_before_pixels=True)

    assert (assessment.SOPClassUID.name, assessment.Modality) == ("Content Assessment Results Storage", "ASMT")
    [subject] = assessment.AssessedSOPInstanceSequence
    assert subject.ReferencedSOPInstanceUID == report.SOPInstanceUID
    [compared] = subject.ReferencedComparisonSOPInstanceSequence
    assert compared.ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert [series.SeriesInstanceUID for series in assessment.ReferencedSeriesSequence] == [
        report.SeriesInstanceUID, image.SeriesInstanceUID,
    ]  # fmt: skip
    assert str(assessment.OperatorsName) == "j.doe^"
    assert assessment.AssessmentSummaryDescription == "Rejected by j.doe: why"
    assert (assessment.PatientID, assessment.StudyInstanceUID) == (image.PatientID, image.StudyInstanceUID)


def test_each_finding_has_its_own_word(tmp_path: Path) -> None:
    assessment = assessed(Resolution.CONFIRMED, tmp_path, FindingName.FOREIGN_OBJECT, FindingName.GRID_ARTIFACT)
    verdict, *others = observations(assessment)
    assert verdict == ("CONSISTENT", "Rejected: Rejected by j.doe: why")
    assert sorted(others, key=lambda pair: pair[1]) == [
        ("MODERATE", "Anatomy cut off: Disagrees"),
        ("CONSISTENT", "Foreign object: Agrees"),
        ("MODERATE", "Grid lines or cut-off: not in the report"),
        ("MODERATE", "Motion blur: Disagrees"),
    ]
    assert assessment.AssessmentSummary == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("resolution", "summary", "significances"),
    [
        (Resolution.DISMISSED, "FAILED", ["MAJOR", "MODERATE", "MODERATE", "MODERATE"]),
        (Resolution.RETAKEN, "PASSED", ["CONSISTENT"]),
        (Resolution.ACCEPTED, "INCONCLUSIVE", ["MODERATE"]),
        (None, "INCONCLUSIVE", ["MODERATE"]),
    ],
)
def test_the_summary_is_that_of_the_worst_observation(
    resolution: Resolution | None, summary: str, significances: list[str], tmp_path: Path
) -> None:
    assessment = assessed(resolution, tmp_path)
    assert assessment.AssessmentSummary == summary
    assert [significance for significance, _ in observations(assessment)] == significances


@pytest.mark.parametrize(
    ("verdict", "resolution", "summary"),
    [
        (Verdict.REVIEW, Resolution.CONFIRMED, "PASSED"),
        (Verdict.REVIEW, Resolution.ACCEPTED, "PASSED"),
        (Verdict.REVIEW, Resolution.DISMISSED, "FAILED"),
        (Verdict.ACCEPT, Resolution.DISMISSED, "PASSED"),
        (Verdict.ACCEPT, Resolution.CONFIRMED, "FAILED"),
        (Verdict.NOT_ASSESSED, Resolution.CONFIRMED, "PASSED"),
    ],
)
def test_what_is_assessed_is_the_verdict_of_the_node(verdict: Verdict, resolution: Resolution, summary: str) -> None:
    """An accepted image that was drawn for an audit and found good is no disagreement."""
    [made] = amend_objects(
        ReportedImage(making.CHEST, SaliencyMaps()), making.assessment(), making.disposition(verdict),
        review(resolution), ReportSettings(), {AIRAI}, (),
    )  # fmt: skip
    assert making.read(made).AssessmentSummary == summary


def test_the_next_decision_supersedes_it_in_the_same_set(tmp_path: Path) -> None:
    before, taken_back = (assessed(resolution, tmp_path) for resolution in (Resolution.DISMISSED, None))
    image = ReportedImage(making.CHEST, SaliencyMaps())
    verdict = making.disposition(Verdict.REJECT, FindingName.FOREIGN_OBJECT, FindingName.MOTION_BLUR)
    later = replace(review(Resolution.RETAKEN), number=9, at=making.ASSESSED_AT.replace(hour=12))
    [last] = amend_objects(
        image, making.assessment(FindingName.FOREIGN_OBJECT), verdict, later, ReportSettings(), {AIRAI}, ()
    )
    after = making.read(last)

    assert before.AssessmentSetID == taken_back.AssessmentSetID == after.AssessmentSetID
    assert before.AssessedSOPInstanceSequence[0].ReferencedSOPInstanceUID == (
        after.AssessedSOPInstanceSequence[0].ReferencedSOPInstanceUID
    )
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert (after.InstanceCreationDate, after.InstanceCreationTime) > (
        before.InstanceCreationDate, before.InstanceCreationTime,
    )  # fmt: skip


@pytest.mark.more
def test_only_destinations_that_ask_get_one_and_only_after_a_decision(tmp_path: Path) -> None:
    assert AIRAI not in default_kinds()
    assert AIRAI not in {one.kind for one in making.everything(making.CHEST)}
    image = ReportedImage(making.CHEST, SaliencyMaps())
    made = amend_objects(
        image, making.assessment(), making.disposition(Verdict.REVIEW), review(Resolution.DISMISSED), ReportSettings(),
        default_kinds(), [SR],
    )  # fmt: skip
    assert [one.kind for one in made] == [SR]
