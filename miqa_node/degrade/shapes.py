"""Foreign objects of the family "shapes": what people wear and what is fixed to them, in front of the chest."""

from __future__ import annotations

import math

import cv2
import numpy as np

from miqa_node.degrade.physics import DonorMaterial, Image
from miqa_node.degrade.solids import MU_PER_MM, Canvas, SolidKind, curve, disc, line, put_round, with_solids


def shapes(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """Buttons, coins, chains, wires, zips, pins, snaps or ECG leads in front of the chest."""
    return with_solids(image, severity, rng, pitch_mm, KINDS)


def _button(canvas: Canvas, rng: np.random.Generator) -> None:
    """8 to 20 mm, plastic 2 to 5 mm or metal 0.3 to 1 mm, raised rim, two or four holes."""
    radius = rng.uniform(4, 10) * canvas.size / canvas.pitch_mm
    mask = disc(radius, lambda r: np.where(r > 0.78, 1.0, 0.65))
    holes, centre = int(rng.choice((0, 2, 4))), mask.shape[0] // 2
    turn = rng.uniform(0, math.pi)
    for k in range(holes):
        angle = turn + 2 * math.pi * k / holes
        spot = (round(centre + 0.3 * radius * math.cos(angle)), round(centre + 0.3 * radius * math.sin(angle)))
        cv2.circle(mask, spot, max(1, round(0.13 * radius)), 0, -1, cv2.LINE_AA)
    metal = rng.uniform() < 0.5
    mu_t = MU_PER_MM["iron"] * rng.uniform(0.3, 1.0) if metal else MU_PER_MM["pmma"] * rng.uniform(3.0, 6.0)
    put_round(canvas, canvas.place(rng), mask, mu_t)


def _coin(canvas: Canvas, rng: np.random.Generator) -> None:
    """16 to 26 mm, copper alloy of 1.2 to 2.2 mm."""
    radius = rng.uniform(8, 13) * canvas.size / canvas.pitch_mm
    mask = disc(radius, lambda r: np.where(r > 0.9, 1.0, 0.9))
    put_round(canvas, canvas.place(rng), mask, MU_PER_MM["copper"] * rng.uniform(1.2, 2.2))


def _snap(canvas: Canvas, rng: np.random.Generator) -> None:
    """A press stud of a gown: brass ring of 8 to 12 mm with a knob in the middle."""
    _snap_at(canvas, canvas.place(rng), rng.uniform(4, 6), rng.uniform(0.3, 0.6))


def _snap_at(canvas: Canvas, xy: tuple[float, float], radius_mm: float, thickness_mm: float) -> None:
    radius = radius_mm * canvas.size / canvas.pitch_mm
    mask = disc(radius, lambda r: np.where(r < 0.32, 1.0, np.where(r > 0.72, 0.85, 0.35)))
    put_round(canvas, xy, mask, MU_PER_MM["copper"] * thickness_mm)


def _pin(canvas: Canvas, rng: np.random.Generator) -> None:
    """A safety pin, closed or open, or a straight hair pin: steel of 0.8 to 1.4 mm, 20 to 45 mm long."""
    length, gap = rng.uniform(20, 45) * canvas.size, rng.uniform(3, 7)
    x, y = canvas.place(rng)
    bend = np.linspace(-math.pi / 2, math.pi / 2, 12)
    head = np.stack([length / 2 + gap / 2 * np.cos(bend), gap / 2 * np.sin(bend)], 1)
    outline = np.vstack([[-length / 2, -gap / 2], head, [-length / 2, gap / 2 + rng.uniform(0, 4)]])
    angle = rng.uniform(0, 2 * math.pi)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    line(canvas, outline @ turn / canvas.pitch_mm + (x, y), rng.uniform(0.8, 1.4), MU_PER_MM["iron"])


def _wire(canvas: Canvas, rng: np.random.Generator) -> None:
    """An underwire or a bent piece of wire: steel of 0.5 to 3 mm, an arc of 60 to 160 mm length."""
    radius = rng.uniform(35, 75) * canvas.size / canvas.pitch_mm
    start, sweep = rng.uniform(0.05, 0.5) * math.pi, rng.uniform(0.4, 0.8) * math.pi
    angles = np.linspace(start, start + sweep, 60)
    x, y = canvas.place(rng)
    squash = rng.uniform(0.5, 1.0)
    arc = np.stack([x + radius * np.cos(angles), y + squash * radius * (np.sin(angles) - 0.7)], 1)
    line(canvas, arc, 0.5 * 6.0 ** rng.uniform(), MU_PER_MM["iron"])


def _chain(canvas: Canvas, rng: np.random.Generator) -> None:
    """A necklace: links of 0.6 to 1.2 mm wire along a hanging curve from the neck, often with a pendant."""
    rows, columns = canvas.mu_t.shape
    middle = columns * (canvas.lungs.left + canvas.lungs.right) / 2 + rng.uniform(-0.04, 0.04) * columns
    half, depth = rng.uniform(0.09, 0.2) * columns, rng.uniform(0.1, 0.35) * rows
    top = canvas.lungs.top * rows - rng.uniform(0.0, 0.1) * rows
    knots = np.array([[-1.0, 0.0], [-0.85, 0.45], [-0.4, 0.88], [0.0, 1.0], [0.4, 0.88], [0.85, 0.45], [1.0, 0.0]])
    knots += rng.normal(0, 0.04, knots.shape)
    path = curve(knots * (half, depth) + (middle, top), 600)
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))]) * canvas.pitch_mm
    link = rng.uniform(2.0, 4.5) * canvas.size
    wire, mu = rng.uniform(0.6, 1.2), MU_PER_MM[str(rng.choice(["gold", "copper", "iron"]))]
    at = np.arange(0.0, length[-1], link)
    x, y = np.interp(at, length, path[:, 0]), np.interp(at, length, path[:, 1])
    ring = disc(max(0.55 * link / canvas.pitch_mm, 1.0), lambda r: np.where(r > 0.55, 1.0, 0.15))
    for spot in zip(x.tolist(), y.tolist(), strict=True):
        put_round(canvas, spot, ring, wire * mu * 0.8)
    if rng.uniform() < 0.6:
        pendant = disc(rng.uniform(4, 10) * canvas.size / canvas.pitch_mm, lambda r: np.where(r > 0.8, 1.0, 0.7))
        lowest = path[np.argmax(path[:, 1])]
        put_round(
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
        pad = disc(rng.uniform(12, 22) * canvas.size / canvas.pitch_mm, np.ones_like)
        put_round(canvas, (x, y), pad, MU_PER_MM["pmma"] * rng.uniform(0.8, 2.0))
    _snap_at(canvas, (x, y), rng.uniform(4, 5.5), rng.uniform(0.25, 0.5))
    border = (np.array([-0.03, rng.uniform(0.0, 1.0)]), np.array([1.03, rng.uniform(0.0, 1.0)]),
              np.array([rng.uniform(0.1, 0.9), 1.03]), np.array([rng.uniform(0.1, 0.9), -0.03]))  # fmt: skip
    end = border[int(rng.choice(4, p=(0.3, 0.3, 0.25, 0.15)))] * (columns, rows)
    start = np.array([x, y])
    inner = [start + (end - start) * f + rng.normal(0, 0.09, 2) * (columns, rows) for f in (0.3, 0.65)]
    path = curve(np.array([start, *inner, end]))
    line(canvas, path, rng.uniform(0.5, 0.9), MU_PER_MM["copper"] * 0.7)
    line(canvas, path, rng.uniform(2.2, 3.5), MU_PER_MM["pmma"] * 1.3)
    line(canvas, path[:9], rng.uniform(2.5, 4.0) * canvas.size, MU_PER_MM["aluminium"] * 2.5)


KINDS: tuple[SolidKind, ...] = (
    SolidKind("button", _button, 6, 1.0),
    SolidKind("coin", _coin, 2, 0.7),
    SolidKind("snap", _snap, 5, 1.2),
    SolidKind("pin", _pin, 3, 0.8),
    SolidKind("wire", _wire, 2, 1.0),
    SolidKind("chain", _chain, 1, 1.2),
    SolidKind("zip", _zip, 1, 0.6),
    SolidKind("ecg", _ecg, 5, 3.5),
)
