"""Converts a saliency map to a region of the source image: a mask and its outline."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from miqa_node.core.domain.image import SaliencyMap
from miqa_node.core.domain.object_place import SPOT, ObjectRegion
from miqa_node.core.words.object_words import object_title
from miqa_node.core.words.subject import SegmentSubject

MAX_OUTLINE_POINTS = 17
"""Maximum number of points of an outline: of 99 all lie within 1 mm of the border of maps with cells of 7 mm."""
MAX_OUTLINES = 6
"""Maximum number of outlined parts of a mask, the largest first."""
LEAST_PART = 0.02
"""Parts smaller than this share of the largest one are specks of the map, and are not drawn."""


@dataclass(frozen=True, slots=True)
class MarkedRegion:
    """The place of a finding, or an unusual place.

    ``mask``: bool, shape (rows, columns) of the source image; it is what ``outlines`` enclose.
    ``outlines``: float, shape (n, 2), closed polygons (first point repeated) around its connected parts, the largest
    first, as (column, row) in the image-relative coordinates of PS3.3 C.18.6.1.2, where a pixel's centre is at .5, .5.
    ``over``: for each outline the region of the object that it is around, if the subject is one with regions.
    ``values``: float32, the saliency map behind the mask, in its own rows and columns.
    """

    subject: SegmentSubject
    segment_number: int
    mask: NDArray[np.bool_]
    outlines: Sequence[NDArray[np.float64]]
    method: str
    values: NDArray[np.float32]
    over: Sequence[ObjectRegion] = ()

    @property
    def titles(self) -> tuple[str, ...]:
        """The words for it, or for each region of an object."""
        return tuple(dict.fromkeys(map(object_title, self.over))) or (self.subject.words,)


def regions_of(
    maps: Iterable[tuple[Sequence[SegmentSubject], SaliencyMap]], shape: tuple[int, int], threshold: float
) -> tuple[MarkedRegion, ...]:
    """Regions of subjects with a non-empty map, numbered from 1.

    A map has one subject, or one for an object on each side of the patient. The regions of an object are drawn from the
    share of the peak at which they were told apart, whatever ``threshold`` is: what counts for the verdict is drawn.
    """
    regions: list[MarkedRegion] = []
    for subjects, saliency in maps:
        values, parts = saliency.values, _parts(subjects)
        masks, owners = _masks(values, parts, shape, threshold)
        for subject in subjects:
            numbers = [number for number, (owner, _) in enumerate(parts) if owner is subject]
            drawn = [(one, parts[number][1]) for number in numbers for one in outlines_of(masks[number])]
            if drawn:
                outlines, over = [one for one, _ in drawn], [one for _, one in drawn if one is not None]
                own = np.where(np.isin(owners, numbers), values, np.float32(0.0)).astype(np.float32)
                mask, number = filled(outlines, shape), len(regions) + 1
                regions.append(MarkedRegion(subject, number, mask, outlines, saliency.method, own, over))
    return tuple(regions)


def _parts(subjects: Sequence[SegmentSubject]) -> list[tuple[SegmentSubject, ObjectRegion | None]]:
    """Each subject with each of its regions."""
    places = [(one, None if one.finding is None else one.finding.place) for one in subjects]
    return [(one, part) for one, place in places for part in (place.regions if place else ()) or (None,)]


def _masks(
    values: NDArray[np.float32], parts: Sequence[tuple[SegmentSubject, ObjectRegion | None]], shape: tuple[int, int],
    threshold: float,
) -> tuple[list[NDArray[np.bool_]], NDArray[np.uint8]]:  # fmt: skip
    """The mask of each part, and the part to which each cell of the map belongs."""
    peaks = [part.peak for _, part in parts if part is not None]
    if not peaks:
        return [threshold_map(values, shape, threshold)], np.zeros(values.shape, np.uint8)
    masks, owners = region_masks(values, peaks, shape)
    return masks, owners - np.uint8(1)


def region_masks(
    values: NDArray[np.float32], peaks: Sequence[tuple[float, float]], shape: tuple[int, int]
) -> tuple[list[NDArray[np.bool_]], NDArray[np.uint8]]:
    """The mask (rows, columns) of the drawn region at each peak (x, y), and :func:`owners_of` them."""
    whole, owners = threshold_map(values, shape, SPOT), owners_of(values, peaks)
    fine = cv2.resize(owners, shape[::-1], interpolation=cv2.INTER_NEAREST)
    return [whole & (fine == number) for number in range(1, len(peaks) + 1)], owners


def owners_of(values: NDArray[np.float32], peaks: Sequence[tuple[float, float]]) -> NDArray[np.uint8]:
    """The region, counted from 1, to which each cell of a map belongs; 0 where none is drawn.

    A region is the connected part at its peak (x, y). It is drawn up to one cell wider, as the map is interpolated.
    """
    high = (values >= SPOT * float(values.max(initial=0.0))) & (values > 0.0)
    _, parts = cv2.connectedComponents(high.astype(np.uint8), connectivity=8)
    cells = np.argwhere(high)
    owners = np.zeros(values.shape, np.uint8)
    for number, (x, y) in reversed(list(enumerate(peaks, 1))):
        place = np.array((y * values.shape[0] - 0.5, x * values.shape[1] - 0.5))
        row, column = cells[((cells - place) ** 2).sum(axis=1).argmin()]
        owners[parts == parts[row, column]] = number
    wider = cv2.dilate(owners, np.ones((3, 3), np.uint8))
    return np.where(owners > 0, owners, wider).astype(np.uint8)


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


def filled(outlines: Sequence[NDArray[np.float64]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels that outlines enclose, their own included: a segment is what is outlined, no more and no less."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(one - 0.5).astype(np.int32) for one in outlines], 1)
    return mask.view(np.bool_)


def outlines_of(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """The closed polygons around the connected parts of a mask, in the form of :class:`MarkedRegion`, largest first."""
    whole = mask.view(np.uint8)
    left, top, width, height = cv2.boundingRect(whole)
    part = whole[top : top + height, left : left + width]
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top))
    largest = sorted(contours, key=lambda c: (cv2.contourArea(c), len(c)), reverse=True)[:MAX_OUTLINES]
    least = LEAST_PART * cv2.contourArea(largest[0]) if largest else 0.0
    return [_polygon(contour) for contour in largest if cv2.contourArea(contour) >= least]


def _polygon(contour: MatLike) -> NDArray[np.float64]:
    whole, tolerance_px = contour, 0.5
    while len(contour) > MAX_OUTLINE_POINTS:
        contour = cv2.approxPolyDP(whole, tolerance_px, closed=True)
        tolerance_px *= 1.25
    points = contour.reshape(-1, 2).astype(np.float64) + 0.5
    # Begin at the lowest point: viewers write the label at the start of an outline, where it then hides nothing.
    points = np.roll(points, -int(points[:, 1].argmax()), axis=0)
    return np.vstack([points, points[:1]])
