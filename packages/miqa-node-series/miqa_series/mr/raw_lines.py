"""Lines of raw data that an MR image lacks: gaps in its spectrum along one axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import HEIGHT
from miqa_node.stages.measure.series_view import SliceView
from miqa_series.mr.patient import leaves_field, magnitude, mr_measure, mr_slice
from miqa_series.stacks.whole import SliceNumber, is_sampled, worst_slice

WIDTHS = (1, 2, 4, 8)
"""Numbers of neighbouring lines that may be lost together."""
BESIDE = 4
"""Lines on both sides that a gap is compared with, by their median."""
FIRST = 5
"""Line from which on gaps are searched: the middle of the spectrum is too steep."""
LEAST_ABOVE = 1.0
"""Nepers above the least energy: what a scanner filled with zeros, or filtered off, has no gaps."""
COUNTED = (4, 0.3)
"""Frequencies across the lines that are summed: from so many on, up to this share of the side."""
DB = 10.0 / np.log(10.0)
MIN_SIDE_PX = 64


def energies(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean logarithm of each row of a power spectrum from its middle on, both directions together."""
    rows, columns = power.shape
    across = np.abs(np.arange(columns) - columns // 2)
    band = (across >= COUNTED[0]) & (across < COUNTED[1] * columns)
    logs = np.log(power[:, band] + 1e-12 * power.max() + 1e-30).mean(axis=1)
    middle = rows // 2
    count = rows - middle
    return np.asarray((logs[middle:] + logs[middle - np.arange(count)]) / 2.0)


def deepest_gap(lines: NDArray[np.float64]) -> float:
    """How far neighbouring lines lie below those on both sides, in dB; 0 if nowhere.

    >>> lines = np.linspace(20.0, 10.0, 64); lines[20:22] -= 2.0
    >>> round(deepest_gap(lines), 1), deepest_gap(np.linspace(20.0, 10.0, 64))
    (7.0, 0.0)
    """
    floor = float(np.percentile(lines, 2)) + LEAST_ABOVE
    beside = np.median(np.lib.stride_tricks.sliding_window_view(lines, BESIDE), axis=1)
    sums = np.concatenate([[0.0], np.cumsum(lines)])
    deepest = 0.0
    for width in WIDTHS:
        first = np.arange(FIRST, len(lines) - width - BESIDE + 1)
        around = np.minimum(beside[first - BESIDE], beside[first + width])
        depths = around - (sums[first + width] - sums[first]) / width
        deepest = max(deepest, float(np.max(depths[around >= floor], initial=0.0)))
    return float(DB * deepest)


def _gap(view: SliceView) -> SliceNumber | None:
    if not is_sampled(view) or min(view.values.shape) < MIN_SIDE_PX or view.once(mr_slice) is None:
        return None
    power = np.abs(np.fft.fftshift(np.fft.fft2(view.once(magnitude)))) ** 2
    return SliceNumber(view.index, max(deepest_gap(energies(one)) for one in (power, power.T)))


MR_RAW_LINES = mr_measure(
    name="mr_raw_lines",
    unit="dB",
    least_spread=0.5,
    scale=HEIGHT,
    label="Gap in the raw data",
    summary="Depth of the deepest gap in the spectrum along one axis, on the worst slice.",
    definition="Of the power spectrum of the magnitude image the mean logarithm of each line over the frequencies "
    "across (from the fourth to 30 % of the side), with that of its mirror image. By how much the mean of 1, 2, 4 or 8 "
    "neighbouring lines lies below the lower of the medians of four lines before and after, from the fifth line on; "
    "the larger of both axes, on the worst of some 40 slices. Own definition.",
    validity="Slices of 64 × 64 pixels or more that show a patient. What was filled with zeros at the border of the "
    "raw data is no gap.",
    tolerance="Eight lines set to zero in slices of 7 scanners, next to each other or not, give 3 to 6 dB at the "
    "median and 1.7 to 35 in all; unaltered slices .5 to 2.6.",
    agreement=1.5,
    proof="Lines of one side of a spectrum set to zero: half the amplitude is left, 6.02 dB.",
    decimals=1,
    rank=556,
    unless=leaves_field,
    each=_gap,
    take=worst_slice("mr_raw_lines", "dB"),
    along="alone",
    concern="Lines of the raw data are missing: stripes and blur lie over the picture. Repeat the series; if it comes "
    "back, call the service.",
)
