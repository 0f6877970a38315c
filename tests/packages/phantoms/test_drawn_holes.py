"""High-contrast resolution of drawn holes is that with which they were drawn, in each direction by itself."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_node.libraries.phantom_shapes.acr import LARGE_MM
from miqa_phantoms.high_contrast import PAIRS, HoleArray, find_pair
from tests.packages.phantoms.drawing import Acr, Image
from tests.packages.phantoms.holes import slice_1, with_holes

FINE = Acr(side=320, spacing=250.0 / 320.0)


def arrays(image: Image, phantom: Acr = FINE) -> dict[float, tuple[HoleArray, HoleArray]]:
    one = slice_1(image, phantom)
    pairs = {size: find_pair(one, size, place) for size, place in PAIRS[LARGE_MM].items()}
    return {size: pair for size, pair in pairs.items() if pair is not None}


def resolved(image: Image, phantom: Acr = FINE) -> tuple[list[float], list[float]]:
    """Diameters that are resolved from left to right, and from top to bottom."""
    of = arrays(image, phantom)
    assert len(of) == len(PAIRS[LARGE_MM])
    across, down = ([size for size, pair in of.items() if pair[side].is_resolved] for side in (0, 1))
    return across, down


ALL = [1.1, 1.0, 0.9]


@pytest.mark.parametrize(
    ("resolution_mm", "across", "down"),
    [((0.8, 0.8), ALL, ALL), ((1.3, 0.8), [], ALL), ((0.8, 1.3), ALL, [])],
)
def test_holes_are_resolved_where_the_scan_is_fine_enough(
    resolution_mm: tuple[float, float], across: list[float], down: list[float]
) -> None:
    assert resolved(with_holes(FINE, resolution_mm)) == (across, down)


def test_holes_that_are_one_slit_are_not_resolved_along_it() -> None:
    along = {(0.9, "upper row"), (1.0, "lower column")}
    assert resolved(with_holes(FINE, (0.8, 0.8), along)) == ([1.1, 1.0], [1.1, 0.9])
    across = {(0.9, "upper column"), (1.0, "lower row")}
    assert resolved(with_holes(FINE, (0.8, 0.8), across)) == (ALL, ALL), "a slit down is four bright points of a row"


def test_neither_pose_nor_noise_changes_what_is_resolved() -> None:
    phantom = Acr(side=320, spacing=250.0 / 320.0, centre=(2.0, -3.0), tilt_deg=2.0, noise=25.0)
    assert resolved(with_holes(phantom, (0.8, 0.8), move_mm=1.3), phantom) == (ALL, ALL)


def test_a_block_without_holes_has_none() -> None:
    assert arrays(FINE.image(1)) == {}


def test_noise_feigns_no_resolution() -> None:
    image = with_holes(FINE, (2.0, 2.0))
    random = np.random.default_rng(7)
    for _ in range(3):
        noisy = np.hypot(image + random.normal(0.0, 60.0, image.shape), random.normal(0.0, 60.0, image.shape))
        for pair in arrays(noisy).values():
            assert [one.is_resolved for one in pair] == [False, False]
