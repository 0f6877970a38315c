"""Ghosts and blur of an MR series together: the entropy focus criterion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.libraries.plain_statistics.scales import FRACTION
from miqa_node.stages.measure.base import LEAST_SIDE_PX
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_series.mr.patient import magnitude, mr_measure

EQUAL = 1e-9
"""Of squares: pixels that differ by less are equal."""


class SignalSums(NamedTuple):
    """Σ v, Σ v², Σ v·ln v and the number of pixels of a slice."""

    total: float
    square: float
    logarithm: float
    pixels: int


def _sums(view: SliceView) -> SignalSums:
    exact = view.once(magnitude).astype(np.float64)
    return SignalSums(
        float(exact.sum()),
        float((exact * exact).sum()),
        float((exact * np.log(exact + 1e-16)).sum()),
        exact.size,
    )


def entropy_focus(_: SeriesView | None, parts: Sequence[SignalSums]) -> float | None:
    """Atkinson et al., IEEE TMI 16, 1997, divided by its maximum as in MRIQC; None where all pixels are equal.

    >>> entropy_focus(None, [SignalSums(100.0, 100.0, 0.0, 100)])
    >>> round(entropy_focus(None, [SignalSums(2.0, 2.0, 0.0, 100), SignalSums(0.0, 0.0, 0.0, 100)]), 3)
    0.013
    """
    square, total = (sum(values) for values in ((one.square for one in parts), (one.total for one in parts)))
    if square * sum(one.pixels for one in parts) <= total * total * (1.0 + EQUAL):
        return None
    largest, pixels = math.sqrt(square), sum(one.pixels for one in parts)
    entropy = (sum(one.logarithm for one in parts) - math.log(largest) * sum(one.total for one in parts)) / largest
    root = 1.0 / math.sqrt(pixels)
    return entropy / (pixels * root * math.log(root))


def _of_series(series: SeriesView, parts: Sequence[SignalSums]) -> float | None:
    first = series.slices[0]
    return None if min(first.rows, first.columns) < LEAST_SIDE_PX else entropy_focus(series, parts)


MR_EFC = mr_measure(
    name="mr_efc",
    unit="1",
    least_spread=0.01,
    scale=FRACTION,
    label="Entropy focus criterion",
    summary="Entropy of the signal over its greatest value: ghosts and blur raise it.",
    left_out=Phrase("All pixels have one value, or the slices have fewer than 32 pixels a side."),
    definition="Entropy focus criterion (Atkinson et al., IEEE TMI 16, 1997) over all pixels, divided by its greatest "
    "possible value as in MRIQC.",
    validity="Any MR series; ghosts and motion raise it, and so does the anatomy: compare series of one protocol and "
    "body part.",
    tolerance="MRIQC's formula within 0.01 %; repeated with other noise within 0.001.",
    agreement_share=0.0001,
    proof="MRIQC's formula, written apart, on a drawn head.",
    decimals=3,
    rank=500,
    needs="pixels",
    each=_sums,
    take=_of_series,
    along="alone",
)
