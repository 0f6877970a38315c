"""Draws more of what people wear, and what looks like it, as solids of known material (see degrade/solids.py).

The training hospital's objects are mostly the snaps of its own gowns, so kinds and shapes here are as varied as clothes
and jewellery are. Lengths are mm.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_training.degrade.shapes import KINDS as SHAPES
from miqa_training.degrade.solids import MU_PER_MM, Canvas, SolidKind, curve, disc, line, put_round

Point = tuple[float, float]


def _metal(rng: np.random.Generator) -> float:
    return MU_PER_MM[str(rng.choice(["iron", "copper", "iron", "copper", "gold", "aluminium"]))]


def _turned(points: NDArray[np.float64], canvas: Canvas, place: Point, angle: float) -> NDArray[np.float64]:
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    placed: NDArray[np.float64] = points * canvas.size / canvas.pitch_mm @ turn + place
    return placed


def _ellipse(width: float, height: float, start: float = 0.0, sweep: float = 2 * math.pi) -> NDArray[np.float64]:
    angle = np.linspace(start, start + sweep, 60)
    return np.stack([width / 2 * np.cos(angle), height / 2 * np.sin(angle)], 1)


def _frame(width: float, height: float, round_share: float) -> NDArray[np.float64]:
    """A closed rectangle with round corners (a superellipse)."""
    angle = np.linspace(0, 2 * math.pi, 80)
    power = 2.0 / (2.0 + 8.0 * (1.0 - round_share))
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([width / 2 * np.sign(c) * np.abs(c) ** power, height / 2 * np.sign(s) * np.abs(s) ** power], 1)


def _slider(canvas: Canvas, rng: np.random.Generator) -> None:
    """A strap's slider: a frame of wire with one or two bars."""
    width, height, angle, place = rng.uniform(10, 22), rng.uniform(7, 14), rng.uniform(0, math.pi), canvas.place(rng)
    wire, mu = rng.uniform(0.8, 1.8), _metal(rng) * rng.uniform(0.3, 1.0)
    line(canvas, _turned(_frame(width, height, rng.uniform(0.2, 0.9)), canvas, place, angle), wire, mu)
    for y in ([0.0], [-height / 6, height / 6], [])[int(rng.integers(3))]:
        line(canvas, _turned(np.array([[-width / 2, y], [width / 2, y]]), canvas, place, angle), wire, mu)
    if rng.uniform() < 0.5:  # the ring of the strap beside it
        beside = _turned(np.array([[0.0, rng.uniform(8, 16)]]), canvas, place, angle)[0]
        line(canvas, _turned(_ellipse(height, height), canvas, tuple(beside), 0.0), wire, mu)


def _hooks(canvas: Canvas, rng: np.random.Generator) -> None:
    """Hooks and eyes of a closure: a row or two of small bent wires."""
    place, angle, mu = canvas.place(rng), rng.normal(0, 0.3), _metal(rng)
    step, wire = rng.uniform(6, 20), rng.uniform(0.6, 1.2)
    for column in range(int(rng.integers(1, 4))):
        for row in range(int(rng.integers(1, 4))):
            loop = _ellipse(rng.uniform(4, 7), rng.uniform(2.5, 4.5), 0.6, rng.uniform(3.5, 5.5))
            line(canvas, _turned(loop + np.array([column * 12, row * step]), canvas, place, angle), wire, mu)


def _hoop(canvas: Canvas, rng: np.random.Generator) -> None:
    """A ring with or without a ball: piercing or ear ring; seen at any angle."""
    width = rng.uniform(9, 45) if rng.uniform() < 0.5 else rng.uniform(9, 18)
    place, angle, mu = canvas.place(rng), rng.uniform(0, math.pi), _metal(rng)
    flat = rng.uniform(0.15, 1.0)
    line(canvas, _turned(_ellipse(width, width * flat), canvas, place, angle), rng.uniform(0.8, 3.0), mu * 0.7)
    if rng.uniform() < 0.6:
        ball = disc(rng.uniform(1.5, 3.5) * canvas.size / canvas.pitch_mm, lambda r: np.sqrt(np.maximum(1 - r * r, 0)))
        at = _turned(np.array([[width / 2, 0.0]]), canvas, place, angle)[0]
        put_round(canvas, (float(at[0]), float(at[1])), ball, mu * rng.uniform(1.0, 4.0))


def _stud(canvas: Canvas, rng: np.random.Generator) -> None:
    """A rivet, stud, ball or stone: a small solid disc, alone or in a row."""
    place, angle = canvas.place(rng), rng.uniform(0, math.pi)
    radius, step = rng.uniform(1.5, 6), rng.uniform(8, 35)
    mu_t = _metal(rng) * rng.uniform(0.3, 2.0)
    hollow = rng.uniform(0, 0.6)
    mask = disc(max(radius * canvas.size / canvas.pitch_mm, 1.5), lambda r: np.where(r < hollow, 0.4, 1.0))
    for number in range(int(rng.choice([1, 1, 1, 2, 3, 5]))):
        at = _turned(np.array([[number * step, 0.0]]), canvas, place, angle)[0]
        put_round(canvas, (float(at[0]), float(at[1])), mask, mu_t)


def _rosette(canvas: Canvas, rng: np.random.Generator) -> None:
    """A patterned press stud: rings and spokes, seen at any angle."""
    radius, rings = rng.uniform(4, 9), int(rng.integers(1, 4))
    place, angle, flat = canvas.place(rng), rng.uniform(0, math.pi), rng.uniform(0.35, 1.0)
    mu = _metal(rng) * rng.uniform(0.15, 0.7)
    for share in np.linspace(1.0, rng.uniform(0.25, 0.5), rings):
        line(canvas, _turned(_ellipse(2 * radius * share, 2 * radius * share * flat), canvas, place, angle),
             rng.uniform(0.8, 2.2), mu)  # fmt: skip
    for spoke in np.linspace(0, 2 * math.pi, int(rng.choice([0, 0, 4, 6, 8])), endpoint=False):
        at = radius * 0.6 * np.array([[math.cos(spoke), flat * math.sin(spoke)]])
        spot = _turned(at, canvas, place, angle)[0]
        dot = disc(max(1.2, 0.9 / canvas.pitch_mm), np.ones_like)
        put_round(canvas, (float(spot[0]), float(spot[1])), dot, mu * 1.5)
    if rng.uniform() < 0.5:  # on a plate
        plate = _turned(_ellipse(2 * radius, 2 * radius * flat), canvas, place, angle)
        _filled(canvas, plate, mu * rng.uniform(0.2, 0.8))


def _edge_on(canvas: Canvas, rng: np.random.Generator) -> None:
    """A press stud, button or coin seen from its edge: a ribbed bar."""
    place, angle, length = canvas.place(rng), rng.uniform(0, math.pi), rng.uniform(8, 18)
    mu, ribs = _metal(rng) * rng.uniform(0.5, 1.5), int(rng.integers(1, 4))
    for number in range(ribs):
        y, half = (number - (ribs - 1) / 2) * 2.2, length / 2 * rng.uniform(0.7, 1.0)
        line(canvas, _turned(np.array([[-half, y], [half, y]]), canvas, place, angle), rng.uniform(0.8, 2.0), mu)


def _beads(canvas: Canvas, rng: np.random.Generator) -> None:
    """A necklace of beads, a rosary or a cord with a pendant, around the neck or down to the chest."""
    rows, columns = canvas.mu_t.shape
    middle = columns * (0.5 + rng.normal(0, 0.04))
    half, depth = rng.uniform(0.06, 0.2) * columns, rng.uniform(0.02, 0.4) * rows
    knots = np.array([[-1.0, 0.0], [-0.8, 0.5], [-0.4, 0.9], [0.0, 1.0], [0.4, 0.9], [0.8, 0.5], [1.0, 0.0]])
    knots += rng.normal(0, 0.05, knots.shape)
    path = curve(knots * (half, depth) + (middle, rng.uniform(-0.03, 0.12) * rows), 900)
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))]) * canvas.pitch_mm
    bead, mu = rng.uniform(1.2, 9.0), _metal(rng) * rng.uniform(0.2, 1.0)
    if rng.uniform() < 0.3:
        line(canvas, path, rng.uniform(0.6, 2.5), mu)  # a plain cord or snake chain
    else:
        at = np.arange(0.0, length[-1], bead * rng.uniform(1.0, 2.5))
        ball = disc(max(bead / 2 / canvas.pitch_mm, 1.0), lambda r: np.sqrt(np.maximum(1 - r * r, 0)) * (r > 0.2))
        for x, y in zip(np.interp(at, length, path[:, 0]), np.interp(at, length, path[:, 1]), strict=True):
            put_round(canvas, (float(x), float(y)), ball, bead * mu * 0.5)
    if rng.uniform() < 0.6:
        low = path[np.argmax(path[:, 1])]
        _medal_at(canvas, rng, (float(low[0]), float(low[1]) + 8 / canvas.pitch_mm))


def _medal(canvas: Canvas, rng: np.random.Generator) -> None:
    """A pendant, badge, cross or drop."""
    _medal_at(canvas, rng, canvas.place(rng))


def _medal_at(canvas: Canvas, rng: np.random.Generator, place: Point) -> None:
    size, kind, mu_t = rng.uniform(6, 26), int(rng.integers(4)), _metal(rng) * rng.uniform(0.2, 1.5)
    angle = rng.normal(0, 0.25)
    if kind == 0:  # a cross
        for stroke in ([[0, -size / 2], [0, size / 2]], [[-size / 3, -size / 6], [size / 3, -size / 6]]):
            line(canvas, _turned(np.array(stroke), canvas, place, angle), rng.uniform(1.5, 4.0), mu_t * 0.5)
        return
    corners = int(rng.integers(3, 9))
    turn = np.linspace(0, 2 * math.pi, corners, endpoint=False)
    radius = size / 2 * (1 + rng.uniform(0, 0.45) * np.cos(turn * int(rng.integers(1, 4))))
    outline = np.stack([radius * np.cos(turn), radius * np.sin(turn)], 1)
    outline = curve(np.vstack([outline, outline[:1]]), 60) if rng.uniform() < 0.6 else np.vstack([outline, outline[:1]])
    placed = _turned(outline, canvas, place, angle)
    if kind != 1:
        _filled(canvas, placed, mu_t)
    line(canvas, placed, rng.uniform(0.8, 2.0), mu_t)


def _buckle(canvas: Canvas, rng: np.random.Generator) -> None:
    """A buckle, clasp or clip of metal or plastic: thick frames and bars."""
    place, angle, width = canvas.place(rng), rng.uniform(0, math.pi), rng.uniform(12, 45)
    height, mu = width * rng.uniform(0.4, 0.9), _metal(rng) * rng.uniform(0.1, 0.6)
    frame = _frame(width, height, rng.uniform(0.1, 0.6))
    if rng.uniform() < 0.4:
        _filled(canvas, _turned(frame, canvas, place, angle), MU_PER_MM["pmma"] * rng.uniform(3, 10))
    line(canvas, _turned(frame, canvas, place, angle), rng.uniform(1.5, 4.0), mu)
    line(canvas, _turned(np.array([[0, -height / 2], [0, height / 2]]), canvas, place, angle), rng.uniform(1, 3), mu)


def _hair_slide(canvas: Canvas, rng: np.random.Generator) -> None:
    """A hair slide, peg or badge clip: two bars that meet, with teeth or a spring."""
    place, angle, length = canvas.place(rng), rng.uniform(0, math.pi), rng.uniform(18, 65)
    mu, open_by = _metal(rng), rng.uniform(0.5, 6)
    for side in (-1, 1):
        line(canvas, _turned(np.array([[-length / 2, 0.0], [length / 2, side * open_by]]), canvas, place, angle),
             rng.uniform(0.8, 2.5), mu * 0.6)  # fmt: skip
    if rng.uniform() < 0.5:
        spring = disc(rng.uniform(1.5, 4) / canvas.pitch_mm, lambda r: np.where(r > 0.5, 1.0, 0.3))
        at = _turned(np.array([[-length / 4, 0.0]]), canvas, place, angle)[0]
        put_round(canvas, (float(at[0]), float(at[1])), spring, mu)


def _print(canvas: Canvas, rng: np.random.Generator) -> None:
    """A thick print, seam, sequins or embroidery on cloth: faint, many small parts."""
    place, mu_t = canvas.place(rng), MU_PER_MM["aluminium"] * rng.uniform(0.8, 3.0)
    if rng.uniform() < 0.5:
        text = "".join(rng.choice(list("ABCDEFGHKLMNOPRSTUVWXYZ0123456789"), int(rng.integers(2, 8))))
        letters = np.zeros((int(60 / canvas.pitch_mm), int(40 * len(text) / canvas.pitch_mm)), np.uint8)
        scale = rng.uniform(0.8, 2.0) / canvas.pitch_mm
        cv2.putText(letters, text, (2, letters.shape[0] // 2), cv2.FONT_HERSHEY_DUPLEX, scale, 255,
                    max(1, round(2.5 * scale)), cv2.LINE_AA)  # fmt: skip
        canvas.add(letters, round(place[1]), round(place[0]) - letters.shape[1] // 2, mu_t)
        return
    dot = disc(max(1.2, rng.uniform(1, 3) / canvas.pitch_mm), np.ones_like)
    for _ in range(int(rng.integers(15, 120))):
        spot = place + rng.normal(0, 20 / canvas.pitch_mm, 2)
        put_round(canvas, (float(spot[0]), float(spot[1])), dot, mu_t * rng.uniform(0.5, 2))


def _hearing_aid(canvas: Canvas, rng: np.random.Generator) -> None:
    """A hearing aid, ear phone, key fob or small electronic thing: a shell with dense parts and a wire."""
    place, angle, size = canvas.place(rng), rng.uniform(0, math.pi), rng.uniform(10, 40)
    shell = _turned(_frame(size, size * rng.uniform(0.35, 0.8), rng.uniform(0.3, 1.0)), canvas, place, angle)
    _filled(canvas, shell, MU_PER_MM["pmma"] * rng.uniform(3, 8))
    for _ in range(int(rng.integers(1, 5))):
        at = _turned(rng.uniform(-0.3, 0.3, (1, 2)) * size, canvas, place, angle)[0]
        part = disc(rng.uniform(0.05, 0.18) * size / canvas.pitch_mm + 1, np.ones_like)
        put_round(canvas, (float(at[0]), float(at[1])), part, _metal(rng) * rng.uniform(0.5, 2.0))
    if rng.uniform() < 0.5:
        wire = np.cumsum(rng.normal(0, 9, (6, 2)), 0)
        line(canvas, _turned(curve(wire, 80), canvas, place, angle), rng.uniform(0.4, 0.9), MU_PER_MM["copper"])


def _leadless(canvas: Canvas, rng: np.random.Generator) -> None:
    """An electrode without a lead: a translucent pad with one small ring, often off its centre. Not removable here."""
    place, radius = canvas.place(rng), rng.uniform(9, 20)
    pad = _turned(_frame(2 * radius, 2 * radius * rng.uniform(0.7, 1.0), rng.uniform(0.6, 1.0)), canvas, place,
                  rng.uniform(0, math.pi))  # fmt: skip
    _filled(canvas, pad, MU_PER_MM["pmma"] * rng.uniform(1.0, 4.0))
    off = rng.uniform(-0.5, 0.5, 2) * radius / canvas.pitch_mm
    ring = disc(rng.uniform(2.0, 5.0) / canvas.pitch_mm, lambda r: np.where(r > rng.uniform(0.4, 0.7), 1.0, 0.35))
    put_round(canvas, (place[0] + float(off[0]), place[1] + float(off[1])), ring, MU_PER_MM["copper"] * 0.3)


def _connector(canvas: Canvas, rng: np.random.Generator) -> None:
    """A connector, stopcock or clamp on tubing. Not removable here."""
    place, angle = canvas.place(rng), rng.uniform(0, math.pi)
    length, wide = rng.uniform(12, 40), rng.uniform(4, 14)
    mu = MU_PER_MM["pmma"]
    line(canvas, _turned(np.array([[-length / 2, 0.0], [length / 2, 0.0]]), canvas, place, angle), wide, mu)
    line(canvas, _turned(np.array([[-length, 0.0], [length, 0.0]]), canvas, place, angle), wide * 0.6, mu * 1.5)
    if rng.uniform() < 0.5:
        line(canvas, _turned(np.array([[0.0, -wide], [0.0, wide]]), canvas, place, angle), wide * 0.5, mu * 2)


def _filled(canvas: Canvas, outline: NDArray[np.float64], mu_t: float) -> None:
    low = np.floor(outline.min(0)).astype(int) - 1
    high = np.ceil(outline.max(0)).astype(int) + 2
    if np.any(high - low > 2000):
        return
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    cv2.fillPoly(mask, [np.rint((outline - low) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    canvas.add(mask, int(low[1]), int(low[0]), mu_t)


_Draw = Callable[[Canvas, np.random.Generator], None]
_MORE: dict[str, tuple[_Draw, float]] = {
    "slider": (_slider, 1.2), "hooks": (_hooks, 1.0), "hoop": (_hoop, 1.4), "stud": (_stud, 1.2),
    "rosette": (_rosette, 1.4), "edge_on": (_edge_on, 1.0), "beads": (_beads, 2.0), "medal": (_medal, 1.0),
    "buckle": (_buckle, 0.7), "hair_slide": (_hair_slide, 0.8), "print": (_print, 0.6),
    "hearing_aid": (_hearing_aid, 0.6),
}  # fmt: skip
WORN = (*SHAPES, *(SolidKind(name, draw, 1, weight) for name, (draw, weight) in _MORE.items()))
"""What can be taken off."""
ATTACHED = (SolidKind("leadless", _leadless, 1, 2.0), SolidKind("connector", _connector, 1, 1.0))
"""Devices that are easily taken for it."""
