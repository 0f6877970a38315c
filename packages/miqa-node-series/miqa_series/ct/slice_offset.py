"""A slice of a CT whose values are shifted against those of its neighbours: it was scaled or calibrated otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.core.domain.assessment import Measurement
from miqa_node.stages.measure.series_view import SeriesView, SliceView, Values
from miqa_node.stages.measure.volumes import by_volume
from miqa_node.stages.measure.where import place_of_slice
from miqa_series.ct.body import AIR_HU, BODY_HU, ct_measure, ct_slice

THUMBNAIL_PX = 64
MIN_SLICES = 5
SAME_HU = 30.0
"""The neighbours of a slice show the same tissue where they differ by less."""
LEAST_SHARE = 0.02
"""Of the picture: less of the same tissue is too little to compare."""
LEAST_MARKED = 20.0
"""HU: a slice that is shifted by less is not marked, whatever the limit of a site."""


class SliceTissue(NamedTuple):
    """The slice's position in the series and a small copy of it in HU."""

    position: int
    small: Values


def _tissue(view: SliceView) -> SliceTissue | None:
    plane = view.once(ct_slice)
    if plane is None:
        return None
    small = cv2.resize(np.maximum(plane.image, AIR_HU), (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return SliceTissue(view.index, np.asarray(small, np.float32))


def offset(here: Values, before: Values, after: Values) -> float | None:
    """Median shift in HU against two slices, where they show the same tissue; None if that is too little.

    >>> body = np.full((8, 8), 40.0, np.float32)
    >>> offset(body + 100.0, body, body + 10.0), offset(body, body, body + 100.0)
    (95.0, None)
    """
    same = (np.abs(before - after) < SAME_HU) & (before + after > 2 * BODY_HU)
    if np.count_nonzero(same) < LEAST_SHARE * same.size:
        return None
    return float(np.median(here[same] - (before[same] + after[same]) / 2.0))


def offsets(volume: Sequence[Values]) -> list[float]:
    """The shift of each slice of a volume, by the slices before and after it; of one at an end by the next two.

    Next to a slice that is shifted nothing shows the same tissue: 0 stands for that.
    """
    last = len(volume) - 1
    neighbours = [(index - 1, index + 1) for index in range(len(volume))]
    neighbours[0], neighbours[last] = (1, 2), (last - 1, last - 2)
    return [
        offset(here, volume[before], volume[after]) or 0.0
        for here, (before, after) in zip(volume, neighbours, strict=True)
    ]


def _offsets(series: SeriesView, parts: Mapping[int, SliceTissue]) -> dict[int, float]:
    by_position: dict[int, float] = {}
    for volume in by_volume(series, parts.values()):
        if len(volume) >= MIN_SLICES:
            values = offsets([part.small for part in volume])
            by_position |= zip((part.position for part in volume), values, strict=True)
    return by_position


def _worst(series: SeriesView, parts: Sequence[SliceTissue]) -> tuple[int, float] | None:
    by_position = _offsets(series, {part.position: part for part in parts})
    return max(by_position.items(), key=lambda one: abs(one[1]), default=None)


def _offset(series: SeriesView, parts: Sequence[SliceTissue]) -> Measurement | None:
    worst = _worst(series, parts)
    return worst and Measurement("slice_offset", abs(worst[1]), "[hnsf'U]", place_of_slice(series, worst[0]))


def _outlier(series: SeriesView, parts: Sequence[SliceTissue]) -> list[int]:
    worst = _worst(series, parts)
    return [] if worst is None or abs(worst[1]) < LEAST_MARKED else [worst[0]]


SLICE_OFFSET = ct_measure(
    name="slice_offset",
    unit="[hnsf'U]",
    label="Shift of a slice's values",
    summary="Largest shift of a slice's Hounsfield units against the slices beside it.",
    definition="Median difference of a slice from the mean of the slices before and after it, as copies of 64 × 64 "
    "pixels, inside the body where those two differ by less than 30 HU; of the first and the last slice against the "
    "next two. Its size on the worst slice. Own definition.",
    validity="Volumes of 5 slices or more whose neighbours show the same tissue in 2 % of the picture; other slices "
    "are left out.",
    tolerance="Within 5 for a slice that is shifted by 100; less than 5 in even drawn bodies.",
    agreement=5.0,
    proof="A slice of a drawn chest shifted by a known amount.",
    decimals=0,
    rank=434,
    each=_tissue,
    take=_offset,
    outliers=_outlier,
    along=_offsets,
    concern="The values of this slice do not mean what those of the others mean: densities, and what is computed from "
    "them, are wrong there. Send the series again or check it at the scanner.",
)
