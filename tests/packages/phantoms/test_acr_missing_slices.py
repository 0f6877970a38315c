"""An ACR scan that lacks a slice has all values of the others, and says of each other one why it is not there."""

from __future__ import annotations

import pytest

from miqa_node.features.phantoms.measure import ACR_MR, measures_in_order
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_node.libraries.phantom_shapes.acr import SLICES, find_acr_slices
from miqa_phantoms.acr import NO_SLICE
from tests.packages.phantoms.drawing import Acr, Image, stack
from tests.packages.phantoms.holes import with_holes
from tests.packages.phantoms.test_drawn_acr_spokes import with_discs

PHANTOMS = {"large": Acr(noise=3.0, tilt_deg=1.0), "medium": Acr(noise=3.0, diameter=165.0), "older": Acr(grid=True)}
READ_ON = {
    1: (
        "geometric_accuracy_mm.slice_1",
        "slice_thickness",
        "slice_position_bar_difference_mm.slice_1$",
        "spatial",
        "hole",
    ),
    5: ("geometric_accuracy_mm.slice_5",),
    7: ("piu", "psg", "snr"),
    **{number: (f"low_contrast_spokes.slice_{number}",) for number in (8, 9, 10, 11)},
}
"""How names of values begin that are read on a slice; $ is their end."""
OF_SEVERAL = {
    1: ("geometric_accuracy_mm.m", "geometric_accuracy_mm.c"),
    5: ("geometric_accuracy_mm.m", "geometric_accuracy_mm.c"),
    11: ("slice_position_bar_difference_mm.slice_11$", "low_contrast_spokes.total"),
    **dict.fromkeys((8, 9, 10), ("low_contrast_spokes.total",)),
}


OFF, OFF_CONTRAST = 0.3, 4.0
"""The notch is read on all slices: without one the phantom seems turned by some hundredths of a degree."""


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Image]]:
    made = {name: with_discs(phantom) for name, phantom in PHANTOMS.items()}
    made["large"][0] = with_holes(PHANTOMS["large"], (0.8, 0.8))
    return made


def without(images: list[Image], *numbers: int) -> PhantomStack:
    """The stack as it lies, less some slices; the others keep their positions."""
    whole = stack(images)
    rest = [place for place in range(SLICES) if place + 1 not in numbers]
    return PhantomStack([whole.slices[one] for one in rest], [whole.images[one] for one in rest], whole.header)


def values(of: PhantomStack) -> dict[str, PhantomValue]:
    every = [value for one in measures_in_order() if one.kinds & ACR_MR for value in one.take(of)]
    return {one.name: one for one in every}


@pytest.mark.parametrize("phantom", PHANTOMS)
@pytest.mark.parametrize("number", range(1, SLICES + 1))
def test_a_slice_that_is_not_there_takes_only_its_own_values(
    drawn: dict[str, list[Image]], phantom: str, number: int
) -> None:
    expected, result = values(stack(drawn[phantom])), values(without(drawn[phantom], number))
    own = (*READ_ON.get(number, ()), *OF_SEVERAL.get(number, ()))
    for name, value in expected.items():
        if value.value is None:
            continue
        if f"{name}$".startswith(own):
            assert result[name].value is None, name
            assert result[name].reason == NO_SLICE.replace("{number}", str(number)), name
        else:
            off = OFF_CONTRAST if name.startswith("hole") else OFF
            assert result[name].value == pytest.approx(value.value, abs=off), name


@pytest.mark.parametrize("phantom", PHANTOMS)
def test_the_others_keep_their_numbers_in_either_direction(drawn: dict[str, list[Image]], phantom: str) -> None:
    for missing in ((), (5,), (7,), (5, 7), (1, 11), (4, 8)):
        of = without(drawn[phantom], *missing)
        rest = [one for one in range(1, SLICES + 1) if one not in missing]
        for step in (1, -1):
            slices = find_acr_slices(of.images[::step], (of.places_mm or [])[::step], of.spacing_mm)
            assert slices is not None
            assert {number: rest[::step][place] for number, place in slices.places.items()} == {
                one: one for one in rest
            }


def test_without_positions_nobody_knows_which_one_is_missing(drawn: dict[str, list[Image]]) -> None:
    of = stack(drawn["large"])
    whole = find_acr_slices(of.images, None, of.spacing_mm)
    assert whole is not None
    assert whole.places == {number: number - 1 for number in range(1, SLICES + 1)}
    for missing in range(SLICES):
        images = [image for place, image in enumerate(of.images) if place != missing]
        assert find_acr_slices(images, None, of.spacing_mm) is None
