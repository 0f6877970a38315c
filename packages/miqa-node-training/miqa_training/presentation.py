"""Varies an image as another hospital might have delivered it: size, framing, tone, markers; none of it is a defect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_training.datasets import DatasetRecord, ObjectBox
from miqa_training.degrade import Image
from miqa_training.degrade.physics import clip, field_noise, gaussian_blur

LARGE_PX = 700
"""Minimum longer side of images that are also used at full size and drawn more often."""
FINE_SHARE = 0.15
"""Share of pictures that keep more than 8 bits, as DICOM objects do."""
GREY_SHARE = 0.15
"""Share of images presented with low contrast between white markers and black borders."""


@dataclass(frozen=True, slots=True)
class BaseImage:
    """An image before defects: display values, transformed annotation boxes, and object labels."""

    image: Image
    boxes: tuple[ObjectBox, ...]
    record: DatasetRecord


def vary(record: DatasetRecord, pixels: NDArray[np.uint8], rng: np.random.Generator) -> BaseImage:
    """The image as another hospital might have delivered it: size, framing, tone curve, sharpening, JPEG, markers.

    Nothing here is a defect: rotation stays below 1.2°, JPEG quality above 88, sharpening mild.
    """
    image, boxes = _frame(pixels, record.objects or (), rng)
    grey = rng.uniform() < GREY_SHARE
    image = _grey(tone(image, rng), rng) if grey else tone(image, rng)
    if rng.uniform() < 0.4:
        soft = gaussian_blur(image, rng.uniform(0.6, 2.5))
        image = clip(image + np.float32(rng.uniform(0.1, 0.9)) * (image - soft))
    if rng.uniform() < 0.1:
        equaliser = cv2.createCLAHE(rng.uniform(1.0, 3.0), (8, 8))
        image = equaliser.apply(np.rint(image * 255).astype(np.uint8)).astype(np.float32) / np.float32(255)
    if grey or rng.uniform() < 0.5:
        image = _mark(image, rng)
    if rng.uniform() < 0.5:
        quality = int(rng.integers(88, 98))
        coded = cv2.imencode(".jpg", np.rint(image * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)
    return BaseImage(image, boxes, record)


def deliver(image: Image, rng: np.random.Generator) -> Image:
    """The final steps for every picture, with or without a defect: light noise, sharpening, 8 bits, JPEG.

    Otherwise a defect simulated in floating point on an 8-bit picture would be recognisable by the missing rounding.
    """
    if rng.uniform() < 0.35:
        noise = gaussian_blur(field_noise((image.shape[0], image.shape[1]), rng), rng.uniform(0.0, 0.7))
        image = clip(image + noise * np.float32(rng.uniform(0.0, 0.006)))
    if rng.uniform() < 0.25:
        soft = gaussian_blur(image, rng.uniform(0.6, 2.0))
        image = clip(image + np.float32(rng.uniform(0.1, 0.6)) * (image - soft))
    if rng.uniform() < FINE_SHARE:
        return image
    pixels = np.rint(image * 255).astype(np.uint8)
    if rng.uniform() < 0.5:
        quality = int(rng.integers(78, 99))
        coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        pixels = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return pixels.astype(np.float32) / np.float32(255)


def _frame(
    pixels: NDArray[np.uint8], boxes: Sequence[ObjectBox], rng: np.random.Generator
) -> tuple[Image, tuple[ObjectBox, ...]]:
    """Trim up to 4 % of each side, change size and aspect; sometimes rotate slightly or add black borders."""
    rows, columns = pixels.shape
    trim = rng.uniform(0.0, 0.04, 4) * (rng.uniform() < 0.6)
    x0, y0 = int(trim[0] * columns), int(trim[1] * rows)
    x1, y1 = columns - int(trim[2] * columns), rows - int(trim[3] * rows)
    part = pixels[y0:y1, x0:x1]
    longest = max(part.shape)
    # Detectors deliver 2,000 pixels and more, which preprocessing reduces to 1,024: performance matters at that size.
    fine = longest > LARGE_PX and rng.uniform() < 0.65
    target = longest if fine else min(longest, int(rng.integers(430, 660)))
    scale = target / longest
    aspect = 1.0 + rng.uniform(-0.1, 0.1) * (rng.uniform() < 0.5)
    size = (max(round(part.shape[1] * scale * aspect), 200), max(round(part.shape[0] * scale / aspect), 200))
    small = cv2.resize(
        np.ascontiguousarray(part), size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    image = np.asarray(small, np.float32) / np.float32(255)
    moved = [_through(b, (x0 / columns, y0 / rows, x1 / columns, y1 / rows)) for b in boxes]
    if rng.uniform() < 0.3:
        centre = ((size[0] - 1) / 2, (size[1] - 1) / 2)
        turn = cv2.getRotationMatrix2D(centre, rng.uniform(-1.2, 1.2), 1.0)
        turned = cv2.warpAffine(image, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        image = clip(cast("Image", turned))
    if rng.uniform() < 0.12:
        image, moved = _borders(image, moved, rng)
    return image, tuple(moved)


def _borders(image: Image, boxes: list[ObjectBox], rng: np.random.Generator) -> tuple[Image, list[ObjectBox]]:
    """Black collimation outside the image."""
    rows, columns = image.shape
    left, right = (rng.uniform(0.0, 0.08, 2) * columns * (rng.uniform() < 0.7)).astype(int)
    top, bottom = (rng.uniform(0.0, 0.08, 2) * rows * (rng.uniform() < 0.7)).astype(int)
    wide = cv2.copyMakeBorder(image, int(top), int(bottom), int(left), int(right), cv2.BORDER_CONSTANT, value=0.0)
    height, width = wide.shape
    window = (-left / columns, -top / rows, (width - left) / columns, (height - top) / rows)
    return cast("Image", wide), [_through(b, window) for b in boxes]


def _through(box: ObjectBox, window: tuple[float, float, float, float]) -> ObjectBox:
    """The box in coordinates of a window of the image (fractions), clipped at its edges."""
    x0, y0, x1, y1 = window
    a, b, c, d = box.box
    moved = ((a - x0) / (x1 - x0), (b - y0) / (y1 - y0), (c - x0) / (x1 - x0), (d - y0) / (y1 - y0))
    clipped = [float(np.clip(v, 0.0, 1.0)) for v in moved]
    return ObjectBox((clipped[0], clipped[1], clipped[2], clipped[3]), box.kind, box.sure)


def tone(image: Image, rng: np.random.Generator) -> Image:
    """Another presentation: gamma 0.65 to 1.5, an S-curve, and a part of the display range only."""
    curve = np.linspace(0.0, 1.0, 1025) ** np.exp(rng.uniform(-0.43, 0.4))
    bend = rng.uniform(-0.35, 0.35)
    curve = curve + bend * np.sin(2 * np.pi * curve) / (2 * np.pi)
    low, high = rng.uniform(0.0, 0.15), rng.uniform(0.7, 1.0)
    curve = (low + (high - low) * curve).astype(np.float32)
    position = image * np.float32(1024)
    below = np.minimum(position.astype(np.int32), 1023)
    share = position - below.astype(np.float32)
    return np.asarray(curve[below] + (curve[below + 1] - curve[below]) * share, np.float32)


def _grey(image: Image, rng: np.random.Generator) -> Image:
    """Compress the anatomy to a third to a half of the display range, mostly with a thin black border around it.

    Marker and border then span the range used for normalisation, as in images of some hospitals.
    """
    low, width = rng.uniform(0.1, 0.4), rng.uniform(0.3, 0.5)
    image = np.asarray(image * np.float32(width) + np.float32(low), np.float32)
    if rng.uniform() < 0.7:
        rows, columns = image.shape
        thick = rng.uniform(0.0, 0.03, 4) * (rows, rows, columns, columns)
        top, bottom, left, right = (int(n) for n in thick)
        image[:top], image[rows - bottom :], image[:, :left], image[:, columns - right :] = 0.0, 0.0, 0.0, 0.0
    return image


def _mark(image: Image, rng: np.random.Generator) -> Image:
    """Draw L/R markers and words near the border, where they belong; they are not artifacts."""
    rows, columns = image.shape
    ink = np.zeros(image.shape, np.uint8)
    for _ in range(int(rng.integers(1, 3))):
        words = str(rng.choice(("L", "R", "L", "R", "D", "I", "PORTABLE", "ERECT", "AP", "SUPINE", "L  ap")))
        scale = rng.uniform(0.5, 1.6) * max(rows, columns) / 512 * (1.0 if len(words) < 3 else 0.45)
        (width, height), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        x = rng.uniform(0.01, 0.14) * columns if rng.uniform() < 0.5 else rng.uniform(0.86, 0.98) * columns - width
        y = height + rng.uniform(0.01, 0.16) * rows if rng.uniform() < 0.75 else rng.uniform(0.9, 0.985) * rows
        level, thick = int(rng.integers(200, 256)), max(1, round(scale * rng.uniform(1.0, 3.0)))
        place = (int(np.clip(x, 0, max(columns - width, 0))), int(y))
        cv2.putText(ink, words, place, cv2.FONT_HERSHEY_SIMPLEX, scale, level, thick, cv2.LINE_AA)
        if rng.uniform() < 0.25 and len(words) < 3:
            centre = (place[0] + width // 2, place[1] - height // 2)
            cv2.circle(ink, centre, round(0.9 * max(width, height)), level, thick, cv2.LINE_AA)
    return np.asarray(np.maximum(image, ink.astype(np.float32) / np.float32(255)), np.float32)
