"""What noise changes and the display does not: grain over the structure that it lies over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from miqa_node.stages.measure.image.grain import GRAIN_OVER_STRUCTURE
from miqa_node.stages.measure.view import ImageView
from tests.stages.measure.phantoms import chest, header, radiograph


def grain(image: NDArray[np.float64], valid: NDArray[np.bool_] | None = None) -> float | None:
    measured = GRAIN_OVER_STRUCTURE.take(ImageView(radiograph(image, valid=valid), header()))
    assert measured is None or isinstance(measured, float)
    return measured


def test_a_quarter_of_the_dose_raises_it() -> None:
    ordinary, quarter = grain(chest(noise=8.0)), grain(chest(noise=16.0))
    assert ordinary is not None
    assert quarter is not None
    assert quarter > 1.2 * ordinary


def test_a_flatter_display_of_the_same_image_hardly_does() -> None:
    """It scales ribs and grain alike; grain alone falls to three fifths."""
    ribs = ndimage.gaussian_filter(np.random.default_rng(5).normal(0.0, 4000.0, (512, 512)), 4.0)
    image = 2000.0 + ribs + np.random.default_rng(6).normal(0.0, 30.0, (512, 512))
    ordinary, flat = grain(image), grain(2000.0 + 0.6 * (image - 2000.0))
    assert ordinary is not None
    assert flat is not None
    assert abs(flat / ordinary - 1.0) < 0.08


def test_padding_and_what_is_white_or_black_take_no_part() -> None:
    image = chest()
    whole = grain(image)
    collimated = image.copy()
    collimated[:, :64] = 0.0
    collimated[:, -64:] = 4095.0
    valid = np.zeros(image.shape, bool)
    valid[:, 64:-64] = True
    assert whole is not None
    for one in (grain(collimated), grain(image, valid)):
        assert one is not None
        assert abs(one / whole - 1.0) < 0.1
    assert grain(np.zeros((512, 512))) is None


def test_a_detector_of_fine_pixels_is_looked_at_as_a_picture() -> None:
    """Each pixel shown as four has no other noise at 640 pixels a side."""
    image = chest(640, 640)
    ordinary, fine = grain(image), grain(image.repeat(2, 0).repeat(2, 1))
    assert ordinary is not None
    assert fine is not None
    assert abs(fine / ordinary - 1.0) < 0.02
