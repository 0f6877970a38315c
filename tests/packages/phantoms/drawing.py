"""Draws phantoms whose numbers are known: slices of the ACR MR phantoms, a Catphan 504, cylinders of water."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.stages.measure.slices import Slice

Image = NDArray[np.float64]
FINE = 3
"""Points a side of which a pixel is the mean."""


@dataclass(frozen=True)
class Acr:
    """An ACR MR phantom; lengths in mm. ``tilt_deg`` turns it clockwise, ``centre`` moves it."""

    diameter: float = 190.0
    thickness: float = 5.0
    shift_1: float = 0.0
    """How far slice 1 is off: half of the difference of its bars."""
    shift_11: float = 0.0
    shading: float = 0.0
    """Rise of the signal from the middle to the edge, as a share."""
    ghost: float = 0.0
    """Signal of air left and right of the phantom, as a share."""
    noise: float = 8.0
    tilt_deg: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)
    signal: float = 1000.0
    side: int = 256
    spacing: float = 250.0 / 256.0
    grid: bool = False
    """An older phantom, with a grid in slice 5 in place of a block."""

    def images(self) -> list[Image]:
        """The eleven slices in their order."""
        return [self.image(number) for number in range(1, 12)]

    def image(self, number: int) -> Image:
        """One slice of the protocol."""
        x, y = self._points()
        radius, scale = self.diameter / 2.0, self.diameter / 190.0
        away = np.hypot(x, y) / radius
        body = (away <= 1.0) & ~self._plastic(number, x, y, radius, scale)
        shown = body * (1.0 + self.shading * np.minimum(away, 1.0) ** 2)
        if number == 1:
            shown = np.maximum(shown, 0.3 * self._ramps(x, y))
        air = (away > 1.0) & (np.abs(y) < 0.8 * radius) & (np.abs(x) > radius)
        shown = shown + self.ghost * air
        image = cv2.resize(shown * self.signal, (self.side, self.side), interpolation=cv2.INTER_AREA)
        image = cv2.GaussianBlur(image, (0, 0), 0.5)
        random = np.random.default_rng(number)
        real, imaginary = (random.normal(0.0, self.noise, image.shape) for _ in range(2))
        return np.asarray(np.hypot(image + real, imaginary), np.float64)

    def _points(self) -> tuple[Image, Image]:
        fine = (np.arange(self.side * FINE) + 0.5) / FINE - 0.5
        at = (fine - (self.side - 1) / 2.0) * self.spacing
        x, y = at[None, :] - self.centre[0], at[:, None] - self.centre[1]
        turn = np.radians(self.tilt_deg)
        return x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)

    def _plastic(self, number: int, x: Image, y: Image, radius: float, scale: float) -> NDArray[np.bool_]:
        plastic = (np.abs(x) < 5.0) & (y < -radius + 15.0)
        if number in (1, 11):
            shift = self.shift_1 if number == 1 else self.shift_11
            end = -radius + 32.0
            plastic |= (x > -5.5) & (x <= 0.0) & (y < end - shift) | (x > 0.0) & (x < 5.5) & (y < end + shift)
        if number <= 4:
            plastic |= (np.abs(y) < 5.6) & (np.abs(x) < radius - 4.0)
            small = np.hypot(x + 45.0 * scale, y + 45.0 * scale)
            plastic |= (small > 13.0 * scale) & (small < 17.0 * scale)
        if number == 1:
            plastic |= (x > -55.0 * scale) & (x < 58.0 * scale) & (y > 20.0 * scale) & (y < 56.0 * scale)
        elif number <= 4:
            plastic |= (x > 57.0 * scale) & (x < 65.0 * scale) & (y > 20.0 * scale) & (y < 55.0 * scale)
        if number == 5:
            inside = (np.abs(x) < 66.0 * scale) & (np.abs(y) < 66.0 * scale)
            lines = (np.mod(x + 100.0, 15.0) < 2.0) | (np.mod(y + 100.0, 15.0) < 2.0)
            plastic |= inside & lines if self.grid else inside
        if number >= 8:
            ring = np.hypot(x, y - 5.0 * scale)
            plastic |= (ring > 44.0 * scale) & (ring < 49.0 * scale)
        return np.asarray(plastic)

    def _ramps(self, x: Image, y: Image) -> NDArray[np.bool_]:
        """Ramps of 1:10 in opposite directions, so that the signal is ten times as long as the slice is thick."""
        half = 5.0 * self.thickness
        return (np.abs(x - 3.0) < half) & (np.abs(y) < 5.0)


def catphan(
    slices: int = 52, gap: float = 2.5, roll_deg: float = 3.0, noise: float = 4.0, middle: int = 30, line_pairs: int = 1
) -> list[Image]:
    """A Catphan 504; CTP404 in the middle, CTP528 30 mm after it, CTP486 65 mm before it."""
    at = (np.arange(256 * 2) / 2.0 - 127.75) * 0.9
    turn = np.radians(roll_deg)
    x0, y0 = np.meshgrid(at, at)
    x, y = x0 * np.cos(turn) + y0 * np.sin(turn), y0 * np.cos(turn) - x0 * np.sin(turn)
    away = np.hypot(x, y)
    images: list[Image] = []
    for number in range(slices):
        z = (number - middle) * gap
        image = np.where(away < 100.0, 10.0, -1000.0)
        if abs(z) <= 12.5:
            image = np.where(away < 75.0, 100.0, image)
            for angle, value in (
                (-90, -1000), (90, -1000), (-120, -200), (180, -100), (120, -35), (60, 120), (0, 340), (-60, 990),
            ):  # fmt: skip
                centre = 58.7 * np.cos(np.radians(angle)), 58.7 * np.sin(np.radians(angle))
                image = np.where(np.hypot(x - centre[0], y - centre[1]) < 6.1, float(value), image)
            for right, down in ((-25.0, -25.0), (25.0, -25.0), (25.0, 25.0), (-25.0, 25.0)):
                image = np.where(np.hypot(x - right, y - down) < 1.5, -1000.0, image)
            for turned in range(4):  # wires at 23 degrees: they move with the slice
                angle = np.radians(90.0 * turned)
                u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
                image = np.where((np.abs(u - 38.0) < 0.8) & (np.abs(v - z / 0.4245) < gap / 0.4245 / 2), 600.0, image)
        elif abs(z - 30.0 * line_pairs) <= 2.6:
            image = np.where(away < 75.0, 100.0, image) + _pairs(x, y, away)
        small = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), 0.55)
        images.append(np.asarray(small + np.random.default_rng(number).normal(0.0, noise, small.shape), np.float64))
    return images


def _pairs(x: Image, y: Image, away: Image) -> Image:
    """Bars of the eight coarsest groups, from the left against the clock."""
    share = np.mod(180.0 - np.degrees(np.arctan2(y, x)), 360.0) / 360.0
    image = np.zeros_like(x)
    starts = (0.03, 0.125, 0.195, 0.254, 0.298, 0.346, 0.397, 0.443)
    for number, (start, bars) in enumerate(zip(starts, (2, 3, 4, 4, 4, 5, 5, 5), strict=True), 1):
        width = 10.0 / (2.0 * number)  # mm of a bar at `number` line pairs per cm
        along = (share - start) * 2.0 * np.pi * 47.0
        for bar in range(bars):
            inside = (along >= 2 * bar * width) & (along < (2 * bar + 1) * width)
            image = np.where(inside & (np.abs(away - 47.0) < 5.0), 900.0, image)
    return image


def cylinder(noise: float = 10.0, seed: int = 0, ring: float = 0.0, cupping: float = 0.0) -> Image:
    """Water in air, 200 mm wide, 1 mm pixels; a ring at 40 mm, and an edge that is lower than the middle."""
    at = np.arange(256) - 127.5
    away = np.hypot(at[None, :], at[:, None])
    water = -cupping * (away / 100.0) ** 2 + ring * (np.abs(away - 40.0) < 1.0)
    image = np.where(away <= 100.0, water, -1000.0)
    return np.asarray(image + np.random.default_rng(seed).normal(0.0, noise, image.shape), np.float64)


def stack(
    images: Sequence[Image],
    modality: str = "MR",
    gap: float = 10.0,
    spacing: float = 250.0 / 256.0,
    path: Path = Path("drawn.dcm"),
) -> PhantomStack:
    """The images as a stack that measures read; no file is behind it."""
    header = Header("", "", "1.2", "1.1", "", modality)  # type: ignore[arg-type]
    slices = [
        Slice(
            digest=InstanceDigest(str(number)), path=path, frame=0, number=number + 1,
            rows=image.shape[0], columns=image.shape[1], position_mm=(0.0, 0.0, gap * number),
            orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), spacing_mm=(spacing, spacing), thickness_mm=min(gap, 5.0),
            slope=1.0, intercept=0.0, ctdi_vol_mgy=None, phase_columns=None, uid=f"1.2.{number + 1}",
        )
        for number, image in enumerate(images)
    ]  # fmt: skip
    return PhantomStack(slices, [np.asarray(one, np.float32) for one in images], header)
