"""Faults of whole series: each way changes what it says, leaves the stack it was given, and is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_training import series_faults
from miqa_training.degrade.series import field, hounsfield, noise, order, rings, streaks
from miqa_training.degrade.series.stack import RealStack, SeriesFault, read_stack, write_stack
from tests.stages.measure.series import making
from tests.stages.measure.series.test_stacks import walk

pytestmark = pytest.mark.more

WAYS = [way for kind in series_faults.FAULTS.values() for way in kind.ways]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> RealStack:
    """Twelve slices of a body of fat and soft tissue, with organs that change."""
    organs = [np.where(one > -500.0, one - 40.0, 0.0) for one in walk(12, 0.0)]
    images = [making.layered_ct(3.0, place, edge_px=0.8) + organs[place] * 0.3 for place in range(12)]
    return read_stack(making.write_series(tmp_path_factory.mktemp("stack"), images, "CT", change=making.fine))


@pytest.mark.parametrize("way", dict.fromkeys(WAYS))
def test_a_fault_changes_a_copy(way: SeriesFault, stack: RealStack) -> None:
    values, numbers = stack.values.copy(), [one.InstanceNumber for one in stack.headers]
    positions = [list(one.ImagePositionPatient) for one in stack.headers]
    result = way(stack, np.random.default_rng(0))
    is_same = len(result) == len(stack) and np.array_equal(result.values, values)
    assert not is_same or [list(one.ImagePositionPatient) for one in result.headers] != positions
    assert np.array_equal(stack.values, values)
    assert [one.InstanceNumber for one in stack.headers] == numbers
    assert [list(one.ImagePositionPatient) for one in stack.headers] == positions


@pytest.mark.parametrize(
    ("way", "measurement"),
    [
        (order.cut_gap, "slice_gaps"),
        (order.moved_part, "slice_gaps"),
        (order.dropped, "slice_gaps"),
        (order.swapped_neighbours, "slice_disorder"),
        (order.swapped_places, "slice_disorder"),
        (order.repeated_pixels, "slices_repeated"),
        (order.repeated_slice, "slice_overlaps"),
        (noise.white_noise, "noise_whiteness"),
        (field.off_centre, "truncation"),
        (rings.weak_channel, "ring_index"),
        (streaks.lost_views, "streak_direction"),
        (hounsfield.offset, "hu_offset"),
        (hounsfield.wrong_water, "hu_offset"),
    ],
)
def test_the_shipped_policy_finds_it(way: SeriesFault, measurement: str, stack: RealStack, tmp_path: Path) -> None:
    policy = read_policy(load_settings().policy_file)
    judged = series_faults.judge(way(stack, np.random.default_rng(0)), tmp_path, policy)
    assert measurement in judged.flagged


def test_an_unaltered_stack_is_not_flagged(stack: RealStack, tmp_path: Path) -> None:
    assert series_faults.judge(stack, tmp_path, read_policy(load_settings().policy_file)).flagged == frozenset()


def test_doubled_noise_has_twice_the_deviation(stack: RealStack) -> None:
    for way in (noise.white_noise, noise.own_noise):
        result = way(stack, np.random.default_rng(0))
        middle = slice(80, 112)
        noise_hu = (result.values - stack.values)[:, middle, middle].std()
        assert noise_hu == pytest.approx(np.sqrt(3.0) * 3.0, rel=0.4)


def test_what_is_written_is_read_again(stack: RealStack, tmp_path: Path) -> None:
    again = read_stack(write_stack(stack, tmp_path))
    assert np.abs(again.values - stack.values).max() <= 0.5
    assert len({one.SOPInstanceUID for one in (*again.headers, *stack.headers)}) == 24
