"""Shares of pixels at the ends of the range, and the share that only the window clips."""

from __future__ import annotations

from functools import partial

import numpy as np

from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.image.brightness import shares
from miqa_node.stages.measure.view import ImageView


def _at_minimum(view: ImageView) -> float:
    """In percent.

    >>> PIXELS_AT_MINIMUM.of([[0, 0, 0, 65535]])
    75.0
    """
    share = view.once(shares)
    return 100.0 * float(share[np.flatnonzero(share)[0]])


def _at_maximum(view: ImageView) -> float:
    """In percent.

    >>> PIXELS_AT_MAXIMUM.of([[0, 0, 0, 65535]])
    25.0
    """
    share = view.once(shares)
    return 100.0 * float(share[np.flatnonzero(share)[-1]])


def _clipped(view: ImageView) -> float:
    """In percent: nothing is clipped where display and stored values are the same.

    >>> CLIPPED_BY_VOI.of([[0, 0, 0, 65535]])
    0.0
    """
    share, statistics = view.once(shares), view.statistics
    clipped = (share[0] + share[-1]) - (statistics.share_lowest + statistics.share_highest)
    return 100.0 * max(0.0, float(clipped))


_share = partial(ImageMeasure, unit="%", section="Range and exposure")
PIXELS_AT_MINIMUM = _share(
    name="pixels_at_minimum",
    label="Pixels at lowest value",
    code="AT_MINIMUM",
    summary="Share of the pixels that have the lowest stored value.",
    definition="Pixels with the darkest presentation value that occurs.",
    validity="Any image. Direct exposure, collimation and clipping give large shares alike.",
    tolerance="Pixels are counted: within 0.5 on a drawn image.",
    rank=80,
    take=_at_minimum,
)
PIXELS_AT_MAXIMUM = _share(
    name="pixels_at_maximum",
    label="Pixels at highest value",
    code="AT_MAXIMUM",
    summary="Share of the pixels that have the highest stored value.",
    definition="Pixels with the brightest presentation value that occurs.",
    validity="As `pixels_at_minimum`.",
    tolerance="As `pixels_at_minimum`.",
    rank=90,
    take=_at_maximum,
)
CLIPPED_BY_VOI = _share(
    name="clipped_by_voi",
    label="Clipped by window",
    summary="Share of the pixels that the display window makes black or white.",
    definition="Pixels shown as pure black or white although their stored value is not the image's lowest or "
    "highest: what only the window cuts off.",
    validity="Images that have a window; of others it is 0.",
    tolerance="Within 2 of a known share.",
    rank=100,
    take=_clipped,
)
