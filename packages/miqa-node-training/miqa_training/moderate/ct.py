"""Faults of CT: noise, contours, rings, streaks, a body that is cut off, and Hounsfield units."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from miqa_training.degrade.series.stack import AIR_HU, RealStack, SeriesFault, Values

NOISE_HU = 15.0
TEXTURE_MM = 1.3
"""The noise of a soft kernel is strongest at about 1 / (4 · this), .2 cycles per mm."""
CONTOUR_PX = 3
RING_HU = STREAK_HU = 20.0
RING_WIDTH_MM = 0.8
RAYS = 24
STRIPE_PX = 9.0
CUT_SHARE = 0.15
OFFSET_HU, SLICE_OFFSET_HU = 30.0, 100.0
BODY_HU = -300.0


def white_noise(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Independent in each pixel that was scanned."""
    return _added(stack, rng.normal(0.0, NOISE_HU, stack.values.shape).astype(np.float32))


def textured_noise(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """The spectrum of filtered back-projection: a ramp that a soft kernel bends down again."""
    rows, columns = stack.values.shape[1:]
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None]) / stack.spacing_mm
    response = np.sqrt(frequency) * np.exp(-((frequency * 2.0 * TEXTURE_MM) ** 2))
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=stack.values.shape)) * response, (rows, columns))
    return _added(stack, (noise * (NOISE_HU / noise.std())).astype(np.float32))


def doubled_contour(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """The patient moved sideways in the middle of the turn: two pictures, as strong as each other."""
    shift = CONTOUR_PX * int(rng.choice((-1, 1)))
    return stack.showing((stack.values + np.roll(stack.values, shift, 2)) / 2.0)


def near_ring(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """A ring of 30 mm around the middle of the picture."""
    return _ring(stack, 30.0, rng)


def far_ring(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """A ring of 60 mm."""
    return _ring(stack, 60.0, rng)


def rays(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Bright and dark sectors around a point of the inner body."""
    y, x = _grid(stack)
    down, right = rng.uniform(0.4, 0.6, 2) * stack.values.shape[1:]
    sectors = np.sign(np.sin(RAYS * np.arctan2(y - down, x - right)))
    return _added(stack, np.broadcast_to((STREAK_HU * sectors).astype(np.float32), stack.values.shape))


def stripes(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Parallel waves over the whole picture."""
    y, x = _grid(stack)
    angle = rng.uniform(0.0, np.pi)
    wave = np.sin((y * np.sin(angle) + x * np.cos(angle)) * 2.0 * np.pi / STRIPE_PX)
    return _added(stack, np.broadcast_to((STREAK_HU * wave).astype(np.float32), stack.values.shape))


def cut_off(stack: RealStack, rng: np.random.Generator) -> RealStack:  # noqa: ARG001 - a fault takes both
    """The patient lies so far to the side that a part of the width lies beyond the picture."""
    inside = np.flatnonzero((stack.values > BODY_HU).sum((0, 1)) > 5 * len(stack))
    if not len(inside):
        return stack
    cut = int(inside[0] + CUT_SHARE * (inside[-1] - inside[0]))
    values = np.full_like(stack.values, AIR_HU)
    values[:, :, : values.shape[2] - cut] = stack.values[:, :, cut:]
    return stack.showing(values)


def all_too_high(stack: RealStack, rng: np.random.Generator) -> RealStack:  # noqa: ARG001 - a fault takes both
    """A wrong Rescale Intercept in all slices."""
    return _intercept(stack, range(len(stack)), OFFSET_HU)


def all_too_low(stack: RealStack, rng: np.random.Generator) -> RealStack:  # noqa: ARG001 - a fault takes both
    """The same the other way."""
    return _intercept(stack, range(len(stack)), -OFFSET_HU)


def intercept_of_one(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """A wrong Rescale Intercept in one slice."""
    place = _third(stack, rng)
    return _intercept(stack, range(place, place + 1), SLICE_OFFSET_HU)


def values_of_one(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Stored values of one slice are too high; its header is as the others'."""
    place = _third(stack, rng)
    values = stack.values.copy()
    values[place] += SLICE_OFFSET_HU
    return stack.showing(values)


MAKERS: Mapping[str, tuple[SeriesFault, ...]] = {
    "white noise": (white_noise,),
    "textured noise": (textured_noise,),
    "doubled contour": (doubled_contour,),
    "ring": (near_ring, far_ring),
    "streaks": (rays, stripes),
    "truncation": (cut_off,),
    "HU of all": (all_too_high, all_too_low),
    "HU of a slice": (intercept_of_one, values_of_one),
}


def _added(stack: RealStack, added: Values) -> RealStack:
    """Where something was scanned: what equals a corner below air is padding."""
    corner = stack.values[:, :1, :1]
    scanned = (stack.values != corner) | (corner > AIR_HU)
    return stack.showing(np.where(scanned, stack.values + added, stack.values))


def _ring(stack: RealStack, radius_mm: float, rng: np.random.Generator) -> RealStack:
    y, x = _grid(stack)
    rows, columns = stack.values.shape[1:]
    away = np.hypot(y - (rows - 1) / 2.0, x - (columns - 1) / 2.0) * stack.spacing_mm
    ring = RING_HU * rng.choice((-1.0, 1.0)) * np.exp(-0.5 * ((away - radius_mm) / RING_WIDTH_MM) ** 2)
    return _added(stack, np.broadcast_to(ring.astype(np.float32), stack.values.shape))


def _grid(stack: RealStack) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = stack.values.shape[1:]
    return np.arange(rows, dtype=np.float64)[:, None], np.arange(columns, dtype=np.float64)[None]


def _third(stack: RealStack, rng: np.random.Generator) -> int:
    third = len(stack) // 3
    return int(rng.integers(third, len(stack) - third))


def _intercept(stack: RealStack, places: range, offset_hu: float) -> RealStack:
    values = stack.values.copy()
    values[places.start : places.stop] += np.float32(offset_hu)

    def change(place: int, header: Dataset) -> None:
        if place in places:
            header.RescaleIntercept = float(header.get("RescaleIntercept") or 0.0) + offset_hu

    return stack.showing(values).described(change)
