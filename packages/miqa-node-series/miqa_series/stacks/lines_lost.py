"""Rows or columns of a slice that were lost on the way: lines of one value through the anatomy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.measure.base import stack_measure
from miqa_node.stages.measure.series_view import Mask, SliceView, Values
from miqa_series.stacks.whole import SliceNumber, worst_slice

MOST_LINES = 64
"""A broader band without anything lies between two things, such as hands."""
LEAST_CONTRAST = 0.5
"""Lines beside lost ones have so much of the median deviation of the lines that show anything: no object ends there."""
LEAST_LIKENESS = 0.5
"""Least correlation of the lines beside lost ones: the object goes on."""


def lines_lost(image: Values) -> NDArray[np.intp]:
    """Numbers of the rows of one value between rows that show the same thing.

    >>> image = np.random.default_rng(0).normal(size=(64, 64)) + 9.0 * np.hanning(64)
    >>> image[:9] = image[30:33] = 0.0
    >>> lines_lost(image).tolist()
    [30, 31, 32]
    """
    shown = np.flatnonzero(image.max(axis=1) > image.min(axis=1))
    ends = np.flatnonzero(np.diff(shown) > 1)
    if not ends.size:
        return np.zeros(0, np.intp)
    usual = float(np.median(image[shown].std(axis=1)))
    lost = [
        np.arange(before + 1, after)
        for before, after in zip(shown[ends].tolist(), shown[ends + 1].tolist(), strict=True)
        if after - before - 1 <= MOST_LINES and _goes_on(image[before], image[after], usual)
    ]
    return np.concatenate([np.zeros(0, np.intp), *lost])


def _goes_on(before: Values, after: Values, usual: float) -> bool:
    if min(float(before.std()), float(after.std())) < LEAST_CONTRAST * usual:
        return False
    return float(np.corrcoef(before, after)[0, 1]) >= LEAST_LIKENESS


def _lost(view: SliceView) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns."""
    return lines_lost(view.values), lines_lost(view.values.T)


def _count(view: SliceView) -> SliceNumber:
    rows, columns = view.once(_lost)
    return SliceNumber(view.index, float(len(rows) + len(columns)))


def _where(view: SliceView) -> Mask | None:
    rows, columns = view.once(_lost)
    if not len(rows) + len(columns):
        return None
    mask = np.zeros(view.values.shape, np.bool_)
    mask[rows] = True
    mask[:, columns] = True
    return mask


LINES_LOST = stack_measure(
    name="lines_lost",
    unit="1",
    report_unit="{lines}",
    label="Lost rows and columns",
    summary="Rows and columns of one value through what is shown, on the worst slice.",
    definition="Rows whose pixels all have one value, up to 64 next to each other, between two rows that deviate by "
    "half or more of what the rows of the slice usually do and that look alike (correlation of .5 or more); and "
    "columns likewise. Own definition.",
    validity="Any slice. Lines at the border of the image, and beside the end of what is shown, are not counted.",
    tolerance="Exact for lines of one value through the body.",
    agreement=0.5,
    proof="Lines of a drawn body set to one value, counted.",
    decimals=0,
    rank=349,
    modalities=("CT", "MR"),
    each=_count,
    take=worst_slice("lines_lost", "1"),
    mask=_where,
    along="alone",
    concern="Pixels of the slice were lost: what should be there is not seen. Send the series again or check it at the "
    "scanner.",
)
