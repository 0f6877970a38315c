"""How many of the values between the lowest and the highest no pixel has, as after stretching of few grey levels."""

from __future__ import annotations

import numpy as np

from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.view import ImageView

FEW, MANY = 0.5, 99.5
"""Percentiles between which values are counted; beyond them they are rare anyway."""


def _unused(view: ImageView) -> float:
    """Share of unused values, in percent.

    >>> UNUSED_LEVELS.of(np.repeat([[0, 10, 20, 30]], 4, axis=0))
    87.1
    """
    low, high = np.percentile(view.stored, (FEW, MANY), method="nearest")
    inside = view.stored[(view.stored >= low) & (view.stored <= high)]
    return round(100.0 * (1.0 - len(np.unique(inside)) / (float(high) - float(low) + 1.0)), 1)


UNUSED_LEVELS = ImageMeasure(
    name="unused_levels",
    unit="%",
    least_spread=1.0,
    label="Unused grey levels",
    code="UNUSED_LEVELS",
    summary="Share of the values between the lowest and the highest that no pixel has.",
    definition="100 − 100·n / (P99.5 − P0.5 + 1) for n different stored values between both percentiles.",
    source="The comb of a stretched histogram (Stamm and Liu, IEEE Trans. Inf. Forensics Secur. 5, 2010).",
    validity="Any image; small ones have fewer pixels than values and more unused ones.",
    tolerance="Exact: it counts stored values.",
    section="Range and exposure",
    rank=65,
    take=_unused,
    concern="Fine steps of grey were lost before the image was sent.",
)
