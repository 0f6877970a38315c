"""Draws the ACR CT phantom (Gammex 464): four modules of 40 mm; lengths in mm, module 1 at 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.features.phantoms.stack import PhantomStack
from tests.packages.phantoms.drawing import Image, stack

INSERTS = {
    "Air": (45, -1000),
    "Polyethylene": (-135, -95),
    "Acrylic": (135, 120),
    "Bone": (-45, 955),
    "Water": (180, 3),
}
PATTERNS = {4: -135, 5: 180, 6: 135, 7: 90, 8: 45, 9: 0, 10: -45, 12: -90}
ROD_HU, BARS_HU = 6.0, 1200.0
WIRE_APART, ROWS = 2.0, (-18.0, 18.0)
FINE = 3


@dataclass(frozen=True)
class DrawnAcrCt:
    """What is drawn."""

    thickness: float = 5.0
    increment: float = 5.0
    roll_deg: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)
    field: float = 220.0
    side: int = 384
    noise: float = 4.0
    blur: float = 0.4
    """Standard deviation of the image's blur."""
    cupping: float = 3.0
    """How much lower the middle of a slice is than its edge."""
    start: float = -20.0
    end: float = 140.0

    @property
    def spacing(self) -> float:
        """Of pixels."""
        return self.field / self.side

    def images(self) -> list[tuple[float, Image]]:
        """Places and slices."""
        random = np.random.default_rng(3)
        places = np.arange(self.start, self.end + 0.01, self.increment)
        return [(float(at), self._seen(self._fine(float(at)), random)) for at in places]

    def stack(self, *, without: int = 0) -> PhantomStack:
        """As measures read it; ``without`` the slices of a module."""
        pairs = [one for one in self.images() if number_at(one[0]) != without]
        drawn = stack([image for _, image in pairs], "CT", gap=self.increment, spacing=self.spacing)
        slices = [
            replace(one, position_mm=(0.0, 0.0, at), thickness_mm=self.thickness)
            for one, (at, _) in zip(drawn.slices, pairs, strict=True)
        ]
        return PhantomStack(slices, drawn.images, drawn.header)

    def _fine(self, at: float) -> Image:
        number = number_at(at)
        return _with_wires(self, at) if number == 1 else _module(self, number)

    def _seen(self, fine: Image, random: np.random.Generator) -> Image:
        small = cv2.resize(fine, (self.side, self.side), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), self.blur / self.spacing)
        return np.asarray(small + random.normal(0.0, self.noise, small.shape), np.float64)


def number_at(at: float) -> int:
    """The module at a distance from the middle of module 1."""
    return int(np.clip((at + 20.0) // 40.0, 0, 3)) + 1


@lru_cache(maxsize=3)
def _points(drawn: DrawnAcrCt) -> tuple[Image, Image]:
    fine = (np.arange(drawn.side * FINE) + 0.5) / FINE - 0.5
    at = (fine - (drawn.side - 1) / 2.0) * drawn.spacing
    x0, y0 = at[None, :] - drawn.centre[0], at[:, None] - drawn.centre[1]
    turn = np.radians(drawn.roll_deg)
    return x0 * np.cos(turn) + y0 * np.sin(turn), y0 * np.cos(turn) - x0 * np.sin(turn)


@lru_cache(maxsize=12)
def _module(drawn: DrawnAcrCt, number: int) -> Image:
    x, y = _points(drawn)
    away = np.hypot(x, y)
    image = np.where(away < 100.0, drawn.cupping * (away / 66.0) ** 2, -1000.0)
    if number == 1:
        for angle, value in INSERTS.values():
            image = np.where(_from(x, y, angle, 63.0) < 12.5, float(value), image)
    elif number == 2:
        image = np.where(_from(x, y, -90, 60.0) < 12.5, image + ROD_HU, image)
        for place, radius in enumerate((3.0, 2.5, 2.0, 1.5, 1.0)):
            image = np.where(_from(x, y, -30 + 40 * place, 60.0) < radius, image + ROD_HU, image)
    elif number == 3:
        image = np.where((_from(x, y, -45, 20.0) < 0.4) | (_from(x, y, 135, 80.0) < 0.4), 300.0, image)
    else:
        for pairs, angle in PATTERNS.items():
            right, down = x - 70.0 * np.cos(np.radians(angle)), y - 70.0 * np.sin(np.radians(angle))
            square = (np.abs(right) < 7.5) & (np.abs(down) < 7.5)
            image = np.where(square & (np.mod((right + 7.5) * pairs / 10.0, 1.0) < 0.5), BARS_HU, image)
    return image


def _from(x: Image, y: Image, angle: float, distance: float) -> Image:
    return np.asarray(np.hypot(x - distance * np.cos(np.radians(angle)), y - distance * np.sin(np.radians(angle))))


def _with_wires(drawn: DrawnAcrCt, at: float) -> Image:
    """Two ramps that rise against each other, a wire for each half of a millimetre along the axis."""
    x, y = _points(drawn)
    image = _module(drawn, 1).copy()
    numbers: NDArray[np.float64] = np.arange(-38.0, 39.0) + 0.5
    for row, rise in zip(ROWS, (1.0, -1.0), strict=True):
        for number in numbers[np.abs(numbers * 0.5 - at) < drawn.thickness / 2.0]:
            off = rise * (number - at * 2.0) * WIRE_APART  # shown about the middle, wherever the slice is
            image[(np.abs(x - off) < 0.3) & (np.abs(y - row) < 3.0)] = 500.0
    return image
