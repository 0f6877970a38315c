"""Percentiles by counting are those of numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from miqa_node.domain.image import Radiograph
from miqa_node.imaging import histogram as module
from miqa_node.imaging.histogram import displayed_counts, histogram, percentiles

PERCENTS = (0.0, 0.5, 1.0, 33.3, 50.0, 99.0, 99.5, 100.0)


@pytest.fixture(params=[0, module.FEW], ids=["counted by OpenCV", "counted by NumPy"])
def _few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", request.param)


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize("side", [1, 2, 3, 64, 501])
@pytest.mark.parametrize("highest", [0, 1, 255, 4095, 65535])
def test_they_are_those_of_numpy(side: int, highest: int) -> None:
    pixels = np.random.default_rng(side).integers(0, highest, (side, side + 1), np.uint16, endpoint=True)
    for part in (pixels, pixels[::2, ::2], pixels.T, pixels[pixels >= pixels.min()]):
        np.testing.assert_allclose(percentiles(part, PERCENTS), np.percentile(part, PERCENTS), rtol=1e-12, atol=1e-9)


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_every_pixel_that_is_not_masked_counts_once(kind: type[np.unsignedinteger[Any]]) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, np.iinfo(kind).max, (97, 61), kind, endpoint=True)
    mask = rng.integers(0, 2, pixels.shape, np.uint8) * np.uint8(255)
    expected, _ = np.histogram(pixels[mask > 0], np.arange(np.iinfo(kind).max + 2))
    assert np.array_equal(histogram(pixels, mask), expected)
    assert histogram(pixels).sum() == pixels.size


def test_more_pixels_than_can_be_counted_at_a_time_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", 0)
    pixels = np.random.default_rng(0).integers(0, 99, (61, 97), np.uint16)
    mask = (pixels > 9).view(np.uint8)
    whole, valid = histogram(pixels), histogram(pixels, mask)
    monkeypatch.setattr(module, "MOST_COUNTED", 999)
    assert np.array_equal(histogram(pixels), whole)
    assert np.array_equal(histogram(pixels, mask), valid)
    assert np.array_equal(histogram(pixels.ravel()), whole)


def test_displayed_values_are_counted_where_they_are_valid() -> None:
    display = np.array([[1, 2], [2, 7]], np.uint16)
    radiograph = Radiograph(display, display, (0, 7), None, valid=np.array([[True, True], [True, False]]))
    counts = radiograph.once(displayed_counts)
    assert counts[:9].tolist() == [0, 1, 2, 0, 0, 0, 0, 0, 0]
    assert radiograph.once(displayed_counts) is counts
