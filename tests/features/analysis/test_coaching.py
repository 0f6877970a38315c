"""Coaching says what could be better next time, by kind of patient, and never what is flagged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.codes import MOTION_BLUR, POSITIONING
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.language.catalogue import spoken
from miqa_node.features.analysis.coaching import Usual, coached, positioning_of, sentences
from tests.runtime.store.making import header

ACCEPTED = Disposition(Verdict.ACCEPT, (), "1", "chests")
STRAIGHT = {
    "rotation_percent": 3.0, "tilt_deg": -0.5, "ribs_above_dome": 9.6, "lung_margin_left": 40.0,
    "lung_margin_right": 45.0, "lung_margin_top": 30.0, "lung_margin_bottom": 60.0,
}  # fmt: skip
ROTATED = {"rotation_percent": 24.0}
UNITS = {"rotation_percent": "%", "tilt_deg": "deg", "ribs_above_dome": "1"}


def chest(
    values: Mapping[str, float] | None = None, view: str = "PA", age: int | None = None, unit: str = "mm"
) -> Assessment:
    numbers = {**STRAIGHT, **(values or {})}
    measured = tuple(Measurement(name, value, UNITS.get(name, unit)) for name, value in numbers.items())
    made = replace(header(1), body_part_examined="CHEST", view_position=view, age_years=age)
    return Assessment(InstanceDigest("ab" * 32), made, datetime(2026, 1, 2, tzinfo=UTC), measurements=measured)


def said(image: Assessment, disposition: Disposition = ACCEPTED, usual: Usual | None = None) -> list[str]:
    positioning = positioning_of(image)
    assert positioning is not None
    return sentences(positioning, coached(positioning, disposition), usual or Usual())


def test_a_straight_patient_hears_nothing() -> None:
    assert said(chest()) == []
    assert positioning_of(replace(chest(), measurements=())) is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rotation_percent": 24.0}, "rotated to the left, 24 %"),
        ({"rotation_percent": -24.0}, "rotated to the right, 24 %"),
        ({"tilt_deg": 5.24}, "leaning to the left, 5.2°"),
        ({"ribs_above_dome": 8.2}, "shallow breath, 8.2 ribs above the diaphragm"),
        ({"lung_margin_bottom": 130.0}, "field open 130 mm beyond the lungs, bottom"),
        ({"lung_margin_left": -3.0}, "about 3 mm of lung missing, right"),
    ],
)
def test_each_habit_has_a_sentence_with_the_side_of_the_patient(values: dict[str, float], sentence: str) -> None:
    assert said(chest(values)) == [sentence]


def test_what_is_usual_stands_beside_it_in_the_language_that_is_spoken() -> None:
    usual = Usual(100, {"rotation": 9.4, "cut": -30.0})
    assert said(chest(ROTATED), usual=usual) == ["rotated to the left, 24 %; usual here 9 %"]
    assert said(chest({"lung_margin_top": -4.0}), usual=usual) == ["about 4 mm of lung missing, top"]
    with spoken("de"):
        assert said(chest(ROTATED), usual=usual) == ["nach links gedreht, 24 %; hier üblich 9 %"]


def test_children_and_images_from_the_front_have_limits_of_their_own() -> None:
    shallow, turned = {"ribs_above_dome": 8.2}, {"rotation_percent": 19.0, "tilt_deg": 5.0}
    assert len(said(chest(turned, "PA"))) == 2
    assert said(chest({**shallow, **turned}, "AP")) == said(chest({**shallow, **turned}, "")) == []
    assert said(chest({**shallow, **turned, "lung_margin_top": 130.0}, "PA", 6)) == []
    assert len(said(chest({"rotation_percent": 30.0, "tilt_deg": 8.0}, "AP", 6))) == 2


def test_a_margin_in_percent_is_about_as_much_of_a_usual_detector() -> None:
    margins = {"lung_margin_bottom": 10.0, "lung_margin_left": 10.0, "lung_margin_right": 10.0, "lung_margin_top": -1.0}
    assert said(chest(margins, unit="%")) == ["about 4 mm of lung missing, top"]


def test_what_a_policy_flags_needs_no_coaching_and_what_does_not_count_has_none() -> None:
    image = chest({"rotation_percent": 24.0, "tilt_deg": 5.0})
    flagged = Reason("patient_rotated", "Patient rotated", POSITIONING, Verdict.REVIEW)
    assert said(image, Disposition(Verdict.REVIEW, (flagged,), "1", "")) == ["leaning to the left, 5.0°"]
    by_number = Reason("tilt_deg", "Tilt", POSITIONING, Verdict.REVIEW)
    assert said(image, Disposition(Verdict.REVIEW, (by_number,), "1", "")) == ["rotated to the left, 24 %"]
    other = Reason("motion_blur", "Motion blur", MOTION_BLUR, Verdict.REJECT)
    assert len(said(image, Disposition(Verdict.REJECT, (other,), "1", ""))) == 2
    hint = Reason("experimental", "Experimental", POSITIONING, Verdict.NOT_ASSESSED)
    assert said(image, Disposition(Verdict.NOT_ASSESSED, (hint,), "1", "")) == []
    lateral = replace(image, header=replace(image.header, patient_orientation=("A", "F")))
    assert said(lateral) == [], "the header says that there is no left and right"
