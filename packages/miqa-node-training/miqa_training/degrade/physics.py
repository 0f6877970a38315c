"""Basis of all simulators: conversion between display and exposure, tables of severity, exact small kernels.

Display values are float32 in [0, 1], 0 black. A chest radiograph shows exposure on a logarithmic scale, white at low
exposure, so the relative exposure behind a display value d is ``10 ** (-LATITUDE_DECADES * d)``; the latitude of two
decades is a usual setting of CR readers for the chest (Fuji "L" value about 2). Real presentation curves bend that
line; the simulators assume a straight line, an approximation that the docs mention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

LATITUDE_DECADES = 2.0
"""Exposure range that the display range shows, in decades."""

_LN_RANGE = LATITUDE_DECADES * math.log(10.0)
SEVERITY_KNOTS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class DonorMaterial:
    """Material from other images for some simulators: an image of another patient, and cut-outs of real objects.

    ``other``: display image of any shape, resampled as needed. ``cutouts``: attenuation maps in display units
    with their pixel pitch in mm, as ``cutouts.cut_out`` makes them.
    """

    other: Image | None = None
    cutouts: Sequence[tuple[Image, float]] = field(default=())


def at_severity(severity: float, values: Sequence[float], nothing: float = 0.0) -> float:
    """The physical value at a severity in [0, 1]: ``values`` at .25, .5, .75 and 1, linear between, ``nothing`` at 0.

    >>> at_severity(0.5, (1, 2, 4, 8))
    2.0
    """
    return float(np.interp(severity, SEVERITY_KNOTS, (nothing, *values)))


def exposure(image: Image) -> Image:
    """Relative exposure in [0.01, 1] of a display image."""
    return cast("Image", cv2.exp(image * np.float32(-_LN_RANGE)))


def display(relative_exposure: Image) -> Image:
    """Display values in [0, 1] of a relative exposure; above 1 saturates at black, below 0.01 at white."""
    logarithm = cast("Image", cv2.log(np.maximum(relative_exposure, np.float32(1e-6))))
    return clip(logarithm * np.float32(-1.0 / _LN_RANGE))


def clip(image: Image) -> Image:
    """Cut to [0, 1], float32, contiguous."""
    return np.ascontiguousarray(np.clip(image, 0.0, 1.0, dtype=np.float32))


def gaussian_blur(image: Image, sigma_px: float) -> Image:
    """Gaussian blur that is exact also below one pixel.

    The kernel is the inverse transform of exp(-2π²σ²f²), so its MTF is right up to Nyquist; sampling the Gaussian
    itself blurs too little for σ < 0.5 px.
    """
    if sigma_px < 1e-3:
        return image.copy()
    taps = 2 * max(4, math.ceil(4.0 * sigma_px)) + 1
    frequency = np.fft.rfftfreq(taps)
    kernel = np.fft.fftshift(np.fft.irfft(np.exp(-2.0 * (np.pi * sigma_px * frequency) ** 2), taps)).astype(np.float32)
    return cast("Image", cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REFLECT))


def path_kernel(x_px: NDArray[np.float64], y_px: NDArray[np.float64], weights: NDArray[np.float64]) -> Image:
    """Point spread function of a path through the given positions.

    Each position is spread with the Keys cubic (a = -1/2), which keeps the second moment, so motion of a fraction of a
    pixel blurs by the right amount (a bilinear spread would blur five times too much).
    """
    reach = math.ceil(float(np.max(np.hypot(x_px, y_px)))) + 2
    grid = np.arange(-reach, reach + 1, dtype=np.float64)
    columns = _keys(grid[None, :] - x_px[:, None])
    rows = _keys(grid[None, :] - y_px[:, None])
    kernel = np.einsum("n,ny,nx->yx", weights, rows, columns)
    return cast("Image", (kernel / kernel.sum()).astype(np.float32))


def _keys(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    d = np.abs(distance)
    near = 1.5 * d**3 - 2.5 * d**2 + 1.0
    far = -0.5 * d**3 + 2.5 * d**2 - 4.0 * d + 2.0
    return np.where(d <= 1.0, near, np.where(d < 2.0, far, 0.0))


def field_noise(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """White Gaussian noise, mean 0 and standard deviation 1."""
    return rng.standard_normal(shape, dtype=np.float32)


Simulation = Callable[[Image, float, np.random.Generator, float, DonorMaterial], Image]
"""(image, severity, random generator, pixel pitch in mm, material) → the image with the defect."""


@dataclass(frozen=True, slots=True)
class Simulator:
    """The simulator of a finding, named in the taxonomy's entry. Defects of lower ``order`` are applied first.

    Orders below 40 are the patient, below 80 the exposure, below 110 the detector, from there on the processing.
    """

    apply: Simulation
    order: int
