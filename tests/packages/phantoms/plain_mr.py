"""Draws plain MR phantoms whose numbers are known: bottles, ramps between rods, a slanted square."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from miqa_node.features.phantoms.measure import PhantomMeasure
from miqa_node.features.phantoms.stack import PhantomStack
from tests.packages.phantoms.drawing import Image, stack

SIDE, FINE = 256, 4
SIGNAL = 1000.0


def points() -> tuple[Image, Image]:
    """Right and down of the middle of the image in pixels, ``FINE`` points a side of each."""
    at = (np.arange(SIDE * FINE) + 0.5) / FINE - SIDE / 2.0
    return at[None, :], at[:, None]


def sampled(fine: Image, noise: float = 0.0, seed: int = 0) -> Image:
    """The mean of each pixel, with noise of both parts."""
    image = cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    random = np.random.default_rng(seed)
    real, imaginary = (random.normal(0.0, noise, image.shape) for _ in range(2))
    return np.asarray(np.hypot(image + real, imaginary), np.float64)


def bottle(
    radius: float = 100.0,
    centre: tuple[float, float] = (0.0, 0.0),
    shading: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> Image:
    """A round bottle of so many pixels; ``shading`` is by how much its edge is brighter, as a share."""
    x, y = points()
    away = np.hypot(x - centre[0], y - centre[1]) / radius
    return sampled(SIGNAL * (away <= 1.0) * (1.0 + shading * np.minimum(away, 1.0) ** 2), noise, seed)


def ramps(top: float, bottom: float, gap: float = 60.0, tilt_deg: float = 0.0, noise: float = 0.0) -> Image:
    """Nine rods, ``gap`` pixels apart, and two plates that take a fifth of the signal over these lengths."""
    x0, y0 = points()
    turn = np.radians(tilt_deg)
    x, y = x0 * np.cos(turn) + y0 * np.sin(turn), y0 * np.cos(turn) - x0 * np.sin(turn)
    fine = SIGNAL * (np.hypot(x, y) <= 95.0)
    for down, length in ((-gap / 2.0, top), (gap / 2.0, bottom)):
        fine = np.where((np.abs(x) <= length / 2.0) & (np.abs(y - down) <= 15.0), 0.8 * fine, fine)
    for right in (-gap, 0.0, gap):
        for down in (-gap, 0.0, gap):
            fine = np.where(np.hypot(x - right, y - down) <= 2.5, 0.0, fine)
    return sampled(cv2.GaussianBlur(fine, (0, 0), 0.6 * FINE), noise)


def square(blur: tuple[float, float], turn_deg: float = 10.0, noise: float = 0.0) -> Image:
    """A slanted dark square of 45 pixels; standard deviations of its blur across columns and rows, in pixels."""
    x, y = points()
    turn = np.radians(turn_deg)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    fine = SIGNAL * ((np.hypot(x, y) <= 95.0) & ~((np.abs(u) <= 22.5) & (np.abs(v) <= 22.5)))
    blurred = cv2.GaussianBlur(fine, (0, 0), sigmaX=blur[0] * FINE, sigmaY=blur[1] * FINE)
    return sampled(blurred, noise)


def plain_stack(image: Image, *, phase_columns: bool | None = True, spacing: float = 1.0) -> PhantomStack:
    """The image as a stack of one slice."""
    of = stack([image], spacing=spacing)
    return PhantomStack([replace(of.slices[0], phase_columns=phase_columns)], of.images, of.header)


def numbers(measure: PhantomMeasure, of: PhantomStack) -> dict[str, float | None]:
    """Values by name."""
    return {one.name: one.value for one in measure.take(of)}
