"""Slice thickness of a Catphan, by the four wires of module CTP404 that lie at 23 degrees to the slice.

A wire moves along itself from slice to slice, by what their positions say. Moved back by so much the slices are
averaged: the mean has the wire's length on one slice, whatever lies between them, and less noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.libraries.phantom_shapes.arrays import Array, Values
from miqa_node.libraries.phantom_shapes.sampling import between_pixels, smooth
from miqa_phantoms.modules import Module

WIRES_DEG = (180.0, 90.0, 0.0, -90.0)
WIRES_MM = 38.0
"""From the centre."""
WIRE_TAN = float(np.tan(np.radians(23.0)))
HALF_LENGTH_MM, HALF_WIDTH_MM = 16.0, 5.0
ENDS_MM = 3.0
"""At both ends of a profile, for what is around the wire."""
STEP_MM = 0.2
SMOOTH_MM = 0.25
ROW_MM = 0.7
"""Beside the middle of the wire, what is averaged along it."""
USED_MM = 5.0
"""Slices so far from the middle of the module."""
LEAST_HU, LEAST_SIGMA = 20.0, 4.0
LEAST_WIRES = 2
LEAST_LONGER = 1.15
"""A wire is so many times as long as wide, else its own blur is what was measured."""
OTHER_STEPS = (0.0, 0.25, 0.5, 0.75, 1.33, 2.0, 4.0)
MOST_LONGER, LEAST_HEIGHT, MOST_HIGHER = 1.15, 0.95, 1.25
"""Moved back by other steps, wires as bright are shorter by no more, and none is so much brighter."""
NO_WIRES = Phrase("The wires of module CTP404 do not stand out from what is around them.")
TOO_THIN = Phrase(
    "The wires of module CTP404 are hardly longer than wide: the image is too blurred for slices so thin."
)
OTHER_PLACES = Phrase("The wires of module CTP404 do not move from slice to slice as the positions in the header say.")
ALONG = np.arange(-HALF_LENGTH_MM, HALF_LENGTH_MM + STEP_MM / 2.0, STEP_MM)
ACROSS = np.arange(-HALF_WIDTH_MM, HALF_WIDTH_MM + STEP_MM / 2.0, STEP_MM)


def thickness_mm(module: Module, slices: Sequence[tuple[float, Values]]) -> float | Phrase:
    """Of slices with their distances from the middle of the module, or the reason why it is not measured."""
    near = [(at, image) for at, image in slices if abs(at) <= USED_MM]
    wires = _wires(module, near, 1.0)
    if wires is None:
        return NO_WIRES
    if len(near) > 2 and any(_is_better(_wires(module, near, one), wires) for one in OTHER_STEPS):
        return OTHER_PLACES
    # The image is blurred along a wire as across it; profiles of slices are bells rather than boxes.
    is_long = wires.length >= LEAST_LONGER * wires.width
    return WIRE_TAN * float(np.sqrt(wires.length**2 - wires.width**2)) if is_long else TOO_THIN


class Wires(NamedTuple):
    """Of the wires that stand out, the means."""

    length: float
    width: float
    height: float


def _wires(module: Module, slices: Sequence[tuple[float, Values]], step: float) -> Wires | None:
    """Moved back by so many times what the positions say; None if too few stand out."""
    sizes = [_size(module, slices, angle, step) for angle in WIRES_DEG]
    wires = [one for one in sizes if one is not None]
    return Wires(*np.mean(wires, axis=0)) if len(wires) >= LEAST_WIRES else None


def _is_better(other: Wires | None, wires: Wires) -> bool:
    """Whether other steps bring the slices together better: into wires that are shorter, or brighter."""
    if other is None:
        return False
    is_shorter = other.height > LEAST_HEIGHT * wires.height and MOST_LONGER * other.length < wires.length
    return is_shorter or other.height > MOST_HIGHER * wires.height


def _size(module: Module, slices: Sequence[tuple[float, Values]], angle_deg: float, step: float) -> Wires | None:
    """Of one wire, in mm; which way it rises is what makes the mean of the slices brighter."""
    means = [_moved_back(module, slices, angle_deg, rise * step / WIRE_TAN) for rise in (1.0, -1.0)]
    mean = max(means, key=lambda one: float(one.max()))
    soft = smooth(smooth(mean, SMOOTH_MM / STEP_MM).T, SMOOTH_MM / STEP_MM).T
    row, _ = np.unravel_index(int(soft.argmax()), soft.shape)
    beside = round(ROW_MM / STEP_MM)
    along = soft[max(0, row - beside) : row + beside + 1].mean(axis=0)
    ends = _full_width(along)
    if ends is None:
        return None
    first, last = ends
    middle, quarter = (first + last) / 2.0, max(1.0, (last - first) / 4.0)
    across = _full_width(soft[:, round(middle - quarter) : round(middle + quarter) + 1].mean(axis=1))
    height = float(along.max() - np.median(along))
    return None if across is None else Wires((last - first) * STEP_MM, (across[1] - across[0]) * STEP_MM, height)


def _moved_back(module: Module, slices: Sequence[tuple[float, Values]], angle_deg: float, mm_per_mm: float) -> Array:
    """Mean of the slices around a wire: across by along."""
    parts = []
    for at, image in slices:
        along, away = ALONG[None, :] + mm_per_mm * at, WIRES_MM + ACROSS[:, None]
        angles = np.radians(angle_deg) + np.arctan2(along, away)
        rows, columns = module.disc.points(module.pose.angles(angles), np.hypot(along, away))
        parts.append(between_pixels(image, rows, columns))
    return np.asarray(np.mean(parts, axis=0), np.float64)


def _full_width(profile: Array) -> tuple[float, float] | None:
    """Where the profile crosses half of its height on both sides of its top; None if it does not stand out."""
    count = round(ENDS_MM / STEP_MM)
    ground = np.linspace(profile[:count].mean(), profile[-count:].mean(), len(profile))
    height = profile - ground
    top = int(height.argmax())
    noise = float(np.r_[height[:count], height[-count:]].std())
    if height[top] < max(LEAST_HU, LEAST_SIGMA * noise):
        return None
    ends = _crossings(height, top, height[top] / 2.0)
    if ends is None:
        return None
    # The highest point is partly noise: the level is what the middle half has.
    quarter = (ends[1] - ends[0]) / 4.0
    middle = (ends[0] + ends[1]) / 2.0
    level = float(height[round(middle - quarter) : round(middle + quarter) + 1].mean())
    return _crossings(height, top, level / 2.0) if quarter * STEP_MM > SMOOTH_MM else ends


def _crossings(height: Array, top: int, half: float) -> tuple[float, float] | None:
    below = height < half
    left, right = np.flatnonzero(below[:top]), np.flatnonzero(below[top:])
    if not len(left) or not len(right):
        return None
    first, last = int(left[-1]), top + int(right[0])
    start = first + (half - height[first]) / max(float(height[first + 1] - height[first]), 1e-9)
    end = last - (half - height[last]) / max(float(height[last - 1] - height[last]), 1e-9)
    return float(start), float(end)
