"""An annotated image as another room might have delivered it: rotated, scaled, cut, mirrored, with another tone curve.

The points move with the image, and values derived from them (cut sides, distances to the edges) are recomputed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.assess.landmarks.points import MIRRORED, MIRRORED_SIDES, SIDES
from miqa_node.stages.assess.landmarks.positioning import lung_margins, rotation_percent
from miqa_training.degrade import Image
from miqa_training.landmarks.points import LandmarkAnnotation
from miqa_training.presentation import tone

CANVAS_PX = 320
"""Side of the varied image in pixels; preprocessing scales it to the network's input."""
CUT_SHARE, SHUTTER_SHARE, MIRROR_SHARE = 0.35, 0.3, 0.5
CUT_BELOW, WHOLE_ABOVE = -0.003, 0.012
"""Margins: below the first the lung is cut, above the second it is not, in between it is uncertain."""


@dataclass(frozen=True, slots=True)
class LandmarkSample:
    """A varied image (rows, columns), values 0 to 1, and its targets; NaN if unknown.

    ``points`` (12, 2), ``visible`` (12,), ``cut`` (4,), ``margin`` (4,), ``rotation`` a share, ``ribs``, ``mirrored``;
    ``lungs`` (2, rows, columns) of 0 to 1, the lung fields at the image's left and right, None without such masks.
    """

    image: Image
    points: NDArray[np.float64]
    visible: NDArray[np.float64]
    cut: NDArray[np.float64]
    margin: NDArray[np.float64]
    rotation: float
    ribs: float
    mirrored: bool
    lungs: Image | None = None


def vary_sample(
    annotation: LandmarkAnnotation, pixels: NDArray[np.uint8], rng: np.random.Generator,
    *, side_px: int = CANVAS_PX, cut_share: float = CUT_SHARE, lungs: NDArray[np.uint8] | None = None,
) -> LandmarkSample:  # fmt: skip
    """Another presentation of the image, of ``side_px`` × ``side_px`` pixels.

    ``cut_share`` of the images get a border that runs through or close to the lungs. ``lungs`` (2, rows, columns) are
    masks over the whole image, which move with it.
    """
    mirrored = bool(rng.uniform() < MIRROR_SHARE)
    motion = _motion(annotation.points, rng, mirrored=mirrored, cut_share=cut_share)
    matrix = _pixels_to_canvas(pixels.shape, motion, side_px)
    edge = float(rng.choice((0.0, 0.0, rng.uniform(0, 255))))
    border = cv2.BORDER_REPLICATE if rng.uniform() < 0.2 else cv2.BORDER_CONSTANT
    smaller = abs(np.linalg.det(matrix[:2, :2])) < 0.5
    warped = cv2.warpAffine(pixels, matrix[:2], (side_px, side_px), borderMode=border, borderValue=edge,
                            flags=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)  # fmt: skip
    image = warped.astype(np.float32) / np.float32(255)
    points = annotation.points @ motion[:2, :2].T + motion[:2, 2]
    sample = _sample(annotation, image, points[MIRRORED] if mirrored else points, motion, mirrored=mirrored)
    if lungs is not None:
        to_canvas = _pixels_to_canvas(lungs.shape[1:], motion, side_px)[:2]
        moved = [cv2.warpAffine(lung.astype(np.float32), to_canvas, (side_px, side_px)) for lung in lungs]
        sample = replace(sample, lungs=np.stack(moved[::-1] if mirrored else moved))
    if rng.uniform() < SHUTTER_SHARE:
        sample = _shuttered(sample, rng)
    return replace(sample, image=_presented(sample.image, rng))


def _pixels_to_canvas(shape: tuple[int, ...], motion: NDArray[np.float64], side_px: int) -> NDArray[np.float64]:
    """From the pixels of an image of (rows, columns) to those of the canvas (3, 3), by a map of fractions."""
    rows, columns = shape
    to_canvas = np.diag([side_px, side_px, 1.0]) @ motion @ np.diag([1 / columns, 1 / rows, 1.0])
    halves = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    return np.asarray(np.linalg.inv(halves) @ to_canvas @ halves, np.float64)


def _motion(
    points: NDArray[np.float64], rng: np.random.Generator, *, mirrored: bool, cut_share: float
) -> NDArray[np.float64]:
    """An affine map of fractions (3, 3): turn, size, aspect, shift, mirror; for some images a border in the lung."""
    angle = math.radians(float(np.clip(rng.normal(0.0, 5.0), -18.0, 18.0)))
    size = math.exp(rng.uniform(-0.28, 0.22))
    aspect = math.exp(rng.uniform(-0.13, 0.13))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.diag([size * aspect * (-1.0 if mirrored else 1.0), size / aspect])
    middle = np.nanmean(points, 0) if np.isfinite(points).any() else np.array([0.5, 0.5])
    target = 0.5 + rng.uniform(-0.09, 0.09, 2)
    motion = np.eye(3)
    motion[:2, :2] = linear
    motion[:2, 2] = target - linear @ middle
    if rng.uniform() < cut_share:
        moved = points @ linear.T + motion[:2, 2]
        margin = lung_margins(moved[MIRRORED] if mirrored else moved)
        side = int(rng.choice(4, p=(0.22, 0.22, 0.22, 0.34)))
        if math.isfinite(margin[side]):
            inside = abs(rng.normal(0.0, 0.07)) - 0.015
            away = margin[side] + inside
            motion[:2, 2] += {0: (-away, 0.0), 1: (away, 0.0), 2: (0.0, -away), 3: (0.0, away)}[side]
    return motion


def _sample(
    annotation: LandmarkAnnotation, image: Image, points: NDArray[np.float64], motion: NDArray[np.float64],
    *, mirrored: bool,
) -> LandmarkSample:  # fmt: skip
    """What is known after ``motion``, with the image's four sides as the borders of the field."""
    margin = lung_margins(points)
    original = np.array([side in annotation.cut for side in SIDES])
    if mirrored:
        original = original[MIRRORED_SIDES]
    # Where no point decides, the reader's answer holds as long as the whole original picture is in view.
    corners = np.array([[x, y, 1.0] for x in (0.0, 1.0) for y in (0.0, 1.0)]) @ motion[:2].T
    in_view = np.array([corners[:, 0].min() >= 0, corners[:, 0].max() <= 1, corners[:, 1].min() >= 0,
                        corners[:, 1].max() <= 1])  # fmt: skip
    cut = _cut_of(margin)
    cut = np.where(np.isnan(margin) & in_view, 0.0, cut)
    cut = np.where(original, 1.0, cut)
    margin = np.where(original & ~(margin < 0), np.nan, margin)
    inside = (points > 0.0).all(1) & (points < 1.0).all(1)
    visible = np.asarray(np.isfinite(points).all(1) & inside)
    rotation = rotation_percent(annotation.points) / 100.0
    return LandmarkSample(
        image, np.where(visible[:, None], points, np.nan), visible.astype(np.float64), cut, margin,
        -rotation if mirrored else rotation, math.nan if mirrored else annotation.ribs, mirrored,
    )  # fmt: skip


def _cut_of(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where the lung ends outside, 0 where it ends well inside, NaN where it touches the border or is unknown."""
    return np.asarray(np.where(margin < CUT_BELOW, 1.0, np.where(margin > WHOLE_ABOVE, 0.0, np.nan)), np.float64)


def _shuttered(sample: LandmarkSample, rng: np.random.Generator) -> LandmarkSample:
    """Collimation: black (or gray) outside of a rectangle, sometimes inside the lungs."""
    blades = np.abs(rng.normal(0.0, 0.05, 4)) * (rng.uniform(size=4) < 0.6)
    margin = sample.margin - blades
    keep_lungs = rng.uniform() < 0.65
    if keep_lungs:  # where the lung's edge is unknown, the blade does not reach inside
        room = np.nan_to_num(sample.margin, nan=0.0) - 0.02
        blades = np.clip(np.minimum(blades, room), 0.0, None)
        margin = sample.margin - blades
    image = sample.image.copy()
    rows, columns = image.shape
    level = 0.0 if rng.uniform() < 0.8 else float(rng.uniform(0.0, 1.0))
    left, right, top, bottom = (round(b * n) for b, n in zip(blades, (columns, columns, rows, rows), strict=True))
    image[:, :left], image[:, columns - right :], image[:top], image[rows - bottom :] = level, level, level, level
    lungs = None if sample.lungs is None else sample.lungs.copy()
    if lungs is not None:
        lungs[:, :, :left], lungs[:, :, columns - right :], lungs[:, :top], lungs[:, rows - bottom :] = 0, 0, 0, 0
    cut = np.where(blades > 0, _cut_of(margin), sample.cut)
    cut = np.where(sample.cut == 1.0, 1.0, cut)
    x, y = sample.points[:, 0], sample.points[:, 1]
    open_ = (x > blades[0]) & (x < 1 - blades[1]) & (y > blades[2]) & (y < 1 - blades[3])
    visible = sample.visible * open_
    points = np.where(visible[:, None] > 0, sample.points, np.nan)
    return replace(sample, image=image, points=points, visible=visible, cut=cut, margin=margin, lungs=lungs)


def _presented(image: Image, rng: np.random.Generator) -> Image:
    """Another tone, sharpness and noise; sometimes an opaque object or a word over the anatomy."""
    image = tone(image, rng)
    if rng.uniform() < 0.3:
        image = cast("Image", cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)))
    elif rng.uniform() < 0.4:
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(1.0, 4.0))
        image = np.asarray(image + np.float32(rng.uniform(0.2, 1.2)) * (image - soft), np.float32)
    if rng.uniform() < 0.5:
        # Mostly weak. An image with finer pixels from the same detector has no more noise at the same scale.
        sigma = (0.002 + 0.045 * rng.uniform() ** 2) * CANVAS_PX / len(image)
        noise = np.float32(sigma) * rng.standard_normal(image.shape, np.float32)
        lit = image > image.min() + 0.01  # most collimated areas are exactly black
        image = image + (noise * lit if rng.uniform() < 0.8 else noise)
    if rng.uniform() < 0.3:
        image = _covered(image, rng)
    return np.clip(image, 0.0, 1.0)


def _covered(image: Image, rng: np.random.Generator) -> Image:
    """Bright lines and blocks, as devices, words and thick dressings cover anatomy."""
    over = np.zeros(image.shape, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        a, b = rng.uniform(0, len(image), 2), rng.uniform(0, len(image), 2)
        level = float(rng.uniform(0.1, 0.7))
        if rng.uniform() < 0.6:
            cv2.line(over, a.astype(int).tolist(), b.astype(int).tolist(), level, int(rng.integers(1, 4)), cv2.LINE_AA)
        else:
            b = a + rng.uniform(0.015, 0.17, 2) * len(image)
            cv2.rectangle(over, a.astype(int).tolist(), b.astype(int).tolist(), level, -1)
    return image + over
