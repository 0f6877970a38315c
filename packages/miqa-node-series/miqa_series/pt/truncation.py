"""Whether a PET series shows the whole body: tracer at the border of its slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.stages.measure.series_view import SliceView
from miqa_series.pt.uptake import pt_measure

BODY = 0.1


def cut_slices(parts: Sequence[tuple[float, float]]) -> float | None:
    """Share of the slices whose border is bright, of what tissue of the series is, in percent.

    >>> cut_slices([(9.0, 0.1), (9.0, 5.0)])
    50.0
    """
    bright = float(np.median([tissue for tissue, _ in parts])) if parts else 0.0
    return 100.0 * float(np.mean([end > BODY * bright for _, end in parts])) if bright > 0 else None


def _part(view: SliceView) -> tuple[float, float]:
    """The bright value of the slice, and the largest at its border that a tenth of the border reaches."""
    values = view.values
    ends = np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])
    return float(np.quantile(values, 0.99)), float(np.quantile(ends, 0.9))


PT_TRUNCATION = pt_measure(
    name="pt_truncation",
    unit="%",
    label="Slices with tracer at the border",
    summary="Share of the slices at whose border the body is cut off.",
    definition="Slices of which a tenth of the border lies above a tenth of the median, over the slices, of their "
    "99th percentile.",
    validity="PET series. Arms beside the body count, too.",
    tolerance="Exact for four drawn slices, one of them cut; on real ones not known.",
    decimals=0,
    rank=921,
    each=_part,
    take=lambda _, parts: cut_slices(parts),
)
