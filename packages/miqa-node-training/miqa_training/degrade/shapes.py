"""Foreign objects of the family "shapes": removable things that people wear in front of the chest."""

from __future__ import annotations

import math

import cv2
import numpy as np

from miqa_training.degrade.physics import DonorMaterial, Image
from miqa_training.degrade.solids import MU_PER_MM, Canvas, SolidKind, curve, disc, line, put_round, with_solids


def shapes(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """Buttons, coins, chains, wires, zips, pins, snaps, plaits of hair or glasses in front of the chest."""
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
    """A press stud of a gown: brass ring of 8 to 12 mm with a central knob."""
    snap_at(canvas, canvas.place(rng), rng.uniform(4, 6), rng.uniform(0.3, 0.6))


def snap_at(canvas: Canvas, xy: tuple[float, float], radius_mm: float, thickness_mm: float) -> None:
    """A press stud with its centre at ``xy`` (canvas pixels): of a gown, or of an electrode."""
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


def _hair(canvas: Canvas, rng: np.random.Generator) -> None:
    """A plait that falls from the neck over the shoulder or an apex: two to three strands of hair, 8 to 20 mm wide."""
    rows, columns = canvas.mu_t.shape
    side = float(rng.choice((-1.0, 1.0)))
    middle = columns * (canvas.lungs.left + canvas.lungs.right) / 2
    start = np.array([middle + side * rng.uniform(0.03, 0.12) * columns, -0.02 * rows])
    length, away = rng.uniform(0.15, 0.45) * rows, side * rng.uniform(0.0, 0.16) * columns
    down = np.array([away, length])
    path = curve(np.array([start, start + down * (0.3, 0.4), start + down]))
    width = rng.uniform(8, 20)
    along = np.linspace(0.0, rng.uniform(4, 12) * math.pi, len(path))
    strands = int(rng.integers(2, 4))
    for number in range(strands):
        shift = 0.3 * width / canvas.pitch_mm * np.sin(along + 2 * math.pi * number / strands)
        line(canvas, path + np.stack([shift, 0 * shift], 1), width * 0.55, MU_PER_MM["pmma"] * rng.uniform(0.5, 1.0))


def _glasses(canvas: Canvas, rng: np.random.Generator) -> None:
    """Spectacles or sunglasses on a cord or in a pocket: two rims of wire, a bridge and a temple, with lenses."""
    x, y = canvas.place(rng)
    radius, mm = rng.uniform(19, 26) * canvas.size / canvas.pitch_mm, 1.0 / canvas.pitch_mm
    angle, metal = rng.uniform(-0.5, 0.5), MU_PER_MM["iron"] * rng.uniform(0.4, 1.0)
    along = np.array([math.cos(angle), math.sin(angle)])
    turn = np.linspace(0.0, 2 * math.pi, 50)
    for place in (-1.0, 1.0):
        centre = np.array([x, y]) + along * place * (radius + 9 * mm)
        put_round(canvas, (float(centre[0]), float(centre[1])), disc(radius, np.ones_like), MU_PER_MM["pmma"] * 2.0)
        rim = centre + radius * np.stack([np.cos(turn), 0.8 * np.sin(turn)], 1)
        line(canvas, rim, rng.uniform(0.8, 1.6), metal)
    line(canvas, np.stack([(x, y) - along * 9 * mm, (x, y) + along * 9 * mm]), rng.uniform(1.0, 2.0), metal)
    start = np.array([x, y]) + along * (2 * radius + 9 * mm)
    down = start + np.array([rng.uniform(-10, 10), rng.uniform(90, 140)]) * mm
    line(canvas, np.stack([start, down]), rng.uniform(1.0, 2.0), metal)


KINDS: tuple[SolidKind, ...] = (
    SolidKind("button", _button, 6, 1.0),
    SolidKind("coin", _coin, 2, 0.7),
    SolidKind("snap", _snap, 5, 1.2),
    SolidKind("pin", _pin, 3, 0.8),
    SolidKind("wire", _wire, 2, 1.0),
    SolidKind("chain", _chain, 1, 1.2),
    SolidKind("zip", _zip, 1, 0.6),
    SolidKind("hair", _hair, 1, 0.4),
    SolidKind("glasses", _glasses, 1, 0.2),
)
