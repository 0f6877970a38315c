"""Reduced images are those of OpenCV, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.pixels.reduction import reduced, small_copy


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(2048, 2045), (301, 1001), (83, 97), (40, 40), (9, 5), (3, 700)])
@pytest.mark.parametrize("size", [(192, 192), (17, 13), (8, 8), (2, 1), (1, 3)])
def test_they_are_those_of_opencv(kind: type[np.generic], shape: tuple[int, int], size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 65535, shape, np.uint16, endpoint=True).astype(kind)
    expected = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    small = reduced(image, *size)
    assert small.dtype == kind
    assert np.array_equal(small, expected)


def test_colours_are_reduced_one_by_one() -> None:
    image = np.random.default_rng(0).random((301, 211, 3), np.float32)
    assert np.array_equal(reduced(image, 20, 30)[..., 1], reduced(np.ascontiguousarray(image[..., 1]), 20, 30))


def test_a_small_copy_is_made_once_and_only_of_its_own_image() -> None:
    display = np.random.default_rng(0).integers(0, 65535, (300, 200), np.uint16)
    radiograph = Radiograph(display, display, (0, 65535), None)
    copy = radiograph.once(small_copy, 64)
    assert copy.shape == (64, 43)
    assert radiograph.once(small_copy, 64) is copy
    other = replace(radiograph, display=display // 2 + 32768)
    assert other.once(small_copy, 64).min() >= 32768
    assert radiograph.once(small_copy, 512) is display
