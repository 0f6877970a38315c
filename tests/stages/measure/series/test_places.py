"""Places of slices that are nobody's fault: volumes with ends of their own, rounded positions, odd Instance Numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import FileDataset

from miqa_series.stacks.places import places_of
from tests.stages.measure.series import making
from tests.stages.measure.series.test_lost_slices import measured
from tests.stages.measure.series.test_stacks import walk

ODD_NUMBERS = (2147483647, 10**30)


@pytest.mark.parametrize(
    "places",
    [
        [*range(120), *range(140)],
        [*range(60), *range(4, 56)],
        [*range(40), *range(40), *(place - 1 for place in range(40))],
        [*range(30), *range(30), *range(25)],
    ],
    ids=["portal venous longer", "expiration shorter", "one volume a slice lower", "stopped in the last volume"],
)
def test_volumes_may_have_ends_of_their_own(places: list[int]) -> None:
    stack = places_of([float(place) for place in places])
    assert stack is not None
    assert not stack.fewer_mm


def test_positions_that_each_volume_rounds_anew_are_one_place() -> None:
    first = [float(place) for place in range(100)]
    second = [place + (0.02 if place % 12 == 5 else 0.0) for place in first]
    stack = places_of(first + second)
    assert stack is not None
    assert not stack.fewer_mm
    lost = places_of(first + second[:50] + second[51:])
    assert lost is not None
    assert list(lost.fewer_mm) == [50.0]


@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_one_odd_instance_number_costs_nothing(number: int) -> None:
    """Every number up to it was counted."""
    stack = places_of([5.0 * place for place in range(30)], numbers=[*range(1, 30), number])
    assert stack is not None
    assert not len(stack.gaps_mm)


@pytest.mark.more
def test_a_series_with_one_odd_instance_number_is_measured(tmp_path: Path) -> None:
    paths = making.write_series(tmp_path, walk(), "CT")

    def odd(dataset: FileDataset) -> None:
        dataset.InstanceNumber = ODD_NUMBERS[0]

    paths[-1:] = making.write_series(tmp_path, walk()[-1:], "CT", [5.0 * (len(paths) - 1)], odd, len(paths))
    assert measured(paths)["slice_gaps"].value == 0.0
