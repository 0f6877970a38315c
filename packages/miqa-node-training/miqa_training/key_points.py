"""Finds images that show the same picture: a crop, another size, another window, compressed again.

A signature of the whole image misses a crop. Key points (SIFT: D. Lowe, IJCV 60 (2004) 91) of both images are compared,
and a pair is called the same picture only where one similarity (shift, turn, scale) explains enough of their matches:
ribs of different people resemble each other, but not at the same places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

LONG_SIDE_PX = 448
FEATURES = 160
RATIO = 0.8
"""A match must be nearer than this share of the nearest key point of any other image."""
LEAST_MATCHES, LEAST_INLIERS = 6, 7
TOLERANCE_PX = 4.0
SCALES = (0.2, 5.0)


@dataclass(frozen=True, slots=True)
class SamePicture:
    """Two images by their numbers, and how many key points agree."""

    one: int
    other: int
    points: int


@dataclass(frozen=True, slots=True)
class KeyPoints:
    """Places (N, 2) in pixels of the reduced image, and descriptors (N, 128) of unit length."""

    places: NDArray[np.float32]
    descriptors: NDArray[np.float32]


def key_points(pixels: NDArray[np.uint8]) -> KeyPoints:
    """The strongest key points of an image of 8 bits."""
    scale = LONG_SIDE_PX / max(pixels.shape)
    small = cv2.resize(
        pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    equal = cv2.createCLAHE(2.0, (4, 4)).apply(small)
    points, descriptors = cv2.SIFT.create(FEATURES).detectAndCompute(equal, None)
    if not points:
        return KeyPoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    each = np.sqrt(np.asarray(descriptors, np.float32) / np.maximum(np.abs(descriptors).sum(1, keepdims=True), 1e-6))
    return KeyPoints(np.array([point.pt for point in points], np.float32), each)


def same_pictures(ones: Sequence[KeyPoints], others: Sequence[KeyPoints]) -> list[SamePicture]:
    """Pairs of an image of ``ones`` and one of ``others`` that show the same picture."""
    owner = np.repeat(np.arange(len(others)), [len(other.places) for other in others])
    index = np.concatenate([np.arange(len(other.places)) for other in others])
    everything = np.concatenate([other.descriptors for other in others])
    pairs = []
    for number, one in enumerate(ones):
        if not len(one.places):
            continue
        matched = _matches(one.descriptors, everything, owner)
        for other in np.flatnonzero(np.bincount(owner[matched[:, 1]], minlength=len(others)) >= LEAST_MATCHES):
            mine = matched[owner[matched[:, 1]] == other]
            points = _agreeing(one.places[mine[:, 0]], others[int(other)].places[index[mine[:, 1]]])
            if points >= LEAST_INLIERS:
                pairs.append(SamePicture(number, int(other), points))
    return pairs


def _matches(mine: NDArray[np.float32], theirs: NDArray[np.float32], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """(M, 2) numbers of matching key points: clearly nearer than any of another image. Owners are in order."""
    alike = mine @ theirs.T  # of unit length: the higher, the nearer
    nearest = alike.argmax(1)
    first = alike[np.arange(len(mine)), nearest]
    starts, ends = np.searchsorted(owner, owner[nearest], "left"), np.searchsorted(owner, owner[nearest], "right")
    for row, start, end in zip(alike, starts, ends, strict=True):
        row[start:end] = -np.inf
    good = _distance(first) < RATIO * _distance(alike.max(1))
    return np.stack([np.flatnonzero(good), nearest[good]], 1)


def _distance(alike: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.sqrt(np.maximum(2.0 - 2.0 * alike, 0.0)), np.float32)


def _agreeing(here: NDArray[np.float32], there: NDArray[np.float32]) -> int:
    """How many matches one similarity explains; places that several matches share count once."""
    model, inside = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=TOLERANCE_PX, maxIters=2000)
    if not np.any(inside):  # no similarity was found
        return 0
    scale = float(np.hypot(model[0, 0], model[1, 0]))
    if not SCALES[0] < scale < SCALES[1]:
        return 0
    chosen = cast("NDArray[np.uint8]", inside)[:, 0] > 0
    return min(len(np.unique(np.rint(places[chosen] / TOLERANCE_PX), axis=0)) for places in (here, there))
