"""What is computed stripe by stripe, or by a faster transform, is what the plain formula gives on the whole image."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.stages.measure.image.grid import _line_spectrum, _lines
from miqa_node.stages.measure.image.local_variance_mode import _variances
from miqa_node.stages.measure.image.neighbours import neighbour_differences
from miqa_node.stages.measure.image.noise_sigma import noise_sigma
from miqa_node.stages.measure.view import PICTURE_HEADER, ImageView, view_of

SHAPES = [(64, 64), (65, 71), (129, 40), (200, 333)]


def picture(shape: tuple[int, int]) -> NDArray[np.uint16]:
    rng = np.random.default_rng(sum(shape))
    smooth = cv2.GaussianBlur(rng.uniform(0, 65535, shape), (0, 0), 3)
    values = 3 * (smooth - smooth.mean()) + 30000 + rng.normal(0, 300, shape)
    return np.asarray(np.clip(values, 0, 65535), np.uint16)


def padded(shape: tuple[int, int]) -> ImageView:
    display, valid = picture(shape), np.ones(shape, np.bool_)
    valid[10:30, 5:20] = False
    return ImageView(Radiograph(display, display, (0, 65535), None, valid), PICTURE_HEADER)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [lambda shape: view_of(picture(shape)), padded], ids=["whole", "padded"])
def test_differences_of_neighbours(shape: tuple[int, int], make: Callable[[tuple[int, int]], ImageView]) -> None:
    view = make(shape)
    levels, inside = view.display * (255 / 65535), np.ones(shape, np.bool_)
    if view.inner_mask is not None:
        inside = view.inner_mask > 0
    laplacian = cv2.Laplacian(levels, cv2.CV_64F, ksize=1)[inside]
    across, along = (cv2.Sobel(levels, cv2.CV_64F, *d, ksize=3)[inside] for d in ((1, 0), (0, 1)))

    differences = neighbour_differences(view)

    assert differences.laplacian_variance == pytest.approx(laplacian.var(), rel=1e-5)
    assert differences.gradient_energy == pytest.approx((across**2 + along**2).mean(), rel=1e-5)
    assert differences.column_steps == pytest.approx(np.abs(np.diff(levels, axis=1)).mean(axis=0), rel=1e-5)
    assert differences.row_steps == pytest.approx(np.abs(np.diff(levels, axis=0)).mean(axis=1), rel=1e-5)


@pytest.mark.parametrize("length", [64, 75, 135, 256])
def test_spectrum_of_lines(length: int) -> None:
    """Of odd lengths, too: they have no real highest frequency."""
    lines = picture((100, length)).astype(np.float32)
    weighted = (lines - lines.mean(axis=1, keepdims=True)) * np.hanning(length)
    plain = (np.abs(np.fft.rfft(weighted, axis=1)) ** 2).mean(axis=0)
    for image, axis in ((lines, 1), (lines.T, 0)):
        power, frequencies = _line_spectrum(_lines(view_of(np.ascontiguousarray(image, np.uint16)), axis))
        assert power == pytest.approx(plain, rel=1e-4, abs=1e-5 * plain.max())
        assert len(frequencies) == len(power)


def test_variances_of_tiles() -> None:
    stored = picture((160, 88)).astype(np.float32)
    plain = stored.astype(np.float64).reshape(20, 8, 11, 8).var(axis=(1, 3))
    assert _variances(stored) == pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
def test_noise_of_every_type(dtype: type[np.integer]) -> None:
    stored = np.random.default_rng(0).normal(100.0, 5.0, (201, 203)).astype(dtype)
    blocks = stored[:200, :202].astype(np.float64)
    diagonal = blocks[0::2, 0::2] - blocks[0::2, 1::2] - blocks[1::2, 0::2] + blocks[1::2, 1::2]
    plain = np.median(np.abs(diagonal)) / 2 / 0.6745
    assert noise_sigma(stored, None) == pytest.approx(plain, abs=0.4)
