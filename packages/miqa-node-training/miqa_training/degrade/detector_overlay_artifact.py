"""Artefacts of detector, stitching or annotation: dead lines, scratches, dust, ghosts, text over anatomy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import cv2
import numpy as np

from miqa_training.degrade.physics import DonorMaterial, Image, Simulator, at_severity, clip, gaussian_blur

AMPLITUDE = (0.15, 0.3, 0.6, 1.0)
SHARE = (0.2, 0.4, 0.7, 1.0)
GHOST = (0.005, 0.015, 0.03, 0.05)
GHOST_GAIN = 1.5
"""A ghost is given as a share of the exposure; processing increases its visibility by about half."""
STITCH_MM = (0.5, 1.5, 3.0, 6.0)
TEXT_MM = (4.0, 6.0, 9.0, 14.0)
WORDS = (
    "SUPINE",
    "PORTABLE",
    "AP ERECT",
    "SITTING",
    "120 kV 2.0 mAs",
    "SID 180 cm",
    "EI 412",
    "W 4096 C 2048",
    "GRID IN",
    "12:47:03",
)


def detector_overlay_artifact(
    image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, more: DonorMaterial
) -> Image:
    """Dead lines, columns or blocks, a scratch, dust, a ghost image, a stitching offset, or text over anatomy.

    Severity is number times amplitude: amplitude 15, 30, 60, 100 % of the full change, ghost 0.5, 1.5, 3, 5 %,
    offset 0.5 to 6 mm, letters of 4 to 14 mm. Source: SCIENCE.md §1; the kinds follow AAPM TG-305.
    """
    kind = KINDS[int(rng.choice(len(KINDS), p=_PROBABILITIES))]
    return clip(kind(image, severity, rng, pitch_mm, more))


def _dead_lines(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """One to six rows or columns with no or full signal, one or two pixels of the image wide."""
    upright, total = rng.uniform() < 0.6, int(rng.integers(1, 7))
    value, amplitude = float(rng.choice((0.0, 1.0))), at_severity(severity, AMPLITUDE)
    work = image.T.copy() if upright else image.copy()
    # A line thinner than a pixel of this image appears with reduced contrast.
    cover = np.float32(amplitude * min(1.0, 0.45 / pitch_mm))
    places, widths = rng.uniform(0.05, 0.95, total), rng.integers(1, 3, total)
    partial, ends = rng.uniform(size=total) < 0.3, rng.uniform(0.2, 0.9, total)
    for i in range(max(1, math.ceil(at_severity(severity, SHARE) * total))):
        at = int(places[i] * (work.shape[0] - 3))
        stop = int(ends[i] * work.shape[1]) if partial[i] else work.shape[1]
        work[at : at + widths[i], :stop] += cover * (value - work[at : at + widths[i], :stop])
    return np.ascontiguousarray(work.T, dtype=np.float32) if upright else work


def _block(image: Image, severity: float, rng: np.random.Generator, _: float, __: DonorMaterial) -> Image:
    """A read-out block with another gain or offset, its edges parallel to the pixels."""
    out, (rows, columns) = image.copy(), image.shape
    height, width = rng.uniform(0.08, 0.5) * rows, rng.uniform(0.08, 0.4) * columns
    top, left = rng.uniform(0, rows - height), rng.uniform(0, columns - width)
    area = (slice(int(top), int(top + height)), slice(int(left), int(left + width)))
    offset = np.float32(rng.choice((-1.0, 1.0)) * 0.25 * at_severity(severity, AMPLITUDE))
    out[area] += offset
    return out


def _scratch(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """Thin bent scratches of a CR plate, white (no phosphor) over a sharp line of 0.2 to 0.6 mm."""
    rows, columns = image.shape
    mask, total = np.zeros((rows * 2, columns * 2), np.uint8), int(rng.integers(1, 4))
    width = max(1, round(2 * rng.uniform(0.2, 0.6) / pitch_mm))
    for stream in rng.spawn(total)[: max(1, math.ceil(at_severity(severity, SHARE) * total))]:
        start, step = stream.uniform(0.1, 0.9, 2), stream.normal(0, 0.06, 2)
        walk = start + np.cumsum(step + stream.normal(0, 0.008, (8, 2)), 0)
        points = np.rint(walk * (2 * columns, 2 * rows) * 16).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(mask, [points], False, 255, width, cv2.LINE_AA, 4)
    line = np.asarray(cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
    return image + line * np.float32(0.5 * at_severity(severity, AMPLITUDE))


def _dust(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """White specks of 0.3 to 2 mm: dust between phosphor and reader."""
    out, (rows, columns) = image.copy(), image.shape
    total = int(rng.integers(15, 80))
    shown = max(1, math.ceil(at_severity(severity, SHARE) * total))
    places, radii = rng.uniform(0.03, 0.97, (total, 2)), rng.uniform(0.15, 1.0, total) / pitch_mm
    strength = np.float32(0.55 * at_severity(severity, AMPLITUDE))
    for (x, y), radius in zip(places[:shown], radii[:shown], strict=True):
        reach = math.ceil(radius) + 1
        cx, cy = int(x * columns), int(y * rows)
        y0, y1, x0, x1 = max(cy - reach, 0), min(cy + reach + 1, rows), max(cx - reach, 0), min(cx + reach + 1, columns)
        dy, dx = np.mgrid[y0 - cy : y1 - cy, x0 - cx : x1 - cx]
        cover = np.clip(radius - np.hypot(dx, dy) + 0.5, 0.0, 1.0).astype(np.float32)
        out[y0:y1, x0:x1] += strength * cover
    return out


def _ghost(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, more: DonorMaterial) -> Image:
    """Lag of the previous exposure: another image, or the same image turned and shifted, at 0.5 to 5 %."""
    rows, columns = image.shape
    before = more.other if more.other is not None and rng.uniform() < 0.5 else image[:, ::-1]
    before = cast("Image", cv2.resize(np.ascontiguousarray(before), (columns, rows), interpolation=cv2.INTER_AREA))
    move = cv2.getRotationMatrix2D((columns / 2, rows / 2), rng.uniform(-30, 30), rng.uniform(0.7, 1.0)).astype(
        np.float64, copy=False
    )
    move[:, 2] += rng.uniform(-40, 40, 2) / pitch_mm
    lag = cast("Image", cv2.warpAffine(before, move, (columns, rows), borderValue=0.5)) - np.float32(0.5)
    return image + lag * np.float32(2.0 * GHOST_GAIN * at_severity(severity, GHOST))


def _stitch(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """Two parts joined with an offset of 0.5 to 6 mm along the seam and a step in brightness."""
    upright = rng.uniform() < 0.5
    work = np.ascontiguousarray(image.T) if upright else image
    rows, columns = work.shape
    seam = int(rng.uniform(0.3, 0.7) * rows)
    shift = float(rng.choice((-1.0, 1.0))) * at_severity(severity, STITCH_MM) / pitch_mm
    move = np.array([[1.0, 0.0, shift], [0.0, 1.0, 0.0]])
    out = work.copy()
    lower = np.ascontiguousarray(work[seam:])
    out[seam:] = cv2.warpAffine(
        lower, move, (columns, rows - seam), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    out[seam:] += np.float32(rng.choice((-1.0, 1.0)) * 0.05 * at_severity(severity, AMPLITUDE))
    return np.ascontiguousarray(out.T) if upright else out


def _text(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """Burned-in words over the lungs, white or black, letters of 4 to 14 mm."""
    rows, columns = image.shape
    mask = np.zeros((rows, columns), np.uint8)
    height_px = at_severity(severity, TEXT_MM) / pitch_mm
    scale, total = max(height_px / 22.0, 0.2), int(rng.integers(1, 4))
    white = rng.uniform() < 0.8
    for stream in rng.spawn(total)[: max(1, math.ceil(at_severity(severity, SHARE) * total))]:
        words = str(stream.choice(WORDS))
        place = (int(stream.uniform(0.12, 0.55) * columns), int(stream.uniform(0.25, 0.8) * rows))
        cv2.putText(mask, words, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(1, round(2.2 * scale)), cv2.LINE_AA)
    cover = gaussian_blur(mask.astype(np.float32) / np.float32(255), 0.3)
    strength = np.float32(min(1.0, 0.5 + 0.5 * severity) * min(1.0, severity / 0.25))
    return image + np.clip(cover, 0, 1) * strength * (np.float32(1.0 if white else 0.0) - image)


KINDS: tuple[Callable[[Image, float, np.random.Generator, float, DonorMaterial], Image], ...] = (
    _dead_lines, _block, _scratch, _dust, _ghost, _stitch, _text,
)  # fmt: skip
_WEIGHTS = np.array([2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.2])
_PROBABILITIES = _WEIGHTS / _WEIGHTS.sum()


DETECTOR_OVERLAY_ARTIFACT = Simulator(detector_overlay_artifact, order=100)
