"""Counts of an image of nuclear medicine, what its border cuts off, and how even a flood is."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import PERCENT, POSITIVE
from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.frames import usual_of
from miqa_node.stages.measure.series_view import SliceView

KERNEL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 16
"""The nine-point filter of NEMA NU 1."""
FLOOD_SHARE, EVEN = 0.35, 0.5
"""A flood fills this share of the picture with at least half of its median, and hardly anything is brighter."""
USEFUL = 0.95
CUT = 0.1
FLAT = 1.6
Counts = NDArray[np.float32]


class CountParts(NamedTuple):
    """Of one frame: the sum of its counts, the share of the border with tracer, and the uniformity of a flood."""

    total: float
    border: float
    uniformity: float | None


def uniformity(counts: Counts) -> float | None:
    """Integral uniformity, (max - min) / (max + min) in percent, of the useful field; None unless it is a flood.

    >>> flood = np.full((64, 64), 100.0, np.float32)
    >>> flood[20:30, 20:30] = 50.0
    >>> round(uniformity(flood), 1), uniformity(np.eye(64, dtype=np.float32))
    (33.3, None)
    """
    smooth = cv2.filter2D(counts, -1, KERNEL, borderType=cv2.BORDER_REPLICATE)
    positive = smooth[smooth > 0.05 * smooth.max()]
    if not positive.size:
        return None
    usual_count = float(np.median(positive))
    field = (smooth > EVEN * usual_count).astype(np.uint8)
    if field.mean() < FLOOD_SHARE or float(np.quantile(positive, 0.99)) > FLAT * usual_count:
        return None
    whole = cv2.morphologyEx(field, cv2.MORPH_CLOSE, np.ones((25, 25), np.uint8), borderValue=0)
    rows, columns = whole.any(axis=1).sum(), whole.any(axis=0).sum()
    cut = max(1, round((1 - USEFUL) / 2 * min(rows, columns)))
    useful = cv2.erode(whole, np.ones((2 * cut + 1, 2 * cut + 1), np.uint8), borderValue=0) > 0
    if not useful.any():
        return None
    low, high = float(smooth[useful].min()), float(smooth[useful].max())
    return 100.0 * (high - low) / (high + low)


def border_share(counts: Counts) -> float:
    """Share of the border with more than a tenth of the bright counts, in percent.

    >>> picture = np.zeros((3, 3), np.float32)
    >>> picture[0, :2] = 9
    >>> border_share(picture)
    25.0
    """
    limit = CUT * float(np.quantile(counts[counts > 0], 0.9)) if (counts > 0).any() else 0.0
    ends = np.concatenate([counts[0], counts[-1], counts[1:-1, 0], counts[1:-1, -1]])
    return 100.0 * float((ends > limit).mean())


def _part(view: SliceView) -> CountParts:
    counts = np.maximum(view.values, 0)
    smooth = np.asarray(cv2.blur(counts, (3, 3), borderType=cv2.BORDER_REPLICATE), np.float32)
    return CountParts(float(counts.sum(dtype=np.float64)), border_share(smooth), uniformity(counts))


_measure = partial(FramesMeasure, section="Nuclear medicine", modalities=("NM",), each=_part)
NM_COUNTS = _measure(
    name="nm_counts",
    unit="{counts}",
    least_spread_share=0.05,
    scale=POSITIVE,
    label="Counts of a frame",
    summary="Sum of the stored values of a frame.",
    definition="Median over the frames of the sum of their rescaled values above 0.",
    validity="Images whose values are counts: those that were scaled for display have none.",
    tolerance="Exact sum; on the scan of GE Millennium MG within 1 % of Counts Accumulated (0018,0070).",
    rank=910,
    needs="pixels",
    take=usual_of(lambda one: one.total),
)
NM_TRUNCATION = _measure(
    name="nm_truncation",
    unit="%",
    label="Border with tracer",
    summary="Share of the border of the picture at which the patient is cut off.",
    definition="Share of the border's pixels, smoothed over 3 × 3, above a tenth of the 90th percentile of all that "
    "have counts; median over the frames. 0: all of the body with tracer is seen.",
    validity="Images of a body; the tracer must reach its outline.",
    tolerance="Within 1.5 of a drawn body at the border; 0 for a whole one.",
    rank=911,
    take=usual_of(lambda one: one.border),
)
NM_UNIFORMITY = _measure(
    name="nm_uniformity",
    unit="%",
    least_spread=0.5,
    scale=PERCENT,
    label="Integral uniformity of a flood",
    summary="Largest minus smallest count of a flood, over their sum.",
    definition="Integral uniformity, (max − min) / (max + min) after a nine-point filter (NEMA NU 1), in 95 % of the "
    "field, at the pixels of the picture.",
    validity="Frames that a flood fills: a third of the picture or more, and hardly a pixel above 1.6 times the "
    "median. Left out of patients.",
    tolerance="Noise raises it: an even flood of 2,000 counts a pixel gives 3, of 10,000 1.5. Holes of 10 to 50 % come "
    "out up to 3.1 too high.",
    rank=912,
    take=usual_of(lambda one: one.uniformity),
)
