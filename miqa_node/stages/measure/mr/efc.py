"""Ghosts and blur of an MR series together: the entropy focus criterion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.mr.patient import MR, magnitude
from miqa_node.stages.measure.series_view import SeriesView, SliceView


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
    """Atkinson et al., IEEE TMI 16, 1997, divided by its maximum as in MRIQC; None without any signal.

    >>> round(entropy_focus(None, [SignalSums(100.0, 100.0, 0.0, 100)]), 6)  # all pixels are equal
    1.0
    """
    square = sum(one.square for one in parts)
    if square <= 0.0:
        return None
    largest, pixels = math.sqrt(square), sum(one.pixels for one in parts)
    entropy = (sum(one.logarithm for one in parts) - math.log(largest) * sum(one.total for one in parts)) / largest
    root = 1.0 / math.sqrt(pixels)
    return entropy / (pixels * root * math.log(root))


MR_EFC = SeriesMeasure(
    name="mr_efc",
    unit="1",
    least_spread=0.01,
    label="Entropy focus criterion",
    code="MR_EFC",
    summary="Entropy of the signal over its greatest value: ghosts and blur raise it.",
    definition="Entropy focus criterion (Atkinson et al., IEEE TMI 16, 1997) over all pixels, divided by its greatest "
    "possible value as in MRIQC.",
    validity="Any MR series; ghosts and motion raise it, and so does the anatomy: compare series of one protocol and "
    "body part.",
    tolerance="MRIQC's formula within 0.01 %; repeated with other noise within 0.001.",
    section="CT and MR series",
    rank=500,
    modalities=MR,
    each=_sums,
    take=entropy_focus,
    along="alone",
)
