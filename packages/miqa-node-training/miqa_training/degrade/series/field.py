"""A body that the field of view cuts off."""

from __future__ import annotations

import numpy as np

from miqa_training.degrade.series.stack import AIR_HU, RealStack

BODY_HU = -300.0
CUT_SHARE = (0.10, 0.50)
"""Share of the body's width that is cut off."""


def off_centre(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """The patient lay beside the centre: the body leaves the field at one side, and air follows from the other."""
    axis, side = int(rng.integers(1, 3)), int(rng.choice((-1, 1)))
    first, last = _extent(stack, axis)
    length = stack.values.shape[axis]
    room = length - 1 - last if side > 0 else first
    shift = room + round(float(rng.uniform(*CUT_SHARE)) * (last - first))
    values = np.roll(stack.values, side * shift, axis=axis)
    filled = [slice(None)] * 3
    filled[axis] = slice(0, shift) if side > 0 else slice(length - shift, length)
    values[tuple(filled)] = AIR_HU
    return stack.showing(values)


def small_field(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """A circle smaller than the body was reconstructed; what lies outside is padding."""
    (top, bottom), (left, right) = _extent(stack, 1), _extent(stack, 2)
    cut = float(rng.uniform(*CUT_SHARE))
    radius = (1.0 - cut) * max(bottom - top, right - left) / 2.0
    rows, columns = np.ogrid[: stack.values.shape[1], : stack.values.shape[2]]
    outside = np.hypot(rows - (top + bottom) / 2.0, columns - (left + right) / 2.0) > radius
    values = stack.values.copy()
    values[:, outside] = AIR_HU - 24.0
    return stack.showing(values)


def _extent(stack: RealStack, axis: int) -> tuple[int, int]:
    other = tuple(one for one in range(3) if one != axis)
    share = (stack.values > BODY_HU).mean(axis=other)
    inside = np.flatnonzero(share > 0.05 * share.max())
    return int(inside[0]), int(inside[-1])
