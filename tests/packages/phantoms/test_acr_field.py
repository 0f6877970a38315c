"""What is measured of an ACR MR phantom goes with the phantom: it does not depend on how much air is around it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from miqa_node.features.phantoms.measure import ACR_MR, measures_in_order
from tests.packages.phantoms.drawing import Acr, Image, stack
from tests.packages.phantoms.holes import with_holes
from tests.packages.phantoms.test_drawn_acr_spokes import with_discs

PHANTOMS = {
    "large": Acr(noise=3.0, thickness=5.2, shift_1=1.0, shading=0.1, ghost=0.01, centre=(2.0, -3.0), tilt_deg=1.5),
    "medium": Acr(noise=3.0, diameter=165.0, shift_11=-1.0, shading=0.1, ghost=0.01),
    "in a large matrix": Acr(noise=3.0, side=384, spacing=250.0 / 384.0, ghost=0.01),
}
AIR = 10
"""Pixels of air that are cut away."""


FIELDS: dict[str, Callable[[Image], Image]] = {
    "zeros around": lambda image: np.pad(image, 64),
    "many zeros around": lambda image: np.pad(image, 200),
    "zeros on two sides": lambda image: np.pad(image, ((90, 0), (0, 30))),
    "air cut away": lambda image: image[AIR:-AIR, AIR:-AIR],
    "shifted": lambda image: np.pad(image, ((12, 0), (0, 9)), mode="wrap")[:-12, 9:],
    "rolled": lambda image: np.roll(image, (7, -5), axis=(0, 1)),
}
LENGTH = 0.12
"""Millimetres, and percentage points of ghosting, by which a value may differ; others by 2 %."""


def values(images: list[Image], phantom: Acr) -> dict[str, float]:
    of = stack(images, spacing=phantom.spacing)
    every = [value for one in measures_in_order() if one.kinds & ACR_MR for value in one.take(of)]
    return {one.name: one.value for one in every if one.value is not None}


@pytest.fixture(scope="module")
def drawn() -> dict[str, tuple[list[Image], dict[str, float]]]:
    made = {}
    for name, phantom in PHANTOMS.items():
        images = with_discs(phantom)
        if phantom.diameter == 190.0:
            images[0] = with_holes(phantom, (0.8, 0.8))
        made[name] = images, values(images, phantom)
    return made


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("phantom", PHANTOMS)
def test_air_and_zeros_around_a_phantom_change_no_value(
    drawn: dict[str, tuple[list[Image], dict[str, float]]], phantom: str, field: str
) -> None:
    images, expected = drawn[phantom]
    result = values([np.ascontiguousarray(FIELDS[field](one)) for one in images], PHANTOMS[phantom])
    assert set(result) == set(expected)
    assert {"snr_smoothing.measured", "piu_percent", "psg_percent", "low_contrast_spokes.total"} <= set(expected)
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, rel=0.02, abs=LENGTH), name
