"""Unsharpness: the image was never sharp."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np

from miqa_training.degrade.grain import lay, split
from miqa_training.degrade.physics import (
    DonorMaterial,
    Image,
    Simulator,
    at_severity,
    display,
    exposure,
    gaussian_blur,
)

UNSHARP_SIGMA_MM = (0.15, 0.3, 0.6, 1.0)


def unsharp(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """Gaussian unsharpness of σ 0.15, 0.3, 0.6, 1 mm: focal spot, distance of the object, phosphor of a CR plate.

    The two axes differ by up to 15 % because focal spots are not round. The grain of the picture stays, because the
    detector adds its noise afterwards. Source: SCIENCE.md §1.
    """
    sigma_px = at_severity(severity, UNSHARP_SIGMA_MM) / pitch_mm
    ratio = rng.uniform(0.85, 1.15)
    signal, grain = split(image)
    light = exposure(signal)
    if abs(ratio - 1.0) < 0.02:
        return lay(image, display(gaussian_blur(light, sigma_px)), grain, rng)
    horizontally = _blur_rows(light, sigma_px * ratio)
    both = _blur_rows(np.ascontiguousarray(horizontally.T), sigma_px / ratio).T
    return lay(image, display(np.ascontiguousarray(both)), grain, rng)


def _blur_rows(image: Image, sigma_px: float) -> Image:
    taps = 2 * max(4, math.ceil(4.0 * sigma_px)) + 1
    response = np.exp(-2.0 * (np.pi * sigma_px * np.fft.rfftfreq(taps)) ** 2)
    kernel = np.fft.fftshift(np.fft.irfft(response, taps)).astype(np.float32)
    one = np.ones(1, np.float32)
    return cast("Image", cv2.sepFilter2D(image, cv2.CV_32F, kernel, one, borderType=cv2.BORDER_REFLECT))


UNSHARP = Simulator(unsharp, order=60)
