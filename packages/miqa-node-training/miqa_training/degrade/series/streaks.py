"""Streaks through the body: rays from a dense object, and views that were lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from miqa_training.degrade.series.stack import AIR_HU, RealStack

RAYS_HU = (60.0, 150.0)
VIEW_HU = (30.0, 70.0)
BODY_HU = -300.0


def rays(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Dark and bright wedges around a point of the body, weaker with distance, on a third of the slices or more."""
    places = _places(stack, rng)
    rows, columns = np.nonzero(stack.values[places[0]] > BODY_HU)
    pick = int(rng.integers(rows.size))
    y, x = np.ogrid[: stack.values.shape[1], : stack.values.shape[2]]
    away, angle = np.hypot(y - rows[pick], x - columns[pick]), np.arctan2(y - rows[pick], x - columns[pick])
    count, phase = int(rng.integers(5, 14)), rng.uniform(0, 2 * np.pi)
    fan = np.sign(np.sin(count * angle + phase)) * np.abs(np.sin(count * angle + phase)) ** 0.5
    added = rng.uniform(*RAYS_HU) * fan * np.exp(-away * stack.spacing_mm / 150.0)
    return _added(stack, places, added.astype(np.float32))


def lost_views(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Some views are starved of photons: parallel lines of random strength in a few directions across the field."""
    places = _places(stack, rng)
    side = max(stack.values.shape[1:])
    y, x = np.mgrid[: stack.values.shape[1], : stack.values.shape[2]] - (side - 1) / 2
    added = np.zeros(stack.values.shape[1:])
    main = rng.uniform(0, np.pi)
    offsets = np.arange(-side, side)
    for _ in range(6):
        angle = main + rng.normal(0.0, 0.05)
        line = np.convolve(rng.normal(size=offsets.size), [-0.2, -0.3, 1.0, -0.3, -0.2], "same")
        added += np.interp(x * np.cos(angle) + y * np.sin(angle), offsets, line)
    added *= rng.uniform(*VIEW_HU) / added.std()
    return _added(stack, places, added.astype(np.float32))


def _places(stack: RealStack, rng: np.random.Generator) -> NDArray[np.intp]:
    count = max(1, round(len(stack) * rng.uniform(0.34, 1.0)))
    first = int(rng.integers(len(stack) - count + 1))
    return np.arange(first, first + count)


def _added(stack: RealStack, places: NDArray[np.intp], added: NDArray[np.float32]) -> RealStack:
    values = stack.values.copy()
    values[places] += np.where(values[places] > AIR_HU - 1.0, added, 0.0)
    return stack.showing(values)
