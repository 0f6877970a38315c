"""Rings around the axis of rotation on a CT series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.libraries.plain_statistics.robust import TO_SIGMA
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import SeriesView, SliceView, Values
from miqa_node.stages.measure.volumes import by_volume
from miqa_node.stages.measure.where import place_of_slice
from miqa_series.ct.body import ct_measure, ct_slice

ANGLES = 360
SECTORS = 12
MIN_SECTORS = 6
"""In a chest lungs and ribs leave no more at some radii, because of their edges."""
MIN_PIXELS = 5.0
"""A sector counts with so many of its 30 angles free of edges, in the mean of the slices that are averaged. With
four sectors more rings beside lungs are found, but noise of 8 HU that is added to a chest makes rings of 12 HU."""
ALONG = 5
"""Neighbouring angles that are averaged: a ring goes on, noise does not."""
RANGE_HU = (-1100.0, 500.0)
HIGH_PASS_MM = 6.0
STEEP_HU = 60.0
"""Where the values differ so much from their surroundings there is an edge, beside which nothing is searched."""
MIN_RADIUS_MM = 20.0
"""A trachea, an aorta or a vertebra around the middle of the image is a ring of less; in real chests of 40 HU."""
AGREEMENT = 25.0
"""Percentile of the sectors: three quarters of them must show the ring."""
ERRORS = 3.0
"""Standard errors of the median that are taken away from it: sectors that differ much show anatomy or noise."""
MEDIAN_ERROR = 1.2533
"""Standard error of the median over that of the mean (normal distribution)."""
NEIGHBOURS = 3
"""Rings go on from slice to slice, noise does not: so many slices are averaged."""


class RingSectors(NamedTuple):
    """Values less their surroundings along the radius, by sector and distance from the middle in pixels.

    ``counts`` says of how many angles each is the mean: those without an edge nearby.
    """

    position: int
    sectors: NDArray[np.float16]
    counts: NDArray[np.uint8]


def _sectors(view: SliceView) -> RingSectors | None:
    plane = view.once(ct_slice)
    if plane is None:
        return None
    return ring_sectors(view.index, plane.image, plane.spacing_mm)


def ring_sectors(position: int, image: Values, spacing_mm: float) -> RingSectors:
    """The rings of a slice, at this position in the series."""
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
    counts[:, : max(4, round(MIN_RADIUS_MM / spacing_mm))] = 0.0
    counts[:, length - width :] = 0.0  # the field ends there, often with a step
    means = sums / np.maximum(counts, 1.0)
    return RingSectors(position, means.astype(np.float16), counts.astype(np.uint8))


def _strongest(series: SeriesView, parts: Sequence[RingSectors]) -> Measurement | None:
    """Slices of other volumes at the same place do not count as neighbours: they show the same anatomy."""
    runs = [near for stack in by_volume(series, parts) for near in neighbours(stack)]
    rings = [(strongest_ring(near), near[(len(near) - 1) // 2].position) for near in runs]
    if not rings:
        return None
    height, middle = max(rings)
    return Measurement("ring_index", height, "[hnsf'U]", place_of_slice(series, middle))


def neighbours(stack: Sequence[RingSectors]) -> list[Sequence[RingSectors]]:
    """All runs of slices that are averaged; the whole stack if it is shorter than one."""
    ends = range(min(len(stack), NEIGHBOURS), len(stack) + 1) if stack else ()
    return [stack[max(0, end - NEIGHBOURS) : end] for end in ends]


def strongest_ring(slices: Sequence[RingSectors]) -> float:
    """The strongest ring of the mean of some slices, in HU; 0 if none is sure.

    >>> ring, many = np.zeros((12, 40), np.float16), np.full((12, 40), 30, np.uint8); ring[:, 20] = 12.0
    >>> organ = np.zeros((12, 40), np.float16); organ[:4, 20] = 60.0
    >>> strongest_ring([RingSectors(0, ring, many)] * 2), strongest_ring([RingSectors(0, organ, many)])
    (12.0, 0.0)
    """
    length = min(one.sectors.shape[1] for one in slices)
    counts = np.stack([one.counts[:, :length] for one in slices]).astype(np.float32)
    sums = np.stack([one.sectors[:, :length] for one in slices]) * counts
    total = counts.sum(axis=0)
    mean = np.where(total >= MIN_PIXELS * len(slices), sums.sum(axis=0) / np.maximum(total, 1.0), np.nan)
    enough = np.isfinite(mean).sum(axis=0) >= MIN_SECTORS
    if not enough.any():
        return 0.0
    low, median, high = _quantiles(mean[:, enough], (AGREEMENT, 50.0, 100.0 - AGREEMENT))
    deviations = np.abs(mean[:, enough] - median)
    count = np.isfinite(deviations).sum(axis=0)
    error = MEDIAN_ERROR * TO_SIGMA * _quantiles(deviations, (50.0,))[0] / np.sqrt(count)
    sure = np.minimum(np.maximum(low, -high), np.abs(median) - ERRORS * error)
    return max(0.0, float(sure.max()))


def _quantiles(values: NDArray[np.float32], percents: Sequence[float]) -> list[NDArray[np.float32]]:
    """Percentiles of each column without its NaN (np.nanpercentile goes through the columns one by one)."""
    ordered = np.sort(values, axis=0)  # NaN comes last
    last = np.isfinite(ordered).sum(axis=0) - 1
    columns, quantiles = np.arange(ordered.shape[1]), []
    for percent in percents:
        place = last * (percent / 100.0)
        below = np.floor(place).astype(int)
        above = np.minimum(below + 1, last)
        share = (place - below).astype(np.float32)
        quantiles.append(ordered[below, columns] * (1.0 - share) + ordered[above, columns] * share)
    return quantiles


RING_INDEX = ct_measure(
    name="ring_index",
    unit="[hnsf'U]",
    least_spread=0.3,
    least_spread_share=0.05,
    scale=POSITIVE,
    label="Ring index",
    summary="Strongest ring around the middle of the image that three of four sectors show.",
    definition="Values in polar coordinates around the middle of the image, less their mean over 6 mm along the "
    "radius, where that is within 60 HU, in 12 sectors of 30°, averaged over three slices; a sector counts with five "
    "free angles a slice, a radius with six sectors. At each radius the smaller of two numbers: the 25th percentile "
    "of the sectors (for dark rings the 75th), and their median less three times its standard error; the largest from "
    "20 mm on, without the outermost 6 mm of the image. Anatomy crosses a circle in a few sectors, a detector channel "
    "that is out of calibration in all of them (in polar coordinates rings are lines: Sijbers and Postnov, "
    "Phys Med Biol 49, 2004). Own definition.",
    validity="Series whose axis of rotation is the middle of the image; elsewhere, in lung, in air and within 20 mm "
    "of the middle rings are missed.",
    tolerance="Whole series without rings reach 1 to 5 HU, with noise added 6. Rings of 10 to 40 HU give two thirds of "
    "that if they are 2 mm wide, two fifths if 4 mm; repeated with other noise within 1.5 HU.",
    agreement_share=0.15,
    proof="Drawn rings: the share that the mean over 6 mm along the radius leaves of them.",
    decimals=1,
    rank=432,
    each=_sectors,
    take=_strongest,
    along="alone",
    concern="A detector channel is out of calibration, or its window is dirty: rings look like small lesions near "
    "the axis. Calibrate the scanner before the next patient.",
)
