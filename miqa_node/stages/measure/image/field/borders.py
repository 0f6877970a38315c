"""Finds the straight borders of the exposed field in a small copy of a radiograph: collimation, or the plate's edge.

A border is a line near a side of the picture, along which the picture brightens or darkens in one direction, with
nothing but an even area behind it. The lines of one picture stand at right angles, since leaves of a collimator do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

MOST_TILT_DEG = 10
DEEPEST = 0.45
"""No border is looked for further inside, as a share of the picture's side."""
LEAST_STEP = 0.02
"""Of the contrast of the picture, and at least LEAST_LEVELS: a smaller step is no edge."""
LEAST_LEVELS = 1.5
LEAST_VOTES = 0.35
"""Share of a whole side along which an edge must be seen to be tried: four deep borders cut one another short."""
LEAST_COVER = 0.85
"""Share of a border between its neighbours along which it must be seen: skin beside a straight bone reaches .82."""
LEAST_EVEN = 0.85
"""Share of the area behind a border that has one level; letters and a helper's hand are the rest."""
EVEN_LEVELS, EVEN_STEP = 3.0, 0.15
"""That level, give or take: in levels of 255, and as a share of the contrast of the picture."""
BLUR_PX = 2
"""So close to a border the area behind it is half-shade."""
LEAST_LENGTH = 0.6
"""Share of a border that counts at least, where a corner of the picture cuts it short."""
EVERY = 3
"""The angle is looked for in each third row and column, and the level of an area is that of each third row."""
TRIES = 6
"""Lines that are tried for each side."""
REACH_PX, SAME_VOTES = 3, 0.02
"""An edge is seen on neighbouring lines: those with as many votes within this reach are one."""
NARROWEST_PX = 16
"""A picture that is narrower shows no border: nothing is left between BLUR_PX and DEEPEST."""
SIDES = ("left", "right", "top", "bottom")
Levels = NDArray[np.float32]
Edges = NDArray[np.int16]


class FieldBorders(NamedTuple):
    """Distance of each border that was found from its side of the picture, in pixels in the middle of that side.

    ``px`` has the sides (``left``, ``right``, ``top``, ``bottom``) that have one. ``tilt_deg`` is how far they are
    turned clockwise.
    """

    px: Mapping[str, float]
    tilt_deg: float

    def inside(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Which pixels of the picture lie in the field."""
        field = np.ones(shape, bool)
        for side, border in self.px.items():
            field &= depth(shape, side, self.tilt_deg) >= border
        return field


def field_borders(picture: Levels) -> FieldBorders:
    """The borders in a picture of at most some hundred pixels a side, in levels of 255.

    >>> picture = np.zeros((100, 100), np.float32)
    >>> picture[:, 20:] = np.random.default_rng(0).uniform(50, 250, (100, 80))
    >>> field_borders(picture)
    FieldBorders(px={'left': 20.0}, tilt_deg=0.0)
    """
    if min(picture.shape) < NARROWEST_PX:
        return FieldBorders({}, 0.0)
    contrast = float(np.subtract(*np.percentile(picture[::EVERY, ::EVERY], (98, 2))))
    step = max(LEAST_LEVELS, LEAST_STEP * contrast)
    across, down = _edges(picture, step), _edges(np.ascontiguousarray(picture.T), step)
    tilt_deg = _tilt(across, down)
    lines = _lines(_sheared(across, -tilt_deg), _sheared(down, tilt_deg))
    level = max(EVEN_LEVELS, EVEN_STEP * contrast)
    borders = {side: _border(picture, side, tilt_deg, edges, level) for side, edges in lines.items()}
    return FieldBorders(_whole({side: px for side, px in borders.items() if px}, lines), tilt_deg)


def depth(shape: tuple[int, int], side: str, tilt_deg: float) -> NDArray[np.float32]:
    """Distance of each pixel's centre from a side of the picture in pixels, as if that side were tilted clockwise.

    >>> depth((1, 3), "left", 0.0), depth((1, 3), "right", 0.0)
    (array([[0.5, 1.5, 2.5]], dtype=float32), array([[2.5, 1.5, 0.5]], dtype=float32))
    """
    rows, columns = shape
    slope = np.float32(np.tan(np.radians(tilt_deg)))
    y, x = (np.arange(count, dtype=np.float32) + np.float32(0.5) for count in shape)
    if side in ("left", "right"):
        inwards = x[None] + slope * (y - np.float32(rows / 2))[:, None]
        return inwards if side == "left" else columns - inwards
    inwards = y[:, None] - slope * (x - np.float32(columns / 2))[None]
    return inwards if side == "top" else rows - inwards


def _edges(picture: Levels, step: float) -> Edges:
    """1 where the picture brightens most from left to right, -1 where it darkens, else 0; three pixels wide.

    Shape (rows, columns, 2); the second number is 1 everywhere, so that pixels from outside of the picture are known.
    """
    rise = cv2.sepFilter2D(
        picture, cv2.CV_32F, np.array([-0.5, -0.5, 0, 0.5, 0.5]), np.full(3, 1 / 3), borderType=cv2.BORDER_REPLICATE
    )
    size = np.abs(rise)
    steepest = (size >= cv2.dilate(size, np.ones((1, 5), np.uint8))) & (size >= step)
    brighter, darker = (
        cv2.dilate((steepest & way).astype(np.uint8), np.ones((1, 3), np.uint8)).astype(np.int16)
        for way in (rise > 0, rise < 0)
    )
    return np.dstack((brighter - darker, np.ones_like(brighter)))


def _sheared(edges: Edges, degrees: float, every: int = 1) -> Edges:
    """Edges so that a line which runs to the right by this angle on its way down becomes a column; of each nth row."""
    rows, columns = edges.shape[:2]
    slope = float(np.tan(np.radians(degrees)))
    part = edges[::every]
    shear = np.array([[1, slope * every, -slope * (rows - 1) / 2], [0, 1, 0]], np.float32)
    columns_now = cv2.warpAffine(part, shear, (columns, len(part)), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return np.asarray(columns_now, np.int16)


def _lines(across: Edges, down: Edges) -> dict[str, Edges]:
    """Edges for each side: first the way inwards, then along the side."""
    columns, rows = across.transpose(1, 0, 2), down.transpose(1, 0, 2)
    return {"left": columns, "right": columns[::-1], "top": rows, "bottom": rows[::-1]}


def _votes(edges: Edges) -> NDArray[np.float32]:
    """Share of each column, as far as it lies in the picture, along which the picture changes in one direction."""
    sums = cv2.reduce(edges, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32F)[0]
    return np.asarray(np.abs(sums[:, 0]) / np.maximum(sums[:, 1], LEAST_LENGTH * len(edges)), np.float32)


def _tilt(across: Edges, down: Edges) -> float:
    """The angle at which lines near the four sides are seen best, the smaller of equals."""

    def score(degrees: float) -> float:
        total = 0.0
        for votes in (_votes(_sheared(across, -degrees, EVERY)), _votes(_sheared(down, degrees, EVERY))):
            reach = int(DEEPEST * len(votes))
            ends = votes[BLUR_PX:reach], votes[-reach:-BLUR_PX]
            total += sum(max(0.0, float(end.max()) - LEAST_VOTES) for end in ends)
        return total

    best = float(max(sorted(range(-MOST_TILT_DEG, MOST_TILT_DEG + 1, 2), key=abs), key=score))
    for step in (1.0, 0.5):
        best = max((best, best - step, best + step), key=score)
    return best


def _border(picture: Levels, side: str, tilt_deg: float, edges: Edges, level: float) -> float:
    """The best line with an even area behind it, in pixels from the side; 0 if there is none."""
    votes = _votes(np.ascontiguousarray(edges.transpose(1, 0, 2)))
    votes[:BLUR_PX] = votes[int(DEEPEST * len(votes)) :] = 0.0
    inwards, sample = depth(picture.shape, side, tilt_deg)[::EVERY], picture[::EVERY]
    for _ in range(TRIES):
        best = int(votes.argmax())
        if votes[best] < LEAST_VOTES:
            break
        near = slice(max(0, best - REACH_PX), best + REACH_PX + 1)
        px = float(np.flatnonzero(votes[near] > votes[best] - SAME_VOTES).mean()) + near.start + 0.5
        if _is_even(sample[inwards < px - BLUR_PX], level):
            return px
        votes[near] = 0.0
    return 0.0


def _is_even(behind: Levels, level: float) -> bool:
    return bool(behind.size) and float(np.mean(np.abs(behind - np.median(behind)) <= level)) >= LEAST_EVEN


def _whole(borders: dict[str, float], lines: Mapping[str, Edges]) -> dict[str, float]:
    """The borders that are seen along nearly all of their length, which ends where the others are."""
    while borders:
        covers = {side: _cover(borders, side, lines[side]) for side in borders}
        worst = min(covers, key=covers.__getitem__)
        if covers[worst] >= LEAST_COVER:
            break
        del borders[worst]
    return borders


def _cover(borders: Mapping[str, float], side: str, edges: Edges) -> float:
    first, last = ("top", "bottom") if side in ("left", "right") else ("left", "right")
    length = edges.shape[1]
    line = edges[int(borders[side]), round(borders.get(first, 0.0)) : length - round(borders.get(last, 0.0))]
    change, inside = line.sum(axis=0, dtype=np.int64)
    return abs(float(change)) / max(float(inside), LEAST_LENGTH * len(line), 1.0)
