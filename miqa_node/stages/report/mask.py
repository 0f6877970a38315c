"""Converts a saliency map to a region of the source image: a mask and its outline."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from miqa_node.core.domain.image import SaliencyMap
from miqa_node.core.words.subject import SegmentSubject

MAX_OUTLINE_POINTS = 400
"""Maximum number of points of an outline; it is simplified for drawing, not for measuring."""
MAX_OUTLINES = 20
"""Maximum number of outlined parts of a mask, the largest first."""


@dataclass(frozen=True, slots=True)
class MarkedRegion:
    """The place of a finding, or an unusual place.

    ``mask``: bool, shape (rows, columns) of the source image.
    ``outline``: float, shape (n, 2), the closed polygon (first point repeated) around the largest connected part
    as (column, row) in the image-relative coordinates of PS3.3 C.18.6.1.2, where a pixel's centre is at .5, .5.
    ``values``: float32, the saliency map behind the mask, in its own rows and columns.
    """

    subject: SegmentSubject
    segment_number: int
    mask: NDArray[np.bool_]
    outline: NDArray[np.float64]
    method: str
    values: NDArray[np.float32]


def regions_of(
    maps: Iterable[tuple[SegmentSubject, SaliencyMap]], shape: tuple[int, int], threshold: float
) -> tuple[MarkedRegion, ...]:
    """Regions of subjects with a non-empty map, numbered from 1."""
    regions: list[MarkedRegion] = []
    for subject, saliency in maps:
        mask = threshold_map(saliency.values, shape, threshold)
        if mask.any():
            regions.append(
                MarkedRegion(subject, len(regions) + 1, mask, outline_of(mask), saliency.method, saliency.values)
            )
    return tuple(regions)


def threshold_map(values: NDArray[np.float32], shape: tuple[int, int], threshold: float) -> NDArray[np.bool_]:
    """Upsample bilinearly to ``shape`` (rows, columns) and threshold at ``threshold`` times the map's peak.

    The map covers the whole image, so map cell (0, 0) lies over the corner of the image, not on its first pixel.
    A map without a positive finite peak gives an empty mask.
    """
    fine, peak = _enlarged(values, shape)
    if peak <= 0.0:
        return np.zeros(shape, np.bool_)
    mask: NDArray[np.bool_] = fine >= _least_value(threshold, np.float32(peak))
    return mask


def _least_value(share: float, peak: np.float32) -> np.float32:
    """Smallest float32 v with v / peak ≥ share: comparing with it gives the same mask as dividing each pixel.

    The product of share and peak is rounded in another way; so the value is searched among all floats.
    """
    least = max(np.float32(share), np.nextafter(np.float32(0.0), np.float32(1.0)))
    bits = range(1, int(peak.view(np.uint32)) + 1)  # positive floats have the order of their bits
    index = bisect_left(bits, True, key=lambda one: bool(_float_of(one) / peak >= least))
    return _float_of(bits[index])


def _float_of(bits: int) -> np.float32:
    return np.uint32(bits).view(np.float32)


def spread_map(values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """The map over the whole image, float32 of ``shape`` (rows, columns), as shares of its peak; zero without one."""
    fine, peak = _enlarged(values, shape)
    if peak <= 0.0:
        return np.zeros(shape, np.float32)
    shares: NDArray[np.float32] = np.clip(fine / np.float32(peak), 0.0, 1.0)
    return shares


def _enlarged(values: NDArray[np.float32], shape: tuple[int, int]) -> tuple[NDArray[np.float32], float]:
    """The map in rows and columns of the image, and its peak; unchanged without a peak."""
    finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(finite.max(initial=0.0))
    if peak <= 0.0:
        return finite, 0.0
    rows, columns = shape
    return cv2.resize(finite, (columns, rows), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False), peak


def outline_of(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The closed polygon around the largest connected part of a non-empty mask."""
    return outlines_of(mask)[0]


def outlines_of(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """The closed polygons around the connected parts of a mask, in the form of :class:`MarkedRegion`, largest first."""
    contours, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = sorted(contours, key=lambda c: (cv2.contourArea(c), len(c)), reverse=True)[:MAX_OUTLINES]
    return [_polygon(contour) for contour in largest]


def _polygon(contour: MatLike) -> NDArray[np.float64]:
    tolerance_px = 0.5
    while len(contour) > MAX_OUTLINE_POINTS:
        contour = cv2.approxPolyDP(contour, tolerance_px, closed=True)
        tolerance_px *= 2.0
    points = contour.reshape(-1, 2).astype(np.float64) + 0.5
    # Begin at the lowest point: viewers write the label at the start of an outline, where it then hides nothing.
    points = np.roll(points, -int(points[:, 1].argmax()), axis=0)
    return np.vstack([points, points[:1]])
