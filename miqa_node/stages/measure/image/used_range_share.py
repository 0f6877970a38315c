"""How much of the possible range of stored values an image uses."""

from __future__ import annotations

from miqa_node.libraries.plain_statistics.scales import PERCENT
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.view import ImageView


def _share(view: ImageView) -> float:
    """In percent of the range that Bits Stored and Pixel Representation allow.

    >>> USED_RANGE_SHARE.of([[0, 65535]])
    100.0
    """
    low, high = view.stored_range
    return 100.0 * (view.statistics.p99 - view.statistics.p1) / (high - low)


USED_RANGE_SHARE = ImageMeasure(
    name="used_range_share",
    unit="%",
    is_learned_soon=True,
    least_spread=1.0,
    scale=PERCENT,
    label="Used share of value range",
    code="USED_RANGE",
    summary="P99 minus P1 of the stored values over the range that they could have.",
    definition="99th minus 1st percentile of stored values, in the range that Bits Stored and Pixel Representation "
    "allow.",
    validity="Images whose Bits Stored is right: too many of them lower it.",
    tolerance="Within 0.5 on ramps.",
    section="Range and exposure",
    rank=70,
    needs="pixels",
    take=_share,
)
