"""Usual ranges lie where a quantity can lie, and are as wide on its own scale as its history is."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miqa_node.core.domain.measurand import MEASUREMENTS, Measurand
from miqa_node.features.usual_ranges.baseline import MeasurementRange, SeriesNumbers, ranges_of, unusual_among
from miqa_node.libraries.plain_statistics.robust import robust_range
from miqa_node.libraries.plain_statistics.scales import ANGLE, LEVEL, ScaleKind
from tests.features.usual_ranges.ranges_making import FIRST_AT, days, noises

RANGED = [one for one in MEASUREMENTS.all().values() if one.has_usual_range]
BOUNDED = [one for one in RANGED if math.isfinite(one.scale.low)]
POSITIVE = [one for one in RANGED if one.scale.kind is ScaleKind.POSITIVE]
ON_EITHER_SIDE = {
    "hu_air", "hu_fat", "hu_soft_tissue", "hu_offset", "deviation_index", "mr_gsr",
}  # fmt: skip
"""What may be below zero: levels, deviations and a difference."""


def range_of(measurand: Measurand, numbers: list[float]) -> MeasurementRange:
    series = [
        SeriesNumbers(at, {(measurand.name, measurand.unit): number})
        for at, number in zip(days(len(numbers)), numbers, strict=True)
    ]
    [one] = ranges_of(series, 0.02)
    return one


def test_only_what_can_be_below_zero_has_no_bounds() -> None:
    assert {one.name for one in RANGED} - {one.name for one in BOUNDED} == ON_EITHER_SIDE
    counted = {one.name for one in RANGED if one.scale.kind is ScaleKind.COUNT}
    assert counted == {"nm_tags_missing", "pt_suv_tags_missing"}


@given(
    measurand=st.sampled_from(BOUNDED),
    parts=st.lists(st.floats(0, 1), min_size=20, max_size=60),
    spread=st.floats(0.01, 4.0),
)
def test_no_range_leaves_what_the_quantity_can_be(measurand: Measurand, parts: list[float], spread: float) -> None:
    scale = measurand.scale
    if math.isfinite(scale.high):
        numbers = [scale.low + one * (scale.high - scale.low) for one in parts]
    else:
        numbers = [scale.low + 100.0 * math.exp(spread * (one - 0.5)) * (one > 0.1) for one in parts]
    if scale.kind is ScaleKind.COUNT:
        numbers = [float(round(one)) for one in numbers]
    usual = range_of(measurand, numbers)
    assert scale.low <= usual.low <= usual.median <= usual.high <= scale.high
    if scale.kind is ScaleKind.COUNT:
        assert usual.low.is_integer()
        assert usual.high.is_integer()


@given(measurand=st.sampled_from(POSITIVE), seed=st.integers(0, 1000), spread=st.floats(0.0, 2.0))
def test_a_signal_that_falls_to_a_tenth_is_unusual_however_wide_the_history(
    measurand: Measurand, seed: int, spread: float
) -> None:
    level = max(100.0, 200.0 * measurand.least_spread)  # far from what its tolerance makes nothing of
    usual = range_of(measurand, [level * math.exp(spread * one) for one in noises(25, 0.0, 1.0, seed)])
    fallen = SeriesNumbers(FIRST_AT + timedelta(days=40), {(measurand.name, measurand.unit): usual.median / 10.0})
    [number] = unusual_among(fallen, [usual])
    assert not number.is_above


def test_a_signal_to_noise_ratio_as_wide_as_patients_make_it_has_an_upper_and_a_lower_end() -> None:
    """On its own axis this range went from −103 to 468."""
    numbers = [182.0 * math.exp(0.34 * one) for one in noises(20, 0.0, 1.0)]
    usual = range_of(MEASUREMENTS.all()["mr_snr"], numbers)
    assert 20.0 < usual.low < 80.0
    assert 400.0 < usual.high < 1500.0
    assert robust_range(numbers).low < 0.0, "as before"


def test_what_lies_farther_out_by_its_own_scale_comes_first() -> None:
    noise, air = (MEASUREMENTS.all()[name] for name in ("ct_noise", "hu_air"))
    ranges = [range_of(noise, noises(25)), range_of(air, noises(25, -998.0, 2.0))]
    numbers = {(noise.name, noise.unit): 1.0, (air.name, air.unit): -985.0}
    unusual = unusual_among(SeriesNumbers(FIRST_AT, numbers), ranges)
    assert [one.measurement for one in unusual] == ["ct_noise", "hu_air"]


def test_angles_around_half_a_turn_are_neighbours() -> None:
    usual = robust_range([179.0, -179.0, 178.0, -178.0] * 6, 0.5, scale=ANGLE)
    assert usual.low > 150.0
    assert usual.high < -150.0
    assert [ANGLE.holds(usual.low, usual.high, one) for one in (180.0, -179.5, 90.0, 0.0)] == [True, True, False, False]
    assert ANGLE.distance(usual.low, usual.high, 0.0) > ANGLE.distance(usual.low, usual.high, 140.0) > 1.0


def test_levels_are_as_before() -> None:
    numbers = noises(40, -998.0, 3.0)
    usual = robust_range(numbers, 1.5, scale=LEVEL)
    assert usual.low == pytest.approx(2.0 * usual.median - usual.high)
