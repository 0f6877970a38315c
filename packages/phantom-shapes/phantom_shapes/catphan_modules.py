"""The modules of a Catphan 504, 600 or 604: each is known by its own look; its distance from CTP404 only confirms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

from .arrays import Array, Values
from .catphan import ANGLES, Sensitometry, find_sensitometry
from .disc import Disc
from .sampling import smooth
from .uniform import MOST_RING_HU, TO_SIGMA

LINE_PAIRS_RADIUS_MM = 47.0
"""Of the ring of line pairs from the centre."""
PLAIN_RADIUS_MM = 60.0
"""Beside the ring, where the module of the line pairs has nothing."""
WIDTH_MM = np.linspace(-1.0, 1.0, 5)
TREND_DEG = 15.0
LEAST_BARS_HU, LEAST_BARS_RATIO = 25.0, 4.0
"""Line pairs vary so much along their ring, and so many times as much as the ring beside them."""
EVEN_RADII_MM = np.arange(10.0, 66.0, 2.0)
EVEN_DEG = 12
"""Means over so many degrees are compared with those of the whole ring."""
MOST_UNEVEN_HU, MOST_UNEVEN_SIGMA = 30.0, 6.0
MOST_LEVEL_HU = 300.0
NEAR_MM = 6.0
"""A module is so near to the place where its phantom has it."""
UPSIDE_DOWN_DEG = 90.0


class Model(Enum):
    """Where a Catphan has its modules: line pairs, low contrast and uniform, mm from CTP404."""

    CATPHAN_504 = (30.0, -30.0, -65.0)
    CATPHAN_600 = (70.0, 110.0, 160.0)
    CATPHAN_604 = (40.0, -40.0, -80.0)

    @property
    def line_pairs_mm(self) -> float:
        """CTP528."""
        return self.value[0]

    @property
    def low_contrast_mm(self) -> float:
        """CTP515."""
        return self.value[1]

    @property
    def uniform_mm(self) -> float:
        """CTP486."""
        return self.value[2]


@dataclass(frozen=True, slots=True)
class Catphan:
    """A Catphan in a stack."""

    sensitometry: Sensitometry
    model: Model
    direction: int
    """1 if the modules with positive distances come after CTP404, -1 if before; 0 if nothing tells it."""

    @property
    def roll_deg(self) -> float:
        """How far it is turned clockwise; the inserts of a Catphan 600 are upside down."""
        upright = 180.0 if self.model is Model.CATPHAN_600 else 0.0
        return (self.sensitometry.pose.roll_deg - upright + 180.0) % 360.0 - 180.0


class Sides(NamedTuple):
    """The stack by distance from CTP404."""

    images: Sequence[Values]
    at_mm: Sequence[float]
    disc: Disc

    def nearest(self, target_mm: float) -> Values | None:
        """None if the stack has no slice there."""
        place = min(range(len(self.at_mm)), key=lambda one: abs(self.at_mm[one] - target_mm))
        return self.images[place] if abs(self.at_mm[place] - target_mm) <= NEAR_MM else None


def find_catphan(
    images: Sequence[Values], places_mm: Sequence[float] | None, spacing: tuple[float, float]
) -> Catphan | None:
    """The Catphan in a stack in spatial order, in either direction; None if no slice shows module CTP404."""
    middle = None if places_mm is None else find_sensitometry(images, places_mm, spacing)
    if middle is None or places_mm is None:
        return None
    sides = Sides(images, [one - middle.middle_mm for one in places_mm], middle.disc)
    pairs = _line_pairs_mm(sides)
    if pairs is not None:
        models = [one for one in Model if abs(abs(pairs) - one.line_pairs_mm) <= NEAR_MM]
        if models:
            return Catphan(middle, _model(models, middle), 1 if pairs > 0 else -1)
        return Catphan(middle, _model(list(Model), middle), 0)
    model = _model(list(Model), middle)
    return Catphan(middle, model, _direction(sides, model))


def _model(models: Sequence[Model], middle: Sensitometry) -> Model:
    """The one of them that CTP404 looks like: with bone it is a 604, upside down a 600."""
    upside_down = abs(middle.pose.roll_deg) > UPSIDE_DOWN_DEG
    looks = Model.CATPHAN_604 if middle.has_bone else Model.CATPHAN_600 if upside_down else Model.CATPHAN_504
    return looks if looks in models else models[0]


def _line_pairs_mm(sides: Sides) -> float | None:
    """Where the line pairs are; None if no slice shows any."""
    strengths = [(bars_hu(image, sides.disc), at) for image, at in zip(sides.images, sides.at_mm, strict=True)]
    strength, at = max(strengths, default=(0.0, 0.0))
    return at if strength > 0.0 else None


def bars_hu(
    image: Values, disc: Disc, ring_mm: float = LINE_PAIRS_RADIUS_MM, plain_mm: float = PLAIN_RADIUS_MM
) -> float:
    """How much the ring of the line pairs varies along itself; 0 if it does not look like line pairs."""
    ring, plain = (_variation(image, disc, radius) for radius in (ring_mm, plain_mm))
    return ring if ring >= max(LEAST_BARS_HU, LEAST_BARS_RATIO * plain) else 0.0


def _variation(image: Values, disc: Disc, radius_mm: float) -> float:
    ring = disc.polar(image, radius_mm + WIDTH_MM, ANGLES).mean(axis=0)
    return float((ring - smooth(ring, TREND_DEG, closed=True)).std())


def is_even(image: Values, disc: Disc) -> bool:
    """Whether the inside has no insert and no bars: module CTP486, and CTP515 but for one percent of contrast."""
    polar = disc.polar(image, EVEN_RADII_MM, ANGLES)
    level = float(np.median(polar))
    cells: Array = polar.reshape(len(EVEN_RADII_MM) // 4, 4, -1, EVEN_DEG).mean(axis=(1, 3))
    rings = np.median(cells, axis=1, keepdims=True)
    off = np.abs(cells - rings)
    noise = TO_SIGMA * float(np.median(off))
    is_flat = abs(level) <= MOST_LEVEL_HU and float(np.ptp(rings)) <= MOST_RING_HU
    return is_flat and float(off.max()) <= max(MOST_UNEVEN_HU, MOST_UNEVEN_SIGMA * noise)


def _direction(sides: Sides, model: Model) -> int:
    """Without line pairs: the side where all that the stack shows looks as the model has it, if it is one side."""
    counts = {}
    for side in (1, -1):
        if sides.nearest(side * model.line_pairs_mm) is not None:
            continue  # here the line pairs would be seen
        others = (sides.nearest(side * one) for one in (model.low_contrast_mm, model.uniform_mm))
        counts[side] = sum(one is not None and is_even(one, sides.disc) for one in others)
    best = [side for side, count in counts.items() if count and count == max(counts.values())]
    return best[0] if len(best) == 1 else 0
