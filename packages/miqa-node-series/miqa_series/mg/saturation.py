"""Saturated tissue on a mammogram: pixels of the breast at an end of the range."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import PERCENT
from miqa_node.stages.measure.frames import usual
from miqa_node.stages.measure.series_view import SliceView
from miqa_series.mg.breast import frame_breast
from miqa_series.mg.tags import mg_measure


def at_ends(stored: NDArray[np.integer], breast: NDArray[np.bool_]) -> float:
    """Share of the breast that has the highest or lowest value of the picture, in percent.

    >>> at_ends(np.array([[0, 5, 9, 9]]), np.array([[False, False, True, True]]))
    100.0
    """
    ends = (stored == stored.max()) | (stored == stored.min())
    return 100.0 * float(ends[breast].mean())


def _part(view: SliceView) -> float | None:
    breast = view.once(frame_breast)
    if breast is None:
        return None
    mask = (breast.mask if breast.wall_left else breast.mask[:, ::-1]).astype(np.uint8)
    rows, columns = view.radiograph.shape
    width, height = min(columns, int(mask.shape[1] * breast.scale)), min(rows, int(mask.shape[0] * breast.scale))
    top, left = (rows - height) // 2, (columns - width) // 2
    stored = view.radiograph.stored
    inner = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    whole = np.zeros((rows, columns), bool)
    whole[top : top + height, left : left + width] = inner
    return at_ends(stored, whole)


MG_SATURATED_SHARE = mg_measure(
    name="mg_saturated_share",
    unit="%",
    least_spread=0.2,
    scale=PERCENT,
    label="Saturated part of the breast",
    code="MG_SATURATED",
    summary="Share of the breast at the highest or lowest stored value.",
    definition="Pixels of the breast that have the highest or lowest stored value of the picture: detail there is "
    "lost.",
    validity="Images whose breast is brighter than the air beside it.",
    tolerance="Within a tenth of the share of a drawn breast.",
    rank=812,
    needs="difference",
    each=_part,
    take=lambda _, parts: usual(parts),
)
