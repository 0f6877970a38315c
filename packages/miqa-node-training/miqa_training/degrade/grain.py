"""Separates signal and grain, so blur affects structure but not the noise that a detector adds afterwards."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from miqa_training.degrade.physics import Image, clip, field_noise

WINDOW_PX = 5
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_SHARE, _NORMAL = 0.8, 0.5586
"""Mean of this share of the smallest absolute values of a standard normal variable; the others include edges."""


def noise_deviation(image: Image) -> float:
    """Standard deviation of the noise in display values: Immerkær's mask (CVIU 64, 1996), a trimmed mean."""
    answer = np.abs(cast("Image", cv2.filter2D(image, cv2.CV_32F, _LAPLACIAN))[2:-2:2, 2:-2:2].ravel())
    smallest = np.partition(answer, int(_SHARE * answer.size))[: int(_SHARE * answer.size)]
    return float(smallest.mean()) / (6.0 * _NORMAL)


def split(image: Image) -> tuple[Image, Image]:
    """(signal, grain), whose sum is the image: a local Wiener filter for the image's own noise deviation."""
    variance = np.float32(noise_deviation(image) ** 2)
    size = (WINDOW_PX, WINDOW_PX)
    mean = cast("Image", cv2.blur(image, size, borderType=cv2.BORDER_REFLECT))
    square = cast("Image", cv2.blur(image * image, size, borderType=cv2.BORDER_REFLECT))
    local = np.maximum(square - mean * mean, np.float32(1e-12))
    gain = np.maximum(local - variance, np.float32(0.0)) / local
    signal = mean + gain * (image - mean)
    return signal, image - signal


def lay(image: Image, blurred: Image, grain: Image, rng: np.random.Generator) -> Image:
    """The blurred signal of ``image`` plus its grain; new noise replaces noise that the blur removed.

    Near edges the filter leaves noise in the signal, which the blur removes; without new noise a network would learn
    to detect its absence.
    """
    whole = clip(blurred + grain)
    lost = noise_deviation(image) ** 2 - noise_deviation(whole) ** 2
    if lost <= 0.0:
        return whole
    return clip(whole + field_noise((whole.shape[0], whole.shape[1]), rng) * np.float32(lost**0.5))
