# ruff: noqa: F401, F811 - fixtures of another folder are imported by name
"""More of drawn ACR MR phantoms: ghosts, spokes of low contrast, and stacks that lack slices."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_node.libraries.phantom_shapes.acr import find_acr_slices
from miqa_phantoms import low_contrast, piu, psg, slice_thickness
from miqa_phantoms.low_contrast import AWAY_MM, DISC_RADII_MM, SPOKES, TURN_DEG
from tests.packages.phantoms.drawing import Acr, Image, stack
from tests.packages.phantoms.test_drawn_acr import DRAWN, images, value

pytestmark = pytest.mark.more

CONTRASTS = {8: 0.014, 9: 0.025, 10: 0.036, 11: 0.051}


def test_ghosting_is_the_difference_of_air(images: list[Image]) -> None:
    clean = stack(Acr(noise=0.0).images())
    assert value(psg.MEASURE, clean, "psg_percent") == pytest.approx(0.0, abs=0.01)
    ghost = stack(Acr(noise=0.5, ghost=0.02).images())
    assert value(psg.MEASURE, ghost, "psg_percent") == pytest.approx(2.0, abs=0.25)


def test_a_stack_without_slice_1_measures_the_rest() -> None:
    short = stack(DRAWN.images()[2:])
    assert value(piu.MEASURE, short, "piu_percent") > 90.0
    lost = [one for one in slice_thickness.MEASURE.take(short) if one.value is None]
    assert len(lost) == 3
    assert all(one.reason for one in lost)


@pytest.mark.parametrize("phantom", [Acr(grid=True), Acr(diameter=165.0), Acr(noise=40.0, tilt_deg=-3.0)])
def test_slices_have_their_numbers(phantom: Acr) -> None:
    drawn = stack(phantom.images()[::-1])
    result = find_acr_slices(drawn.images, drawn.places_mm, drawn.spacing_mm)
    assert result is not None
    assert result.places == {number: 11 - number for number in range(1, 12)}
    assert 2.0 * result.radius_mm == pytest.approx(phantom.diameter, abs=0.6)


def with_discs(phantom: Acr, spokes: int = SPOKES, turn_deg: float = 0.0) -> list[Image]:
    """The slices of the phantom, with the discs of low contrast of so many spokes."""
    images = phantom.images()
    at = (np.arange(phantom.side * 4) + 0.5) / 4 - 0.5
    x = (at - (phantom.side - 1) / 2.0)[None, :] * phantom.spacing - phantom.centre[0]
    y = (at - (phantom.side - 1) / 2.0)[:, None] * phantom.spacing - phantom.centre[1]
    for number, contrast in CONTRASTS.items():
        shown = np.zeros((phantom.side * 4, phantom.side * 4), np.float32)
        for spoke in range(spokes):
            angle = np.radians(turn_deg + phantom.tilt_deg + TURN_DEG * (number - 8) + 36.0 * spoke)
            for away in AWAY_MM:
                right, down = away * np.sin(angle) - 1.0, 7.0 - away * np.cos(angle)
                shown[np.hypot(x - right, y - down) <= DISC_RADII_MM[spoke]] = contrast * phantom.signal
        images[number - 1] += shown.reshape(phantom.side, 4, phantom.side, 4).mean(axis=(1, 3))
    return images


def spokes_of(images: list[Image]) -> list[float | None]:
    return [one.value for one in low_contrast.MEASURE.take(stack(images))]


def test_all_spokes_of_a_quiet_image_are_complete() -> None:
    assert spokes_of(with_discs(Acr(noise=1.0))) == [10.0, 10.0, 10.0, 10.0, 40.0]


def test_spokes_end_with_the_first_that_is_not_complete() -> None:
    assert spokes_of(with_discs(Acr(noise=1.0), spokes=7, turn_deg=2.0)) == [7.0, 7.0, 7.0, 7.0, 28.0]


def test_noise_hides_spokes_of_the_lowest_contrast_first() -> None:
    counts = spokes_of(with_discs(Acr(noise=9.5)))
    assert counts[0] is not None
    assert counts[3] is not None
    assert counts[0] < counts[3]


def test_an_insert_without_discs_says_why() -> None:
    result = low_contrast.MEASURE.take(stack(Acr(noise=4.0).images()))
    assert {one.value for one in result} == {None}
    assert all("low contrast were not found" in one.reason for one in result)
