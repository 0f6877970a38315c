"""What a series consists of: what limits cannot apply to, what is missing, and what is left out of the stack."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.uid import UID

from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.slice_kind import COMPUTED
from tests.stages.measure.series import making
from tests.stages.units.test_series_members import OF_SITE, SHIPPED, changed, issues, judged, stack


def test_numbers_that_a_series_skips_are_listed_unless_it_counts_otherwise(tmp_path: Path) -> None:
    paths = stack(tmp_path, 20, first=100)
    name = "instance_numbers_missing"
    assert name not in issues(judged(paths))
    rest = [path for path in paths if path.stem not in {"CT105", "CT111"}]
    assert issues(judged(rest))[name] == "Instance Numbers that no image of the series has: 105, 111."
    assert name not in issues(judged(paths[::2]))


def test_an_enhanced_series_is_accepted_by_the_region_of_its_frames(tmp_path: Path) -> None:
    """highdicom, as other converters, writes no Body Part Examined."""
    legacy = pytest.importorskip("highdicom.legacy")
    slices = [making.read(path) for path in stack(tmp_path / "a", 5, changed(BodyPartExamined="CHEST"))]
    enhanced = legacy.LegacyConvertedEnhancedCTImage(slices, UID("1.2.3.4"), 4, UID("1.2.3.5"), 1)
    enhanced._db_con.close()
    path = tmp_path / "enhanced.dcm"
    enhanced.save_as(path)
    assert "BodyPartExamined" not in enhanced
    assert decide(judged([path]), OF_SITE).verdict is Verdict.ACCEPT


def test_a_series_of_computed_images_has_no_verdict_and_those_beside_originals_are_left_out(tmp_path: Path) -> None:
    reformat = changed(ImageType=["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"])
    assert judged(stack(tmp_path / "a", 4, reformat)).unfit == COMPUTED
    assert judged(stack(tmp_path / "b", 4, changed(ImageType=["DERIVED", "SECONDARY", "AXIAL"]))).unfit == ""
    assert judged(stack(tmp_path / "c", 4, changed(ImageType=["ORIGINAL", "PRIMARY", "MPR"]))).unfit == ""

    scout = changed(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    mixed = [
        *stack(tmp_path / "d", 4),
        *stack(tmp_path / "e", 6, reformat, first=11),
        *stack(tmp_path / "f", 1, scout, first=30),
    ]
    assessment = judged(mixed, captures=2)
    assert assessment.unfit == ""
    assert [one.value for one in assessment.measurements if one.name == "slice_count"] == [4.0]
    assert issues(assessment)["slices_left_out"] == (
        "Left out of the stack: localizers: 1 (Instance Number 30), "
        "computed images: 6 (Instance Number 11, 12, 13, 14, 15 …), captures: 2."
    )


def test_fewer_images_than_announced_are_reviewed(tmp_path: Path) -> None:
    announced = changed(NumberOfSeriesRelatedInstances=6)
    whole, part = stack(tmp_path / "a", 6, announced), stack(tmp_path / "b", 5, announced)
    assert "series_incomplete" not in issues(judged(whole))
    disposition = decide(judged(part), SHIPPED)
    assert disposition.verdict is Verdict.REVIEW
    assert [reason.text for reason in disposition.reasons] == [
        "5 of the 6 images of the series that the header announces are here. Send the others."
    ]
