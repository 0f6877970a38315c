"""What points say of the patient's position, exactly, on points that were made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from miqa_node.core.domain.landmarks import landmark_words, patient_side
from miqa_node.core.taxonomy.lookup import all_finding_names, finding_entries, finding_names
from miqa_node.stages.assess.landmarks import positioning
from miqa_node.stages.assess.landmarks.card import PositioningPoint
from miqa_node.stages.assess.landmarks.estimate import mean, mirror
from miqa_node.stages.assess.landmarks.findings import cut_finding, findings_of, measurements_of, visible_points
from miqa_node.stages.assess.landmarks.points import CLOSE_UP_INDEX, NUMBER, POINTS, SIDES
from tests.stages.assess.landmarks.making import STRAIGHT, estimate_of, points_of

SHAPE, SPACING = (1000, 800), (0.4, 0.5)
"""400 mm high and wide."""
NAMES = (
    "lung_cut_left",
    "lung_cut_right",
    "lung_cut_top",
    "lung_cut_bottom",
    "patient_rotated",
    "poor_inspiration",
    "side_marker_wrong",
)
EVERY = tuple(PositioningPoint(name=name, threshold=0.8) for name in NAMES)
LEFT_IS_LEFT = ("R", "F")
"""Patient Orientation of an image whose rows run to the patient's right."""


def measured(name: str, **changes: object) -> tuple[Any, str]:
    [measurement] = [m for m in measurements_of(estimate_of(**changes), SHAPE, SPACING) if m.name == name]
    return measurement.value, measurement.unit


def test_rotation_is_positive_when_the_gap_at_the_right_of_the_image_is_wider() -> None:
    assert positioning.rotation_percent(points_of()) == pytest.approx(0.0, abs=1e-9)
    assert positioning.rotation_percent(points_of(clav_r=(0.58, 0.22))) == pytest.approx(100 / 3)
    assert positioning.rotation_percent(points_of(clav_l=(0.42, 0.22))) == pytest.approx(-100 / 3)
    assert np.isnan(positioning.rotation_percent(points_of(clav_l=(np.nan, np.nan))))
    assert measured("rotation_percent", rotation=-0.25) == (-25.0, "%")


def test_tilt_is_positive_when_the_top_leans_to_the_right_and_knows_the_aspect() -> None:
    leaning = points_of(spine_clav=(0.55, 0.22), spine_low=(0.5, 0.72))
    assert positioning.tilt_deg(leaning, 1.0) == pytest.approx(np.degrees(np.arctan(0.1)))
    assert positioning.tilt_deg(leaning, 2.0) == pytest.approx(np.degrees(np.arctan(0.2)))
    assert measured("tilt_deg", points=leaning) == (pytest.approx(np.degrees(np.arctan(0.1))), "deg")


def test_margins_are_negative_outside_and_unknown_without_the_deciding_point() -> None:
    margins = positioning.lung_margins(points_of(lat_l=(-0.05, 0.6), cpa_r=(np.nan, np.nan)))
    assert margins[:3] == pytest.approx([-0.05, 0.14, 0.15])
    assert np.isnan(margins[3])


def test_the_smallest_margin_is_in_mm_where_the_spacing_is_known() -> None:
    margin = np.array([0.14, -0.05, 0.15, 0.2])
    assert measured("lung_margin", margin=margin) == (pytest.approx(-20.0), "mm")
    each = [measured(f"lung_margin_{side}", margin=margin) for side in SIDES]
    assert each == [(pytest.approx(mm), "mm") for mm in (56.0, -20.0, 60.0, 80.0)], "of the image's four sides"
    [measurement] = [m for m in measurements_of(estimate_of(margin=margin), SHAPE, None) if m.name == "lung_margin"]
    assert measurement.value == pytest.approx(-5.0)
    assert measurement.unit == "%"


def test_inspiration_is_ribs_and_the_height_of_the_lung() -> None:
    assert measured("ribs_above_dome", ribs=8.4) == (8.4, "1")
    # (.70 - .15) of 400 mm over (.86 - .14) of 400 mm
    assert measured("lung_height_ratio") == (pytest.approx(0.55 / 0.72), "1")
    hidden = np.full(12, 0.9)
    hidden[NUMBER["dome_l"]] = 0.1
    names = [m.name for m in measurements_of(estimate_of(visible=hidden), SHAPE, SPACING)]
    assert "lung_height_ratio" not in names, "left out rather than wrong"
    assert "rotation_percent" in names


def test_the_expected_number_of_cut_sides_is_the_sum_of_their_chances() -> None:
    assert measured("cut_sides", cut=np.array([0.9, 0.0, 0.2, 0.1])) == (pytest.approx(1.2), "1")


def test_only_points_that_can_be_seen_and_lie_in_the_image_are_given() -> None:
    visible = np.full(12, 0.9)
    visible[NUMBER["clav_l"]] = 0.3
    estimate = estimate_of(points=points_of(lat_r=(1.02, 0.6)), visible=visible)
    points = visible_points(estimate, 0.5)
    assert set(POINTS) - set(points) == {"clav_l", "lat_r"}
    assert points["apex_l"] == STRAIGHT["apex_l"]
    assert [POINTS[n] for n in CLOSE_UP_INDEX] == ["clav_l", "clav_r", "spine_clav"]


@pytest.mark.parametrize(
    ("image_side", "orientation", "patient"),
    [("left", ("L", "F"), "right"), ("right", ("L", "F"), "left"), ("left", (), "right"), ("left", ("R", "F"), "left"),
     ("top", ("L", "F"), "top"), ("top", ("A", "F"), "top")],
)  # fmt: skip
def test_sides_of_the_image_become_sides_of_the_patient(
    image_side: str, orientation: tuple[str, ...], patient: str
) -> None:
    assert patient_side(image_side, orientation) == patient
    assert cut_finding(image_side, orientation) == f"lung_cut_{patient}"


def test_words_of_points_say_the_side_of_the_patient() -> None:
    assert landmark_words("clav_r", ("L", "F")) == "Medial end of the clavicle, patient's left"
    assert landmark_words("clav_r", LEFT_IS_LEFT) == "Medial end of the clavicle, patient's right"
    assert landmark_words("spine_low") == "Spine between the domes"


def test_a_lung_that_is_cut_at_the_image_s_left_is_the_patient_s_right_one() -> None:
    estimate = estimate_of(cut=np.array([0.95, 0.0, 0.0, 0.1]), margin=np.array([-0.05, 0.1, 0.1, 0.1]))
    findings = {str(f.name): f for f in findings_of(estimate, SHAPE, SPACING, ("L", "F"), EVERY)}
    assert set(findings) == set(NAMES)
    assert [name for name, one in findings.items() if one.present] == ["lung_cut_right"]
    assert findings["lung_cut_right"].severity == pytest.approx(0.75), "20 mm are missing"
    turned = {str(f.name): f for f in findings_of(estimate, SHAPE, SPACING, LEFT_IS_LEFT, EVERY)}
    assert [name for name, one in turned.items() if one.present] == ["lung_cut_left"]


@pytest.mark.parametrize(("rotation", "severity"), [(0.0, 0.0), (-0.2, 0.25), (0.35, 0.5), (0.5, 0.75), (-0.9, 1.0)])
def test_the_severity_of_rotation_is_its_size(rotation: float, severity: float) -> None:
    estimate = estimate_of(rotation=rotation, grade=np.array([0.9, 0.5, 0.1, 0.0]))
    [rotated] = [f for f in findings_of(estimate, SHAPE, SPACING, (), EVERY) if f.name == "patient_rotated"]
    assert rotated.present
    assert rotated.severity == pytest.approx(severity)


@pytest.mark.parametrize(("ribs", "severity"), [(10.5, 0.0), (9.0, 0.25), (7.5, 0.625), (5.0, 1.0)])
def test_the_severity_of_poor_inspiration_is_the_number_of_ribs(ribs: float, severity: float) -> None:
    findings = findings_of(estimate_of(ribs=ribs), SHAPE, SPACING, (), EVERY)
    [poor] = [f for f in findings if f.name == "poor_inspiration"]
    assert poor.severity == pytest.approx(severity)


def test_positioning_findings_are_the_taxonomy_s_and_no_quality_model_must_give_them() -> None:
    judged = {name for name in all_finding_names() if finding_entries()[name].judged_by == "landmarks"}
    assert judged == set(NAMES)
    assert not judged & set(finding_names())


def test_a_mirror_image_is_read_as_the_image_itself() -> None:
    estimate = estimate_of(
        points=points_of(clav_r=(0.58, 0.22)), cut=np.array([0.9, 0.1, 0.2, 0.3]), rotation=0.3,
        margin=np.array([0.1, 0.2, 0.3, 0.4]),
    )  # fmt: skip
    other = mirror(estimate)
    assert other.points[NUMBER["clav_l"]] == pytest.approx([0.42, 0.22])
    assert other.points[NUMBER["apex_r"]] == pytest.approx([0.65, 0.15])
    assert list(other.cut) == [0.1, 0.9, 0.2, 0.3]
    assert list(other.margin) == [0.2, 0.1, 0.3, 0.4]
    assert other.rotation == -0.3
    both = mean(estimate, mirror(other))
    assert both.points == pytest.approx(estimate.points)
    assert both.rotation == pytest.approx(0.3)


@pytest.mark.parametrize(("rotation", "grade", "expected"), [
    (-0.1, (1.0, 1.0), -0.51), (-0.7, (1.0, 1.0), -0.7), (0.02, (0.0, 0.0), 0.06), (0.3, (0.0, 0.0), 0.3),
])  # fmt: skip
def test_rotation_is_at_least_what_its_grade_usually_has(
    rotation: float, grade: tuple[float, float], expected: float
) -> None:
    estimate = estimate_of(rotation=rotation, grade=np.array([*grade, 0.0, 0.0]))
    assert mean(estimate, estimate).rotation == pytest.approx(expected)
