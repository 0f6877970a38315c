"""ACR slices are numbered by where they lie: in any order and with any increment values are right or have a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from miqa_node.features.phantoms.measure import ACR_MR, measures_in_order
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_node.libraries.phantom_shapes.acr import GAP_MM, SLICES
from tests.packages.phantoms.drawing import Acr, Image, stack
from tests.packages.phantoms.test_drawn_acr_spokes import with_discs

PHANTOM = Acr(noise=3.0, thickness=5.4, shift_1=1.0, shift_11=-1.0, ghost=0.01)
WHOLE = [GAP_MM * number for number in range(SLICES)]
PLACES: dict[str, Sequence[float]] = {
    "as the protocol": WHOLE,
    "reversed": WHOLE[::-1],
    "begun elsewhere": [one - 137.25 for one in WHOLE],
    "overlapping": list(np.arange(0.0, 101.0, 5.0)),
    "overlapping, less the first": list(np.arange(5.0, 101.0, 5.0)),
    "every 2.5 mm": list(np.arange(0.0, 101.0, 2.5)),
    "two increments": [*WHOLE[:5], *np.arange(50.0, 101.0, 5.0)],
    "gapped": WHOLE[::2],
    "gapped by 12 mm": [12.0 * number for number in range(9)],
    "between the places of the protocol": [one + 5.0 for one in WHOLE[:-1]],
    "spread a little": [one + 1.2 * (-1) ** number for number, one in enumerate(WHOLE)],
}


@pytest.fixture(scope="module")
def slices() -> list[Image]:
    return with_discs(PHANTOM)


def placed(slices: list[Image], places: Sequence[float]) -> PhantomStack:
    """The phantom scanned at these places: each slice shows the nearest of the protocol, with its ends displaced."""
    of = stack([slices[min(SLICES - 1, max(0, round(one / GAP_MM)))] for one in np.subtract(places, min(places))])
    moved = [replace(one, position_mm=(0.0, 0.0, float(at))) for one, at in zip(of.slices, places, strict=True)]
    return PhantomStack(moved, of.images, of.header)


def values(of: PhantomStack) -> dict[str, PhantomValue]:
    return {value.name: value for one in measures_in_order() if one.kinds & ACR_MR for value in one.take(of)}


@pytest.mark.parametrize("name", PLACES)
def test_a_value_is_right_or_has_a_reason(slices: list[Image], name: str) -> None:
    expected, result = values(placed(slices, WHOLE)), values(placed(slices, PLACES[name]))
    for value in result.values():
        assert (value.value is None) == bool(value.reason), value.name
        true = expected[value.name].value
        if value.value is not None and true is not None:
            assert value.value == pytest.approx(true, abs=0.3, rel=0.02), value.name


@pytest.mark.parametrize("name", ["as the protocol", "reversed", "begun elsewhere", "two increments"])
def test_places_of_the_protocol_have_all_values(slices: list[Image], name: str) -> None:
    measured = {value.name for value in values(placed(slices, PLACES[name])).values() if value.value is not None}
    assert {"piu_percent", "slice_thickness_mm", "low_contrast_spokes.total"} <= measured
