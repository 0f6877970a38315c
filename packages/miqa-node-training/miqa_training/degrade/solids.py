"""Solids of known material and thickness in front of or in the patient, and their physical shadow."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_training.degrade.lungs import LungField, lung_field
from miqa_training.degrade.physics import (
    LATITUDE_DECADES,
    Image,
    at_severity,
    clip,
    gaussian_blur,
)

MU_PER_MM = {"pmma": 0.023, "aluminium": 0.075, "iron": 0.95, "copper": 1.43, "gold": 8.7}
"""Linear attenuation coefficients at 60 keV (NIST XCOM), the effective energy of a 120 kV chest beam."""
SCATTER_FRACTION = 0.2
"""Share of scatter in the exposure behind a grid; it brightens the shadow of opaque objects."""
DISPLAY_GAIN = 1.5
"""Gain of fine contrast in processing."""
PSF_MM = 0.15
FINEST_MM = 0.28
"""Pitch of the canvas for objects: fine enough that half-millimetre wires keep their thickness."""

SIZE = (0.7, 0.8, 0.9, 1.0)
THICKNESS = (0.4, 0.6, 0.8, 1.0)
SHARE_OF_OBJECTS = (0.15, 0.4, 0.7, 1.0)


@dataclass(slots=True)
class Canvas:
    """A map of µt (dimensionless), finer than the image; lengths are given in mm."""

    mu_t: Image
    pitch_mm: float
    lungs: LungField
    size: float
    thickness: float

    def add(self, mask: NDArray[np.uint8], top: int, left: int, mu_t: float) -> None:
        """Add ``mask``/255 times ``mu_t`` at a place; parts outside are dropped."""
        rows, columns = self.mu_t.shape
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = min(top + mask.shape[0], rows), min(left + mask.shape[1], columns)
        if y0 < y1 and x0 < x1:
            part = mask[y0 - top : y1 - top, x0 - left : x1 - left]
            self.mu_t[y0:y1, x0:x1] += part.astype(np.float32) * np.float32(mu_t * self.thickness / 255.0)

    def place(self, rng: np.random.Generator) -> tuple[float, float]:
        """(x, y) in canvas pixels of a point over the lungs or the mediastinum."""
        rows, columns = self.mu_t.shape
        x = rng.uniform(self.lungs.left, self.lungs.right) * columns
        y = rng.uniform(self.lungs.top, self.lungs.bottom) * rows
        return float(x), float(y)


@dataclass(frozen=True, slots=True)
class SolidKind:
    """One kind of solid: its drawing function, its maximum number per image, and its relative frequency."""

    name: str
    draw: Callable[[Canvas, np.random.Generator], None]
    most: int
    weight: float


def with_solids(
    image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, kinds: Sequence[SolidKind]
) -> Image:
    """The image with solids of one of ``kinds``.

    E' = E·(s + (1 - s)·exp(-µt)) with scatter fraction s; severity grows with the number of objects, their size and
    their thickness, hence with contrast times area over the lung. The shadow is blurred by the detector's PSF; no noise
    is added, as the image's own noise lies under the object. Sources: SCIENCE.md §1; NIST XCOM for µ.
    """
    fine = max(1, min(4, math.ceil(pitch_mm / FINEST_MM)))
    rows, columns = image.shape
    size, thickness = at_severity(severity, SIZE, 0.5), at_severity(severity, THICKNESS)
    canvas = Canvas(
        np.zeros((rows * fine, columns * fine), np.float32), pitch_mm / fine, lung_field(image), size, thickness
    )
    weights = np.array([kind.weight for kind in kinds])
    kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    total = int(rng.integers(1, kind.most + 1))
    shown = max(1, math.ceil(at_severity(severity, SHARE_OF_OBJECTS) * total))
    # Every object has its own random stream, so a higher severity adds objects but moves none.
    for stream in rng.spawn(total)[:shown]:
        kind.draw(canvas, stream)
    mu_t = canvas.mu_t
    if fine > 1:
        mu_t = cast("Image", cv2.resize(mu_t, (columns, rows), interpolation=cv2.INTER_AREA))
    mu_t = gaussian_blur(mu_t, PSF_MM / pitch_mm) if PSF_MM / pitch_mm > 0.3 else mu_t
    return clip(image + shadow(mu_t))


def shadow(mu_t: Image) -> Image:
    """Increase of the display value by an attenuation of µt."""
    through = cast("Image", cv2.exp(-np.maximum(mu_t, 0.0)))
    transmitted = np.float32(SCATTER_FRACTION) + np.float32(1 - SCATTER_FRACTION) * through
    return cast("Image", cv2.log(transmitted)) * np.float32(-DISPLAY_GAIN / (LATITUDE_DECADES * math.log(10.0)))


def disc(radius_px: float, profile: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.uint8]:
    """A round mask; ``profile`` gives thickness in [0, 1] from the radius in units of ``radius_px``."""
    reach = math.ceil(radius_px) + 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    radius = np.hypot(x, y)
    edge = np.clip(radius_px - radius + 0.5, 0.0, 1.0)
    return cast("NDArray[np.uint8]", np.rint(255 * edge * np.clip(profile(radius / radius_px), 0, 1)).astype(np.uint8))


def put_round(canvas: Canvas, xy: tuple[float, float], mask: NDArray[np.uint8], mu_t: float) -> None:
    """Add a square mask of odd side, such as a disc, centred at ``xy`` in canvas pixels."""
    reach = mask.shape[0] // 2
    canvas.add(mask, round(xy[1]) - reach, round(xy[0]) - reach, mu_t)


def line(canvas: Canvas, points: NDArray[np.float64], diameter_mm: float, mu_per_mm: float) -> None:
    """A round wire through ``points`` (canvas pixels): three nested strokes represent its circular section."""
    width = diameter_mm / canvas.pitch_mm
    low = np.floor(points.min(0)).astype(int) - 2 - math.ceil(width)
    high = np.ceil(points.max(0)).astype(int) + 3 + math.ceil(width)
    low = np.maximum(low, -200)
    high = np.minimum(high, np.array(canvas.mu_t.shape[::-1]) + 200)
    if np.any(high <= low):
        return
    stroke = [np.rint((points - low) * 16).astype(np.int32).reshape(-1, 1, 2)]
    for share, depth in ((1.0, 0.45), (0.75, 0.3), (0.4, 0.25)):
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        thick = max(1, round(width * share))
        # A stroke cannot be thinner than a pixel: a thinner wire gets less depth instead.
        thinner = min(1.0, width * share / thick)
        cv2.polylines(mask, stroke, False, round(255 * thinner), thick, cv2.LINE_AA, 4)
        canvas.add(mask, int(low[1]), int(low[0]), depth * diameter_mm * mu_per_mm)


def curve(controls: NDArray[np.float64], steps: int = 160) -> NDArray[np.float64]:
    """A Catmull-Rom spline through the control points, similar to a slack cable."""
    padded = np.vstack([2 * controls[0] - controls[1], controls, 2 * controls[-1] - controls[-2]])
    t = np.linspace(0, len(controls) - 1 - 1e-9, steps)
    i = t.astype(int)
    u = (t - i)[:, None]
    a, b, c, d = padded[i], padded[i + 1], padded[i + 2], padded[i + 3]
    return cast(
        "NDArray[np.float64]",
        0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3),
    )
