"""Faults in real MR series are found at the limits that ship, and unaltered series flag none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import LimitSide, Subject
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from tests.stages.measure.series.mr_in_memory import MrSeries, Volume, read_series

pytest.importorskip("scipy")

from miqa_training.degrade.mr import kspace, movement, noise

pytestmark = [pytest.mark.more, pytest.mark.shared]

SCANNERS = ("mr_brain_ge_signa_pd", "mr_brain_siemens_skyra_mprage", "mr_brain_uih_umr770_t1")
Maker = Callable[[MrSeries], Volume]
RANDOM = np.random.default_rng
FAULTS: dict[str, tuple[Maker, ...]] = {
    "mr_ghost": (
        lambda one: kspace.modulated_ghost(one.values, one.axis, 0.05),
        lambda one: kspace.delayed_ghost(one.values, one.axis, 0.05),
        lambda one: kspace.copied_ghost(one.values, one.axis, 0.05),
    ),
    "mr_wrap": (
        lambda one: kspace.undersampled_wrap(one.values, one.axis, 0.6),
        lambda one: kspace.shifted_wrap(one.values, one.axis, 0.3),
    ),
    "mr_noise": (
        lambda one: noise.rician_noise(one.values, 2.0, RANDOM(3)),
        lambda one: noise.scanned_noise(one.values, 2.0, RANDOM(4)),
    ),
    "mr_spikes": (
        lambda one: kspace.point_spike(one.values, 0.05, 1, RANDOM(5)),
        lambda one: kspace.striped_spike(one.values, 0.1, 1, RANDOM(6)),
    ),
}


SHIFTS_MM = ((0.0, 2.0, 0.0), (0.0, 0.0, -3.0), (0.0, 2.0, 0.0))
SLICES = 8
"""Of each series from its third slice on: measuring all of them tells no more, and takes twice the time."""


@pytest.fixture(scope="module", params=SCANNERS)
def scanner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def series(scanner: str, shared_data: Path) -> MrSeries:
    return read_series(sorted((shared_data / "series" / scanner).iterdir())).part(2, SLICES)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return read_policy(load_settings().policy_file)


def flags(series: MrSeries, policy: Policy, *volumes: Volume) -> set[str]:
    """Measurements beyond a limit of the rules for MR series."""
    rules = [
        rule for rule in policy.covering(series.header) if rule.subject is Subject.MEASUREMENT and not rule.acceptance
    ]
    assert rules
    assert all(rule.side is LimitSide.ABOVE for rule in rules)
    measured = series.measured(*volumes)
    return {rule.what for rule in rules if rule.what in measured and measured[rule.what].value > (rule.limit or 0.0)}


def test_an_unaltered_series_flags_nothing(series: MrSeries, policy: Policy) -> None:
    assert not flags(series, policy)
    assert not flags(series, policy, series.values, series.values)


@pytest.mark.parametrize("times", [(1, 2), (2, 1)], ids=["wide", "tall"])
def test_pixels_that_are_no_squares_flag_nothing(
    scanner: str, shared_data: Path, policy: Policy, times: tuple[int, int]
) -> None:
    series = read_series(sorted((shared_data / "series" / scanner).iterdir()))
    rows, columns = (side // times for side, times in zip(series.values.shape[1:], times, strict=True))
    values = np.stack([cv2.resize(one, (columns, rows), interpolation=cv2.INTER_AREA) for one in series.values])
    spacing_mm = (series.spacing_mm[1] * times[0], series.spacing_mm[2] * times[1])
    slices = [replace(one, rows=rows, columns=columns, spacing_mm=spacing_mm) for one in series.slices]
    coarse = replace(series, slices=slices, values=values)
    assert flags(coarse, policy) == set()
    assert coarse.measured()["mr_ghost"].value == pytest.approx(series.measured()["mr_ghost"].value, abs=1.0)


@pytest.mark.parametrize("measurement", sorted(FAULTS))
def test_a_fault_is_found(series: MrSeries, scanner: str, policy: Policy, measurement: str) -> None:
    """Each scanner has one way to make it, so that all ways are tried."""
    ways = FAULTS[measurement]
    assert measurement in flags(series, policy, ways[SCANNERS.index(scanner) % len(ways)](series))


def test_motion_between_volumes_is_found(series: MrSeries, scanner: str, policy: Policy) -> None:
    shift_mm = SHIFTS_MM[SCANNERS.index(scanner)]
    if scanner == SCANNERS[2]:
        moved = movement.shifted(series.values, series.spacing_mm, shift_mm)
    else:
        moved = movement.turned(series.values, series.spacing_mm, shift_mm, (0.0, 0.0, 0.0))
    assert "mr_motion" in flags(series, policy, series.values, moved)
