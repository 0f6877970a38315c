"""Images for which no finding can be given: inverted grey scale, not a frontal chest, blank."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from miqa_training.degrade.physics import Image, clip, field_noise, gaussian_blur


def inverted(image: Image) -> Image:
    """The inverted grey scale, as when MONOCHROME1 is read as MONOCHROME2 (PS3.3 C.7.6.3.1.2)."""
    return np.float32(1.0) - image


def blank(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """No patient: flat field, heel-effect gradient or an empty collimated field, with noise."""
    rows, columns = shape
    level = rng.choice([rng.uniform(0.0, 0.05), rng.uniform(0.05, 0.95), rng.uniform(0.95, 1.0)])
    slope = rng.uniform(0.0, 0.25) * rng.choice([0.0, 1.0])
    angle = rng.uniform(0.0, 2 * np.pi)
    y, x = np.mgrid[-0.5 : 0.5 : rows * 1j, -0.5 : 0.5 : columns * 1j]
    image = (level + slope * (np.cos(angle) * x + np.sin(angle) * y)).astype(np.float32)
    if rng.uniform() < 0.3:
        left, right = sorted(rng.uniform(0.05, 0.95, 2))
        top, bottom = sorted(rng.uniform(0.05, 0.95, 2))
        open_ = (x + 0.5 > left) & (x + 0.5 < right) & (y + 0.5 > top) & (y + 0.5 < bottom)
        image = np.where(open_, image, np.float32(rng.choice([0.0, 1.0])))
    noise = gaussian_blur(field_noise(shape, rng), rng.uniform(0.0, 1.5)) * np.float32(10 ** rng.uniform(-3.5, -1.3))
    return clip(image + noise)


def phantom(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """A test object or a limb of geometric solids: step wedge, line pairs, discs, bones in soft tissue."""
    kind = rng.integers(4)
    canvas = np.zeros(shape, np.float32)
    if kind == 0:
        _step_wedge(canvas, rng)
    elif kind == 1:
        _line_pairs(canvas, rng)
    elif kind == 2:
        _discs(canvas, rng)
    else:
        _limb(canvas, rng)
    background = np.float32(rng.uniform(0.0, 0.25))
    noise = gaussian_blur(field_noise(shape, rng), rng.uniform(0.3, 1.2)) * np.float32(10 ** rng.uniform(-2.8, -1.6))
    return clip(background + (1 - background) * gaussian_blur(canvas, rng.uniform(0.4, 1.5)) + noise)


def not_frontal_chest(image: Image, rng: np.random.Generator) -> Image:
    """A part of a chest image too small to show a chest: 15 to 35 % of either side, scaled up."""
    rows, columns = image.shape
    height, width = (max(int(n * rng.uniform(0.15, 0.35)), 16) for n in (rows, columns))
    top, left = int(rng.integers(rows - height)), int(rng.integers(columns - width))
    part = np.ascontiguousarray(image[top : top + height, left : left + width])
    return clip(cast("Image", cv2.resize(part, (columns, rows), interpolation=cv2.INTER_CUBIC)))


def _step_wedge(canvas: Image, rng: np.random.Generator) -> None:
    rows, columns = canvas.shape
    steps = int(rng.integers(5, 16))
    top, bottom = int(rows * rng.uniform(0.1, 0.4)), int(rows * rng.uniform(0.6, 0.95))
    edges = np.linspace(columns * 0.08, columns * 0.92, steps + 1).astype(int)
    for i in range(steps):
        canvas[top:bottom, edges[i] : edges[i + 1]] = (i + 1) / steps


def _line_pairs(canvas: Image, rng: np.random.Generator) -> None:
    rows, columns = canvas.shape
    cv2.rectangle(canvas, (columns // 10, rows // 10), (columns * 9 // 10, rows * 9 // 10), 0.4, -1)
    groups = int(rng.integers(4, 9))
    for i in range(groups):
        width = max(int(columns / (20 * (i + 1.5))), 1)
        top = int(rows * (0.15 + 0.7 * i / groups))
        for k in range(5):
            left = columns // 5 + 2 * k * width
            cv2.rectangle(canvas, (left, top), (left + width, top + int(0.6 * rows / groups)), 0.95, -1)


def _discs(canvas: Image, rng: np.random.Generator) -> None:
    rows, columns = canvas.shape
    cv2.circle(canvas, (columns // 2, rows // 2), int(min(rows, columns) * rng.uniform(0.35, 0.48)), 0.5, -1)
    for row in range(4):
        for column in range(5):
            centre = (int(columns * (0.25 + 0.125 * column)), int(rows * (0.3 + 0.13 * row)))
            cv2.circle(canvas, centre, int(columns * 0.008 * (column + 1)), 0.5 + 0.12 * (row + 1), -1)


def _limb(canvas: Image, rng: np.random.Generator) -> None:
    """Two to five tapering bones with dense rims inside a soft-tissue cylinder."""
    rows, columns = canvas.shape
    tissue = np.zeros_like(canvas)
    half = columns * rng.uniform(0.12, 0.32)
    centre = columns * rng.uniform(0.4, 0.6)
    outline = np.array(
        [[centre - half, 0], [centre + half, 0], [centre + half * 0.8, rows], [centre - half * 0.7, rows]]
    )
    cv2.fillPoly(tissue, [outline.astype(np.int32)], 0.35)
    for i in range(int(rng.integers(1, 6))):
        x = centre + half * rng.uniform(-0.7, 0.7)
        top, bottom = rows * rng.uniform(-0.2, 0.45), rows * rng.uniform(0.5, 1.2)
        width = max(int(half * rng.uniform(0.12, 0.4)), 2)
        start, end = (int(x), int(top)), (int(x + half * rng.uniform(-0.3, 0.3)), int(bottom))
        cv2.line(tissue, start, end, 0.75, width)
        cv2.line(tissue, start, end, 0.55 + 0.05 * i, max(width // 2, 1))
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), rng.uniform(-90, 90), 1.0)
    canvas[:] = cv2.warpAffine(tissue, turn, (columns, rows))
