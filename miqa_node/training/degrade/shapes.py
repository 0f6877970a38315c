"""Foreign objects of the family "shapes": solids of known material and thickness that attenuate by physics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.training.degrade.lungs import LungField, lung_field
from miqa_node.training.degrade.physics import (
    LATITUDE_DECADES,
    Image,
    Material,
    at_severity,
    clip,
    gaussian_blur,
)

MU_PER_MM = {"pmma": 0.023, "aluminium": 0.075, "iron": 0.95, "copper": 1.43, "gold": 8.7}
"""Linear attenuation coefficients at 60 keV (NIST XCOM), the effective energy of a 120 kV chest beam."""
SCATTER_FRACTION = 0.2
"""Share of the exposure that is scatter behind a grid; it fills in the shadow of what lets nothing through."""
DISPLAY_GAIN = 1.5
"""What processing multiplies fine contrast with."""
PSF_MM = 0.15
FINEST_MM = 0.28
"""Pitch of the canvas that objects are drawn on, so that half-millimetre wires are no thicker than they are."""

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
        """Add ``mask``/255 times ``mu_t`` at a place; what falls outside is dropped."""
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


def shapes(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: Material) -> Image:
    """Buttons, coins, chains, wires, zips, pins, snaps or ECG leads in front of the chest.

    E' = E·(s + (1 - s)·exp(-µt)) with scatter fraction s; severity grows with the number of objects, their size and
    their thickness, hence with contrast times area over the lung. Blurred by the detector's PSF; noise needs no
    second draw, since the image's own lies under the object. Sources: SCIENCE.md §1; NIST XCOM for µ.
    """
    fine = max(1, min(4, math.ceil(pitch_mm / FINEST_MM)))
    rows, columns = image.shape
    size, thickness = at_severity(severity, SIZE, 0.5), at_severity(severity, THICKNESS)
    canvas = Canvas(
        np.zeros((rows * fine, columns * fine), np.float32), pitch_mm / fine, lung_field(image), size, thickness
    )
    name = str(rng.choice(list(KINDS), p=_PROBABILITIES))
    draw, most = KINDS[name]
    total = int(rng.integers(1, most + 1))
    shown = max(1, math.ceil(at_severity(severity, SHARE_OF_OBJECTS) * total))
    # Every object has its own stream, so that a higher severity adds objects and moves none.
    for stream in rng.spawn(total)[:shown]:
        draw(canvas, stream)
    mu_t = canvas.mu_t
    if fine > 1:
        mu_t = cast("Image", cv2.resize(mu_t, (columns, rows), interpolation=cv2.INTER_AREA))
    mu_t = gaussian_blur(mu_t, PSF_MM / pitch_mm) if PSF_MM / pitch_mm > 0.3 else mu_t
    return clip(image + shadow(mu_t))


def shadow(mu_t: Image) -> Image:
    """What an attenuation of µt adds to the display value."""
    through = cast("Image", cv2.exp(-np.maximum(mu_t, 0.0)))
    transmitted = np.float32(SCATTER_FRACTION) + np.float32(1 - SCATTER_FRACTION) * through
    return cast("Image", cv2.log(transmitted)) * np.float32(-DISPLAY_GAIN / (LATITUDE_DECADES * math.log(10.0)))


def _disc(radius_px: float, profile: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.uint8]:
    """A round mask; ``profile`` gives thickness in [0, 1] from the radius in units of ``radius_px``."""
    reach = math.ceil(radius_px) + 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    radius = np.hypot(x, y)
    edge = np.clip(radius_px - radius + 0.5, 0.0, 1.0)
    return cast("NDArray[np.uint8]", np.rint(255 * edge * np.clip(profile(radius / radius_px), 0, 1)).astype(np.uint8))


def _put_round(canvas: Canvas, xy: tuple[float, float], mask: NDArray[np.uint8], mu_t: float) -> None:
    reach = mask.shape[0] // 2
    canvas.add(mask, round(xy[1]) - reach, round(xy[0]) - reach, mu_t)


def _line(canvas: Canvas, points: NDArray[np.float64], diameter_mm: float, mu_per_mm: float) -> None:
    """A round wire through ``points`` (canvas pixels): three nested strokes stand for its circular section."""
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
        # A stroke cannot be thinner than a pixel: what is missing in width is taken from its depth.
        thinner = min(1.0, width * share / thick)
        cv2.polylines(mask, stroke, False, round(255 * thinner), thick, cv2.LINE_AA, 4)
        canvas.add(mask, int(low[1]), int(low[0]), depth * diameter_mm * mu_per_mm)


def _curve(controls: NDArray[np.float64], steps: int = 160) -> NDArray[np.float64]:
    """A Catmull-Rom spline through the control points, which slack cables resemble."""
    padded = np.vstack([2 * controls[0] - controls[1], controls, 2 * controls[-1] - controls[-2]])
    t = np.linspace(0, len(controls) - 1 - 1e-9, steps)
    i = t.astype(int)
    u = (t - i)[:, None]
    a, b, c, d = padded[i], padded[i + 1], padded[i + 2], padded[i + 3]
    return cast(
        "NDArray[np.float64]",
        0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3),
    )


def _button(canvas: Canvas, rng: np.random.Generator) -> None:
    """8 to 20 mm, plastic 2 to 5 mm or metal 0.3 to 1 mm, raised rim, two or four holes."""
    radius = rng.uniform(4, 10) * canvas.size / canvas.pitch_mm
    mask = _disc(radius, lambda r: np.where(r > 0.78, 1.0, 0.65))
    holes, centre = int(rng.choice((0, 2, 4))), mask.shape[0] // 2
    turn = rng.uniform(0, math.pi)
    for k in range(holes):
        angle = turn + 2 * math.pi * k / holes
        spot = (round(centre + 0.3 * radius * math.cos(angle)), round(centre + 0.3 * radius * math.sin(angle)))
        cv2.circle(mask, spot, max(1, round(0.13 * radius)), 0, -1, cv2.LINE_AA)
    metal = rng.uniform() < 0.5
    mu_t = MU_PER_MM["iron"] * rng.uniform(0.3, 1.0) if metal else MU_PER_MM["pmma"] * rng.uniform(3.0, 6.0)
    _put_round(canvas, canvas.place(rng), mask, mu_t)


def _coin(canvas: Canvas, rng: np.random.Generator) -> None:
    """16 to 26 mm, copper alloy of 1.2 to 2.2 mm."""
    radius = rng.uniform(8, 13) * canvas.size / canvas.pitch_mm
    mask = _disc(radius, lambda r: np.where(r > 0.9, 1.0, 0.9))
    _put_round(canvas, canvas.place(rng), mask, MU_PER_MM["copper"] * rng.uniform(1.2, 2.2))


def _snap(canvas: Canvas, rng: np.random.Generator) -> None:
    """A press stud of a gown: brass ring of 8 to 12 mm with a knob in the middle."""
    _snap_at(canvas, canvas.place(rng), rng.uniform(4, 6), rng.uniform(0.3, 0.6))


def _snap_at(canvas: Canvas, xy: tuple[float, float], radius_mm: float, thickness_mm: float) -> None:
    radius = radius_mm * canvas.size / canvas.pitch_mm
    mask = _disc(radius, lambda r: np.where(r < 0.32, 1.0, np.where(r > 0.72, 0.85, 0.35)))
    _put_round(canvas, xy, mask, MU_PER_MM["copper"] * thickness_mm)


def _pin(canvas: Canvas, rng: np.random.Generator) -> None:
    """A safety pin, closed or open, or a straight hair pin: steel of 0.8 to 1.4 mm, 20 to 45 mm long."""
    length, gap = rng.uniform(20, 45) * canvas.size, rng.uniform(3, 7)
    x, y = canvas.place(rng)
    bend = np.linspace(-math.pi / 2, math.pi / 2, 12)
    head = np.stack([length / 2 + gap / 2 * np.cos(bend), gap / 2 * np.sin(bend)], 1)
    outline = np.vstack([[-length / 2, -gap / 2], head, [-length / 2, gap / 2 + rng.uniform(0, 4)]])
    angle = rng.uniform(0, 2 * math.pi)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    _line(canvas, outline @ turn / canvas.pitch_mm + (x, y), rng.uniform(0.8, 1.4), MU_PER_MM["iron"])


def _wire(canvas: Canvas, rng: np.random.Generator) -> None:
    """An underwire or a bent piece of wire: steel of 0.5 to 3 mm, an arc of 60 to 160 mm length."""
    radius = rng.uniform(35, 75) * canvas.size / canvas.pitch_mm
    start, sweep = rng.uniform(0.05, 0.5) * math.pi, rng.uniform(0.4, 0.8) * math.pi
    angles = np.linspace(start, start + sweep, 60)
    x, y = canvas.place(rng)
    squash = rng.uniform(0.5, 1.0)
    arc = np.stack([x + radius * np.cos(angles), y + squash * radius * (np.sin(angles) - 0.7)], 1)
    _line(canvas, arc, 0.5 * 6.0 ** rng.uniform(), MU_PER_MM["iron"])


def _chain(canvas: Canvas, rng: np.random.Generator) -> None:
    """A necklace: links of 0.6 to 1.2 mm wire along a hanging curve from the neck, often with a pendant."""
    rows, columns = canvas.mu_t.shape
    middle = columns * (canvas.lungs.left + canvas.lungs.right) / 2 + rng.uniform(-0.04, 0.04) * columns
    half, depth = rng.uniform(0.09, 0.2) * columns, rng.uniform(0.1, 0.35) * rows
    top = canvas.lungs.top * rows - rng.uniform(0.0, 0.1) * rows
    knots = np.array([[-1.0, 0.0], [-0.85, 0.45], [-0.4, 0.88], [0.0, 1.0], [0.4, 0.88], [0.85, 0.45], [1.0, 0.0]])
    knots += rng.normal(0, 0.04, knots.shape)
    path = _curve(knots * (half, depth) + (middle, top), 600)
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))]) * canvas.pitch_mm
    link = rng.uniform(2.0, 4.5) * canvas.size
    wire, mu = rng.uniform(0.6, 1.2), MU_PER_MM[str(rng.choice(["gold", "copper", "iron"]))]
    at = np.arange(0.0, length[-1], link)
    x, y = np.interp(at, length, path[:, 0]), np.interp(at, length, path[:, 1])
    ring = _disc(max(0.55 * link / canvas.pitch_mm, 1.0), lambda r: np.where(r > 0.55, 1.0, 0.15))
    for spot in zip(x.tolist(), y.tolist(), strict=True):
        _put_round(canvas, spot, ring, wire * mu * 0.8)
    if rng.uniform() < 0.6:
        pendant = _disc(rng.uniform(4, 10) * canvas.size / canvas.pitch_mm, lambda r: np.where(r > 0.8, 1.0, 0.7))
        lowest = path[np.argmax(path[:, 1])]
        _put_round(
            canvas, (float(lowest[0]), float(lowest[1]) + pendant.shape[0] / 2), pendant, mu * rng.uniform(0.4, 1.5)
        )


def _zip(canvas: Canvas, rng: np.random.Generator) -> None:
    """Two rows of brass teeth, 2.5 mm apart, with a slider; nearly upright."""
    rows, columns = canvas.mu_t.shape
    x = rng.uniform(0.3, 0.7) * columns
    top, bottom = rng.uniform(-0.05, 0.4) * rows, rng.uniform(0.6, 1.05) * rows
    lean, pitch = rng.uniform(-0.12, 0.12), 2.4 / canvas.pitch_mm
    tooth_w, tooth_h = (max(1, round(n * canvas.size / canvas.pitch_mm)) for n in (2.4, 1.2))
    tooth = np.full((tooth_h, tooth_w), 255, np.uint8)
    mu_t = MU_PER_MM["copper"] * rng.uniform(0.6, 1.3)
    for i, y in enumerate(np.arange(top, bottom, pitch / 2)):
        side = (1 if i % 2 else -1) * 0.35 * tooth_w
        canvas.add(tooth, round(y), round(x + side + lean * (y - top)), mu_t)
    slider = np.full((round(9 / canvas.pitch_mm), round(6 / canvas.pitch_mm)), 255, np.uint8)
    y = rng.uniform(top, bottom)
    canvas.add(slider, round(y), round(x + lean * (y - top)) - slider.shape[1] // 3, MU_PER_MM["copper"] * 1.2)


def _ecg(canvas: Canvas, rng: np.random.Generator) -> None:
    """An electrode (gel pad of 25 to 45 mm, snap of 9 mm, connector) and its lead to the border of the image.

    The lead is a copper strand of 0.5 to 0.9 mm effective diameter in an insulation that hardly shows.
    """
    rows, columns = canvas.mu_t.shape
    x, y = canvas.place(rng)
    if rng.uniform() < 0.75:
        pad = _disc(rng.uniform(12, 22) * canvas.size / canvas.pitch_mm, np.ones_like)
        _put_round(canvas, (x, y), pad, MU_PER_MM["pmma"] * rng.uniform(0.8, 2.0))
    _snap_at(canvas, (x, y), rng.uniform(4, 5.5), rng.uniform(0.25, 0.5))
    border = (np.array([-0.03, rng.uniform(0.0, 1.0)]), np.array([1.03, rng.uniform(0.0, 1.0)]),
              np.array([rng.uniform(0.1, 0.9), 1.03]), np.array([rng.uniform(0.1, 0.9), -0.03]))  # fmt: skip
    end = border[int(rng.choice(4, p=(0.3, 0.3, 0.25, 0.15)))] * (columns, rows)
    start = np.array([x, y])
    inner = [start + (end - start) * f + rng.normal(0, 0.09, 2) * (columns, rows) for f in (0.3, 0.65)]
    path = _curve(np.array([start, *inner, end]))
    _line(canvas, path, rng.uniform(0.5, 0.9), MU_PER_MM["copper"] * 0.7)
    _line(canvas, path, rng.uniform(2.2, 3.5), MU_PER_MM["pmma"] * 1.3)
    _line(canvas, path[:9], rng.uniform(2.5, 4.0) * canvas.size, MU_PER_MM["aluminium"] * 2.5)


KINDS: dict[str, tuple[Callable[[Canvas, np.random.Generator], None], int]] = {
    "button": (_button, 6),
    "coin": (_coin, 2),
    "snap": (_snap, 5),
    "pin": (_pin, 3),
    "wire": (_wire, 2),
    "chain": (_chain, 1),
    "zip": (_zip, 1),
    "ecg": (_ecg, 5),
}
"""Each kind with the most that may be in one image."""

_WEIGHTS = np.array([1.0, 0.7, 1.2, 0.8, 1.0, 1.2, 0.6, 3.5])
_PROBABILITIES = _WEIGHTS / _WEIGHTS.sum()
