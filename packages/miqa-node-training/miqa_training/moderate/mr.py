"""Faults of MR: noise, ghosts, fold-over, spikes, zippers, motion within a volume, lines of raw data that are lost."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_training.degrade.series.stack import RealStack, SeriesFault, Values

GHOST_SHARE, WRAP_SHARE, SPIKE_SHARE, ZIPPER_SHARE = 0.05, 0.2, 0.05, 0.3
MOTION_PX, TURN_DEG = 3.0, 2.0
LINES_LOST = 8
BLOCK_PX = 8
AIR_PX, LEAST_AIR = 25, 0.3
"""Air begins half as many pixels beyond the patient; with fewer values that are not 0 it is blanked."""


def noise_doubled(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Complex white noise that doubles what air or even tissue show, whichever is more: scanners filter either."""
    deviation = max(_noise_of_air(stack.values), _noise_of_tissue(stack.values))
    real, imaginary = rng.normal(0.0, np.sqrt(3.0) * deviation, (2, *stack.values.shape))
    return stack.showing(np.hypot(stack.values + real, imaginary).astype(np.float32))


def ghost(stack: RealStack, rng: np.random.Generator) -> RealStack:  # noqa: ARG001 - a fault takes both
    """A copy, half the field further along the phase direction, is in the signal."""
    axis = _phase_axis(stack)
    copy = np.roll(stack.values, stack.values.shape[axis] // 2, axis)
    return stack.showing(stack.values + np.float32(GHOST_SHARE) * copy)


def wrap(stack: RealStack, rng: np.random.Generator) -> RealStack:  # noqa: ARG001 - a fault takes both
    """The patient is moved along the phase direction until a fifth of the body comes in at the other side."""
    axis = _phase_axis(stack)
    level = _level(stack.values)
    inside = np.flatnonzero((stack.values > level).any(tuple(one for one in range(3) if one != axis)))
    if not len(inside):
        return stack
    moved = int(inside[0] + WRAP_SHARE * (inside[-1] - inside[0]))
    return stack.showing(np.roll(stack.values, -moved, axis))


def spike(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """One wrong point in the raw data of one slice: waves over the whole slice."""
    third = len(stack) // 3
    place = int(rng.integers(third, len(stack) - third))
    values = stack.values.copy()
    raw = np.fft.fft2(values[place])
    rows, columns = raw.shape
    down, right = (round(rng.uniform(0.12, 0.35) * length) for length in (rows, columns))
    raw[down, right] += SPIKE_SHARE * np.abs(raw[0, 0]) * np.exp(2j * np.pi * rng.random())
    values[place] = np.abs(np.fft.ifft2(raw))
    return stack.showing(values)


def zipper(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """A line of interference along the phase direction, bright and dark in turn, beside the middle of all slices."""
    axis = _phase_axis(stack)
    strength = ZIPPER_SHARE * _tissue(stack.values)
    length, across = stack.values.shape[axis], stack.values.shape[3 - axis]
    line = int(across * rng.uniform(0.35, 0.45))
    dashes = np.where(np.arange(length) % 2 == 0, strength, -strength).astype(np.float32)
    values = stack.values.copy()
    if axis == 1:
        values[:, :, line] = np.abs(values[:, :, line] + dashes)
    else:
        values[:, line, :] = np.abs(values[:, line, :] + dashes)
    return stack.showing(values)


def moved_within(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Half of the lines along the phase direction are of a head that was turned by 2° and moved by 3 pixels."""
    axis = _phase_axis(stack)
    angle = rng.uniform(0.0, 2.0 * np.pi)
    rows, columns = stack.values.shape[1:]
    turn = cv2.getRotationMatrix2D((columns / 2.0, rows / 2.0), TURN_DEG * float(rng.choice((-1, 1))), 1.0)
    turn[:, 2] = turn[:, 2] + MOTION_PX * np.array([np.cos(angle), np.sin(angle)])
    later = _lines_later(stack.values.shape[axis])
    later = later[:, None] if axis == 1 else later[None]
    values = np.empty_like(stack.values)
    for place, before in enumerate(stack.values):
        after = cv2.warpAffine(before, turn, (columns, rows), flags=cv2.INTER_CUBIC)
        values[place] = np.abs(np.fft.ifft2(np.where(later, np.fft.fft2(after), np.fft.fft2(before))))
    return stack.showing(values)


def lines_apart(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Eight lines of raw data here and there are zero, in all slices."""
    length = stack.values.shape[_phase_axis(stack)]
    lines = np.r_[4 : length // 4, length - length // 4 : length - 4]
    return _without_lines(stack, rng.choice(lines, LINES_LOST, replace=False))


def lines_together(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """The same next to each other."""
    length = stack.values.shape[_phase_axis(stack)]
    first = int(rng.integers(8, max(9, length // 6)))
    return _without_lines(stack, np.arange(first, first + LINES_LOST))


MAKERS: Mapping[str, tuple[SeriesFault, ...]] = {
    "noise": (noise_doubled,),
    "ghost": (ghost,),
    "wrap": (wrap,),
    "spike": (spike,),
    "zipper": (zipper,),
    "motion": (moved_within,),
    "lost raw lines": (lines_apart, lines_together),
}


def _phase_axis(stack: RealStack) -> int:
    """1 if the phase direction goes down the columns, as where the header does not say it, 2 if along the rows."""
    return 2 if stack.headers[0].get("InPlanePhaseEncodingDirection") == "ROW" else 1


def _level(values: Values) -> float:
    """Between air and the patient."""
    return 0.2 * float(np.quantile(values, 0.98))


def _tissue(values: Values) -> float:
    inside = values[values > _level(values)]
    return float(np.median(inside)) if inside.size else 0.0


def _noise_of_air(values: Values) -> float:
    """That of a Rayleigh distribution with the median of air; 0 where air is blanked."""
    near = (values > _level(values)).astype(np.uint8)
    margin = np.ones((AIR_PX, AIR_PX), np.uint8)
    air = np.concatenate([image[cv2.dilate(one, margin) == 0] for image, one in zip(values, near, strict=True)])
    if np.count_nonzero(air) < LEAST_AIR * max(air.size, 1):
        return 0.0
    return float(np.median(air[air > 0.0]) / np.sqrt(2.0 * np.log(2.0)))


def _noise_of_tissue(values: Values) -> float:
    """Of the most even tenth of the blocks of the patient, by differences along both axes."""
    steps = np.diff(np.diff(values, axis=1), axis=2) / 2.0
    rows, columns = (side // BLOCK_PX * BLOCK_PX for side in steps.shape[1:])
    parts = (len(values), rows // BLOCK_PX, BLOCK_PX, columns // BLOCK_PX, BLOCK_PX)
    squares = (steps[:, :rows, :columns] ** 2).reshape(parts).mean((2, 4))
    whole = (values[:, :rows, :columns] > _level(values)).reshape(parts).all((2, 4))
    return float(np.sqrt(np.percentile(squares[whole], 10.0))) if whole.any() else 0.0


def _lines_later(length: int) -> NDArray[np.bool_]:
    """The lines of one half of the raw data but its innermost eighth, in the order of ``fft``."""
    number = np.fft.fftfreq(length) * length
    return np.asarray(number > length / 16.0)


def _without_lines(stack: RealStack, lines: NDArray[np.int_]) -> RealStack:
    axis = _phase_axis(stack)
    raw = np.fft.fft(stack.values, axis=axis)
    if axis == 1:
        raw[:, lines] = 0.0
    else:
        raw[:, :, lines] = 0.0
    return stack.showing(np.abs(np.fft.ifft(raw, axis=axis)).astype(np.float32))
