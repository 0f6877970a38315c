"""Slices that show nothing where their neighbours do: pixels lost on the way, as zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.stages.measure.base import counted_slices
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_node.stages.measure.volumes import by_volume
from miqa_node.stages.measure.where import place_of_slice

THUMBNAIL_PX = 64
MIN_SLICES = 5
AIR_HU = -1000.0
LEAST_SHARE = 0.001
"""Structure below this share of what is usual in the series is none: noise of air alone has more."""
BODY_SHARE = 0.2
"""Slices with this share of the usual structure show a part of the body."""
LEAST_BODY = 0.5
"""Beside an end that is empty on purpose the body tapers off, to less than this share of the usual signal."""


class SliceContent(NamedTuple):
    """The slice's position in the series, the deviation of its pixels, and how far their mean lies above the least."""

    position: int
    deviation: float
    signal: float


def _content(view: SliceView) -> SliceContent:
    small = cv2.resize(view.values, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    small = np.maximum(small, AIR_HU).astype(np.float64)  # padding around the circle of a CT lies lower
    return SliceContent(view.index, float(small.std()), float(small.mean() - small.min()))


def blank(deviations: NDArray[np.float64], signals: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Slices of a volume without structure; at its ends only next to a slice that is full of the body.

    >>> body = np.array([0.0, 0.1, 0.8, 1.0, 0.0, 1.0, 0.9, 0.0])
    >>> blank(body, body).nonzero()[0].tolist()
    [4, 7]
    """
    usual = float(np.median(deviations[deviations > 0.0])) if (deviations > 0.0).any() else 0.0
    empty = deviations <= LEAST_SHARE * usual
    shown = np.flatnonzero(~empty & (deviations >= BODY_SHARE * usual))
    if not shown.size:
        return empty
    first, last = int(shown[0]), int(shown[-1])
    least = LEAST_BODY * float(np.median(signals[shown]))
    counted = empty.copy()
    if first > 0 and not (empty[:first].all() and signals[first] >= least):
        counted[:first] = False
    if not (empty[last + 1 :].all() and signals[last] >= least):
        counted[last + 1 :] = False
    return counted


def blank_slices(series: SeriesView, parts: Sequence[SliceContent]) -> list[int] | None:
    """Positions of the blank slices; None if no volume is long enough."""
    stacks = [read for read in by_volume(series, parts) if len(read) >= MIN_SLICES]
    if not stacks:
        return None
    blanks: list[int] = []
    for read in stacks:
        deviations, signals = np.array([part.deviation for part in read]), np.array([part.signal for part in read])
        blanks += [part.position for part, is_blank in zip(read, blank(deviations, signals), strict=True) if is_blank]
    return blanks


def _blanks(series: SeriesView, parts: Sequence[SliceContent]) -> Measurement | None:
    blanks = blank_slices(series, parts)
    if blanks is None:
        return None
    place = place_of_slice(series, min(blanks)) if blanks else ""
    return Measurement("slices_blank", float(len(blanks)), "1", place)


SLICES_BLANK = counted_slices(
    name="slices_blank",
    label="Blank slices",
    summary="Slices that show nothing where their neighbours show the body.",
    definition="Slices whose copy of 64 × 64 pixels deviates (standard deviation; from −1000 HU on) by less than a "
    "thousandth of the median of the volume. They count between slices with a fifth or more of that median; at an end, "
    "if the slice next to them has half or more of the usual mean above the darkest pixel: beside air the body tapers "
    "off. Within volumes, as `slice_jump`. Own definition.",
    validity="Volumes of 5 slices or more. A blank slice beyond the body, or beside a tapering end, is not counted.",
    tolerance="Exact for slices without any structure.",
    agreement=0.5,
    proof="Blank slices in a drawn stack, counted.",
    rank=347,
    needs="pixels",
    each=_content,
    take=_blanks,
    outliers=blank_slices,
    concern="The pixels of the slice were lost, though its header came: what should be there is not seen. Send the "
    "series again or check it at the scanner.",
)
