"""Draws Catphans module by module at any place, increment and thickness; lengths in mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.features.phantoms.stack import PhantomStack
from tests.packages.phantoms.drawing import Image, stack

TAN = np.tan(np.radians(23.0))
INSERTS = ((-90, -1000), (90, -1000), (-120, -200), (180, -100), (120, -35), (60, 120), (0, 340), (-60, 990))
BONE = ((-150, 725), (30, 237))
ORDER: Mapping[str, tuple[tuple[float, str], ...]] = MappingProxyType(
    {
        "504": ((0.0, "404"), (30.0, "528"), (-30.0, "515"), (-65.0, "486")),
        "600": ((0.0, "404"), (70.0, "528"), (110.0, "515"), (160.0, "486")),
        "604": ((0.0, "404"), (40.0, "528"), (-40.0, "515"), (-80.0, "486")),
    }
)
ENDS = (0.03, 0.125, 0.195, 0.254, 0.298, 0.346, 0.397, 0.443)
ENDS_600 = (0.03, 0.135, 0.205, 0.262, 0.311, 0.361, 0.411, 0.459)


@dataclass(frozen=True)
class DrawnCatphan:
    """What is drawn."""

    model: str = "504"
    thickness: float = 2.5
    increment: float = 2.5
    roll_deg: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)
    field: float = 250.0
    side: int = 288
    noise: float = 6.0
    blur: float = 0.5
    """Standard deviation of the image's blur."""
    start: float = -25.0
    end: float = 25.0
    missing: str = ""
    """A module whose slices are not there."""
    steps: float = 1.0
    """What the header says lies between slices, as a share of what does."""

    @property
    def spacing(self) -> float:
        """Of pixels."""
        return self.field / self.side

    def places(self) -> NDArray[np.float64]:
        """From the middle of CTP404."""
        return np.arange(self.start, self.end + 0.01, self.increment)

    def stack(self) -> PhantomStack:
        """As measures read it."""
        random = np.random.default_rng(5)
        places = [at for at in self.places() if self._module(at) != self.missing or not self.missing]
        images = [self._seen(self._image(float(at)), random) for at in places]
        drawn = stack(images, "CT", gap=self.increment, spacing=self.spacing)
        slices = [
            replace(one, position_mm=(0.0, 0.0, float(at) * self.steps), thickness_mm=self.thickness)
            for one, at in zip(drawn.slices, places, strict=True)
        ]
        return PhantomStack(slices, drawn.images, drawn.header)

    def _module(self, at: float) -> str:
        return min(ORDER[self.model], key=lambda one: abs(at - one[0]))[1]

    def _image(self, at: float) -> Image:
        offset, module = min(ORDER[self.model], key=lambda one: abs(at - one[0]))
        if module == "404" and abs(at) <= 12.5:
            return _with_wires(self, at)
        if module == "528" and abs(at - offset) <= 2.6:
            return _pairs(self)
        return _body(self)

    def _seen(self, fine: Image, random: np.random.Generator) -> Image:
        small = cv2.resize(fine, (self.side, self.side), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), self.blur / self.spacing)
        return np.asarray(small + random.normal(0.0, self.noise, small.shape), np.float64)


@lru_cache(maxsize=4)
def _points(drawn: DrawnCatphan) -> tuple[Image, Image]:
    fine = (np.arange(drawn.side * 2) + 0.5) / 2.0 - 0.5
    at = (fine - (drawn.side - 1) / 2.0) * drawn.spacing
    x0, y0 = at[None, :] - drawn.centre[0], at[:, None] - drawn.centre[1]
    turn = np.radians(drawn.roll_deg + (180.0 if drawn.model == "600" else 0.0))
    return x0 * np.cos(turn) + y0 * np.sin(turn), y0 * np.cos(turn) - x0 * np.sin(turn)


@lru_cache(maxsize=4)
def _body(drawn: DrawnCatphan) -> Image:
    return np.where(np.hypot(*_points(drawn)) < 100.0, 10.0, -1000.0)


@lru_cache(maxsize=4)
def _inserts(drawn: DrawnCatphan) -> Image:
    x, y = _points(drawn)
    image = np.where(np.hypot(x, y) < 75.0, 100.0, _body(drawn))
    opposite = {90: 0} if drawn.model == "600" else {}  # a vial of water
    for angle, value in (*INSERTS, *(BONE if drawn.model == "604" else ())):
        away = np.hypot(x - 58.7 * np.cos(np.radians(angle)), y - 58.7 * np.sin(np.radians(angle)))
        image = np.where(away < 6.1, float(opposite.get(angle, value)), image)
    for right, down in ((-25.0, -25.0), (25.0, -25.0), (25.0, 25.0), (-25.0, 25.0)):
        image = np.where(np.hypot(x - right, y - down) < 1.5, -1000.0, image)
    return image


@lru_cache(maxsize=4)
def _wire_points(drawn: DrawnCatphan) -> list[tuple[NDArray[np.int_], Image, Image]]:
    """Points on the line of each of four wires, 0.6 mm thick: how far in it they are, and where along it."""
    x, y = _points(drawn)
    step = drawn.spacing / 2.0
    every = []
    for turned in range(4):
        angle = np.radians(90.0 * turned)
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        part = np.clip((0.3 + step / 2.0 - np.abs(u - 38.0)) / step, 0.0, 1.0)
        on_line = np.flatnonzero(part)
        every.append((on_line, part.ravel()[on_line], v.ravel()[on_line]))
    return every


def _with_wires(drawn: DrawnCatphan, at: float) -> Image:
    """They lie at 23 degrees and move with the slice."""
    image = _inserts(drawn).copy()
    for turned, (on_line, part, along) in enumerate(_wire_points(drawn)):
        rise = 1.0 if turned % 2 else -1.0
        image.ravel()[on_line] += 1500.0 * part * (np.abs(along - rise * at / TAN) < drawn.thickness / TAN / 2.0)
    return image


@lru_cache(maxsize=4)
def _pairs(drawn: DrawnCatphan) -> Image:
    """Bars of the eight coarsest groups; in a Catphan 600 they start at the other end."""
    (x, y), model = _points(drawn), drawn.model
    away = np.hypot(x, y)
    degrees = np.degrees(np.arctan2(y, x))
    share = np.mod(degrees + 5.73 if model == "600" else 180.0 - degrees, 360.0) / 360.0
    image = np.where(away < 75.0, 100.0, _body(drawn))
    starts: Sequence[float] = ENDS_600 if model == "600" else ENDS
    for number, (start, bars) in enumerate(zip(starts, (2, 3, 4, 4, 4, 5, 5, 5), strict=True), 1):
        width = 10.0 / (2.0 * number)  # mm of a bar at `number` line pairs per cm
        along = (share - start) * 2.0 * np.pi * 47.0
        for bar in range(bars):
            inside = (along >= 2 * bar * width) & (along < (2 * bar + 1) * width) & (np.abs(away - 47.0) < 5.0)
            image = np.where(inside, 900.0, image)
    return image
