"""Rings around the axis of rotation on a CT series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.ct.body import CT, ct_slice
from miqa_node.stages.measure.series.whole import place_of_slice
from miqa_node.stages.measure.series_view import SeriesView, SliceView, Values

ANGLES = 360
SECTORS = 12
MIN_SECTORS = 6
ALONG = 5
"""Neighbouring angles that are averaged: a ring goes on, noise does not."""
RANGE_HU = (-1100.0, 500.0)
HIGH_PASS_MM = 6.0
STEEP_HU = 60.0
"""Where the values differ so much from their surroundings there is an edge, beside which nothing is searched."""
MIN_RADIUS_MM = 6.0
AGREEMENT = 25.0
"""Percentile of the sectors: three quarters of them must show the ring."""
NEIGHBOURS = 3
"""Rings go on from slice to slice, noise does not: profiles of so many slices are averaged."""


class RingProfile(NamedTuple):
    """By distance in pixels: how much brighter, and darker, than their surroundings three of four sectors are."""

    position: int
    bright: NDArray[np.float16]
    dark: NDArray[np.float16]


def _profile(view: SliceView) -> RingProfile | None:
    plane = view.once(ct_slice)
    if plane is None:
        return None
    sectors = ring_sectors(plane.image, plane.spacing_mm)
    valid = np.isfinite(sectors).sum(axis=0) >= MIN_SECTORS
    valid[: max(4, round(MIN_RADIUS_MM / plane.spacing_mm))] = False
    if not valid.any():
        return None
    bright, dark = np.zeros(valid.shape, np.float16), np.zeros(valid.shape, np.float16)
    bright[valid] = np.nanpercentile(sectors[:, valid], AGREEMENT, axis=0)
    dark[valid] = -np.nanpercentile(sectors[:, valid], 100.0 - AGREEMENT, axis=0)
    return RingProfile(view.index, bright, dark)


def ring_sectors(image: Values, spacing_mm: float) -> NDArray[np.float64]:
    """Values less their surroundings along the radius, by sector and distance from the middle in pixels.

    NaN where edges fill most of a sector.
    """
    rows, columns = image.shape
    length = min(rows, columns) // 2
    middle = ((columns - 1) / 2.0, (rows - 1) / 2.0)
    polar = cv2.warpPolar(np.clip(image, *RANGE_HU), (length, ANGLES), middle, length, cv2.INTER_LINEAR)
    polar = cv2.blur(polar, (1, ALONG))
    width = max(5, round(HIGH_PASS_MM / spacing_mm) | 1)
    rest = polar - cv2.blur(polar, (width, 1))
    steep = cv2.dilate((np.abs(rest) > STEEP_HU).view(np.uint8), np.ones((1, width), np.uint8))
    inside = 1 - steep
    rest *= inside
    counts = inside.reshape(SECTORS, -1, length).sum(axis=1, dtype=np.float64)
    sums = rest.reshape(SECTORS, -1, length).sum(axis=1, dtype=np.float64)
    return np.where(counts >= ANGLES // SECTORS // 2, sums / np.maximum(counts, 1.0), np.nan)


def _strongest(series: SeriesView, parts: Sequence[RingProfile]) -> Measurement | None:
    if not parts:
        return None
    ends = range(min(len(parts), NEIGHBOURS), len(parts) + 1)
    found = max((ring_of(parts[max(0, end - NEIGHBOURS) : end]) for end in ends), key=lambda one: one[0])
    return Measurement("ring_index", found[0], "[hnsf'U]", place_of_slice(series, found[1]))


def ring_of(profiles: Sequence[RingProfile]) -> tuple[float, int]:
    """(strongest ring of the mean profile in HU, position of the slice in the middle).

    >>> one = np.array([0, 0, 12, 0], np.float16)
    >>> ring_of([RingProfile(4, one, -one), RingProfile(5, one, -one)])
    (12.0, 5)
    """
    length = min(len(one.bright) for one in profiles)
    bright = np.mean([one.bright[:length].astype(np.float64) for one in profiles], axis=0)
    dark = np.mean([one.dark[:length].astype(np.float64) for one in profiles], axis=0)
    return max(0.0, float(bright.max()), float(dark.max())), profiles[len(profiles) // 2].position


RING_INDEX = SeriesMeasure(
    name="ring_index",
    unit="[hnsf'U]",
    label="Ring index",
    code="RING_INDEX",
    summary="Strongest ring around the middle of the image that three of four sectors show.",
    definition="Values in polar coordinates around the middle of the image, less their mean over 6 mm along the "
    "radius, where that is within 60 HU; the 25th percentile over 12 sectors of 30° of the means at one radius (for "
    "dark rings the 75th), averaged over three slices; the largest from 6 mm on. Anatomy crosses a circle in a few "
    "sectors, a detector channel that is out of calibration in all of them (in polar coordinates rings are lines: "
    "Sijbers and Postnov, Phys Med Biol 49, 2004). Own definition. Valid where the axis of rotation is the middle of "
    "the image; elsewhere rings are missed.",
    section="CT and MR series",
    rank=432,
    modalities=CT,
    each=_profile,
    take=_strongest,
    concern="A detector channel is out of calibration, or its window is dirty: rings look like small lesions near "
    "the axis. Calibrate the scanner before the next patient.",
)
