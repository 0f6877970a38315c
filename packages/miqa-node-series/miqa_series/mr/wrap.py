"""Fold-over in an MR series: what leaves the field of view at one end of the phase direction comes in at the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.measure.series_view import Mask, SliceView, Values
from miqa_series.mr.patient import mr_measure, mr_slice, threshold

LINES = 2
"""Lines at each end whose mean is compared: fewer are noisy, more leave the edge."""
MARKED_LINES = 3
"""Lines at each end in the mask: a strip of two is hardly seen."""
LEAST_LINES = 16
FULL_LINE = 0.9
"""Share of the pixels of a line that have a value where noise was acquired."""
LEAST_PX = 4
MOST_CHANGE = 1.5
"""From one end to the other the signal may change this many times as much as between neighbours at one end."""
LEAST_LIKENESS = 0.5
SLICES_PERCENTILE = 80.0


class WrapSignal(NamedTuple):
    """Where the signal goes on from one end of a direction to the other, in percent of the line, and those pixels."""

    share: float
    mask: Mask


def continuing(image: Values, level: float) -> tuple[float, NDArray[np.bool_], slice]:
    """Share (%) of a line on which signal goes on from the last row to the first; where; and the rows with values.

    A head that is shifted by half an image goes on; one that lies in the middle does not reach the ends.

    >>> head = np.zeros((32, 32), np.float32); head[8:24, 8:24] = 100.0 + np.arange(16.0)
    >>> [round(continuing(np.roll(head, by, axis=0), 50.0)[0]) for by in (0, 16)]
    [0, 50]
    """
    nowhere = np.zeros(image.shape[1], bool)
    inside = _acquired(image)
    if inside.stop - inside.start < LEAST_LINES:
        return 0.0, nowhere, inside
    lines = image[inside].astype(np.float64)
    first, second, before, last = (
        lines[part].mean(axis=0)
        for part in (slice(0, LINES), slice(LINES, 2 * LINES), slice(-2 * LINES, -LINES), slice(-LINES, None))
    )
    both = (first > level) & (last > level)
    if np.count_nonzero(both) < LEAST_PX or not _goes_on(*(one[both] for one in (first, second, before, last))):
        return 0.0, nowhere, inside
    return 100.0 * float(both.mean()), both, inside


def _acquired(image: Values) -> slice:
    """The rows without the padding that makes a narrow field square: zeros next to full lines of noise."""
    values = np.count_nonzero(image, axis=1)
    rows = np.flatnonzero(values)
    if not len(rows) or min(values[rows[0]], values[rows[-1]]) < FULL_LINE * image.shape[1]:
        return slice(0, image.shape[0])  # here air is zero, and the first line with values is the edge of the body
    return slice(int(rows[0]), int(rows[-1]) + 1)


def _goes_on(
    first: NDArray[np.float64], second: NDArray[np.float64], before: NDArray[np.float64], last: NDArray[np.float64]
) -> bool:
    across = float(np.median(np.abs(first - last)))
    beside = float(np.median(np.abs(first - second)) + np.median(np.abs(last - before))) / 2.0
    if across > MOST_CHANGE * beside:
        return False
    likeness = float(((first - first.mean()) * (last - last.mean())).mean())
    return likeness >= LEAST_LIKENESS * float(first.std() * last.std())


def _along(plane: Values, level: float, *, columns: bool) -> WrapSignal:
    share, both, inside = continuing(plane if columns else plane.T, level)
    mask = np.zeros(plane.shape if columns else plane.T.shape, bool)
    if share > 0.0:
        mask[inside.start : inside.start + MARKED_LINES, both] = True
        mask[inside.stop - MARKED_LINES : inside.stop, both] = True
    return WrapSignal(share, mask if columns else mask.T)


def _wrap(view: SliceView) -> WrapSignal | None:
    plane = view.once(mr_slice)
    if plane is None:
        return None
    columns = view.header.phase_columns
    directions = (True, False) if columns is None else (columns,)
    level = view.series.once(threshold)
    return max((_along(plane.values, level, columns=one) for one in directions), key=lambda one: one.share)


def _share(view: SliceView) -> float | None:
    wrap = view.once(_wrap)
    return None if wrap is None else wrap.share


def _mask(view: SliceView) -> Mask | None:
    wrap = view.once(_wrap)
    return wrap.mask if wrap is not None and wrap.share > 0.0 else None


MR_WRAP = mr_measure(
    name="mr_wrap",
    unit="%",
    label="Body at end of phase direction",
    summary="Share of the edge across which the body goes on at the opposite end of the phase direction.",
    definition="Share of the edge at the end of the phase direction on which there is signal at both ends and goes on "
    "from one to the other: an image with fold-over is periodic, so its first and last lines are neighbours. It counts "
    "where the means of the two outermost lines at both ends differ by at most 1.5 times the difference of neighbours "
    "and correlate by 0.5 or more; value that a fifth of the slices reach. A body that reaches both ends without "
    "folding over shows another anatomy there and does not count, nor does even tissue, which says "
    "nothing of it. Own definition.",
    validity="Any MR series. Both directions are measured where the header lacks In-plane Phase Encoding Direction. "
    "Where what folds over is dark, or falls on other anatomy, it is not tested.",
    tolerance="Within 2 of the folded width of drawn heads; 0 on the three scanners of the "
    "[trial](../explanation/series.md) without, 33 to 82 with fold-over.",
    agreement=2,
    proof="The folded width of a drawn head.",
    decimals=0,
    rank=560,
    each=_share,
    take=lambda _, parts: float(np.percentile(parts, SLICES_PERCENTILE)) if parts else None,
    along="alone",
    mask=_mask,
    concern="The body is larger than the field of view in the phase direction and folds over what is to be seen: widen "
    "the field of view, oversample or saturate.",
)
