"""Blur: the patient moved, or the image was never sharp."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.training.degrade.physics import (
    Image,
    Material,
    at_severity,
    clip,
    display,
    exposure,
    gaussian_blur,
    path_kernel,
)

MOTION_MM = (0.5, 1.0, 2.0, 4.0)
UNSHARP_SIGMA_MM = (0.15, 0.3, 0.6, 1.0)


def motion_blur(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: Material) -> Image:
    """Linear motion of 0.5, 1, 2, 4 mm during the exposure, in the detector plane, at a random angle.

    Uniform velocity, sinusoidal velocity (breathing and the heart turn around) or two positions with a rest in each.
    Superposition happens in exposure, so the blur is done there. Source: SCIENCE.md §1; the motion PSFs are those
    of Potmesil and Chakravarty, SIGGRAPH 1983.
    """
    length_px = at_severity(severity, MOTION_MM) / pitch_mm
    angle = rng.uniform(0.0, math.pi)
    kind = rng.integers(3)
    share = rng.uniform(0.35, 0.65)
    time = (np.arange(96, dtype=np.float64) + 0.5) / 96.0
    along: NDArray[np.float64]
    if kind == 0:
        along = time - 0.5
    elif kind == 1:
        along = 0.5 * np.sin(math.pi * (time - 0.5))
    else:
        along = np.where(time < share, -0.5, 0.5)
    kernel = path_kernel(length_px * along * math.cos(angle), length_px * along * math.sin(angle), np.full(96, 1 / 96))
    blurred = cast("Image", cv2.filter2D(exposure(image), cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT))
    return display(blurred)


def unsharp(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: Material) -> Image:
    """Gaussian unsharpness of σ 0.15, 0.3, 0.6, 1 mm: focal spot, distance of the object, phosphor of a CR plate.

    The two axes differ by up to 15 % because focal spots are not round. Source: SCIENCE.md §1.
    """
    sigma_px = at_severity(severity, UNSHARP_SIGMA_MM) / pitch_mm
    ratio = rng.uniform(0.85, 1.15)
    light = exposure(image)
    if abs(ratio - 1.0) < 0.02:
        return display(gaussian_blur(light, sigma_px))
    horizontally = _blur_rows(light, sigma_px * ratio)
    both = _blur_rows(np.ascontiguousarray(horizontally.T), sigma_px / ratio).T
    return clip(display(np.ascontiguousarray(both)))


def _blur_rows(image: Image, sigma_px: float) -> Image:
    taps = 2 * max(4, math.ceil(4.0 * sigma_px)) + 1
    response = np.exp(-2.0 * (np.pi * sigma_px * np.fft.rfftfreq(taps)) ** 2)
    kernel = np.fft.fftshift(np.fft.irfft(response, taps)).astype(np.float32)
    one = np.ones(1, np.float32)
    return cast("Image", cv2.sepFilter2D(image, cv2.CV_32F, kernel, one, borderType=cv2.BORDER_REFLECT))
