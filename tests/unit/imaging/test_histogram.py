"""Percentiles by counting are those of numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from miqa_node.imaging import histogram as module
from miqa_node.imaging.histogram import histogram, percentiles

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


def test_more_pixels_than_can_be_counted_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.arange(1000, dtype=np.uint16)
    counted = percentiles(pixels, PERCENTS)
    monkeypatch.setattr(module, "MOST_COUNTED", 999)
    np.testing.assert_allclose(percentiles(pixels, PERCENTS), counted, rtol=1e-12)
