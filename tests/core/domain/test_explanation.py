"""The fault that explains a pattern best is names first; what it raises beside itself is names as also seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.explanation import ALSO_RAISES
from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from tests.core.domain.test_decide import assessment


def series(**numbers: float) -> Assessment:
    plain = assessment(modality="MR", body_part="BRAIN", not_assessed="no model")
    measured = tuple(Measurement(name, value, "%") for name, value in numbers.items())
    return replace(plain, decoder="x", measurements=measured, kind="structural")


@pytest.mark.parametrize(
    ("numbers", "names"),
    [
        ({"mr_raw_lines": 4.0, "mr_zipper": 22.0}, ["mr_zipper", "mr_raw_lines"]),
        ({"mr_raw_lines": 4.0, "mr_zipper": 7.0}, ["mr_zipper", "mr_raw_lines"]),
        ({"mr_raw_lines": 4.0, "mr_zipper": 2.0}, ["mr_raw_lines"]),
        ({"mr_ghost": 4.0, "mr_raw_lines": 9.0}, ["mr_raw_lines", "mr_ghost"]),
        ({"mr_ghost": 4.0, "mr_raw_lines": 9.0, "mr_zipper": 30.0}, ["mr_zipper", "mr_ghost", "mr_raw_lines"]),
        ({"slice_disorder": 2.0, "lines_lost": 1.0}, ["lines_lost", "slice_disorder"]),
        ({"slice_disorder": 2.0, "slice_gaps": 1.0}, ["slice_gaps", "slice_disorder"]),
        ({"mr_ghost": 4.0, "mr_spikes": 9.0}, ["mr_ghost", "mr_spikes"]),
        ({"mr_zipper": 7.0}, []),
    ],
)
def test_the_cause_comes_first(numbers: dict[str, float], names: list[str]) -> None:
    policy = read_policy(load_settings(None, environ={}).policy_file)
    decided = decide(series(**numbers), policy)
    flagging = [one for one in decided.reasons if one.verdict.flagged]
    assert [one.name for one in flagging] == names
    assert flagging == [] or not flagging[0].text.startswith("Also seen")
    flagged = [one.name for one in flagging[1:] if one.text.startswith("Also seen (explained by ")]
    explained = {name for cause in names for name in ALSO_RAISES.get(cause, ())}
    assert flagged == [name for name in names[1:] if name in explained]


def test_a_cause_that_only_nearly_flags_says_so() -> None:
    policy = read_policy(load_settings(None, environ={}).policy_file)
    first, second = decide(series(mr_raw_lines=4.0, mr_zipper=7.0), policy).reasons
    assert "near the limit of 10" in first.text
    assert first.verdict is second.verdict
    assert second.text.startswith("Also seen (explained by Zipper): Gap in the raw data")


def test_all_names_are_measurements_and_no_cause_explains_its_own_cause() -> None:
    vocabulary = {*MEASUREMENTS.all(), "series_incomplete"}
    for cause, raised in ALSO_RAISES.items():
        assert {cause, *raised} <= vocabulary
        assert all(cause not in ALSO_RAISES.get(one, ()) for one in raised)
