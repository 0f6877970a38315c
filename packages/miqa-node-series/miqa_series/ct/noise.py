"""Noise of a CT series: the most frequent standard deviation of soft tissue."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_node.stages.measure.where import place_of_slice
from miqa_series.ct.body import ct_measure, soft_tissue
from miqa_series.stacks.whole import usual_around

CLASS_HU = 0.5
MAX_HU = 200.0
CLASSES = round(MAX_HU / CLASS_HU)
APART = 2.5
"""Two neighbouring slices with so many times the noise of those around them speak for the series.

In twelve slices of a chest it is 1.1 at most.
"""
LEAST_WINDOWS = 1000
LEAST_SHARE = 0.1
"""Two slices with fewer windows of soft tissue, or with less than this share of the most, have no noise of their own:
at the vertex what looks like soft tissue is the edge of the skull."""
Counts = NDArray[np.intp]


class SliceNoise(NamedTuple):
    """The standard deviations of the slice with this position in the series."""

    position: int
    counts: Counts


def noise_histogram(view: SliceView) -> Counts | None:
    """Standard deviations of the windows of soft tissue, in classes of half a HU; None without a body."""
    soft = view.once(soft_tissue)
    if soft is None:
        return None
    classes = np.minimum((soft.deviations / CLASS_HU).astype(int), CLASSES - 1)
    return np.bincount(classes, minlength=CLASSES)


def most_frequent(histograms: Sequence[Counts]) -> float | None:
    """The centre of the highest class of the summed histograms, smoothed over five classes; None if they are empty.

    >>> counts = np.zeros(CLASSES, int); counts[18:23] = (1, 5, 9, 5, 1)
    >>> most_frequent([counts, counts])
    10.25
    """
    total = sum((one.astype(np.float64) for one in histograms), np.zeros(CLASSES))
    if not total.any():
        return None
    smooth = np.convolve(total, np.ones(5) / 5, mode="same")
    return (float(smooth.argmax()) + 0.5) * CLASS_HU


def histogram_of(view: SliceView) -> Counts | None:
    """The same, computed once."""
    return view.once(noise_histogram)


def _counts(view: SliceView) -> SliceNoise | None:
    counts = histogram_of(view)
    return None if counts is None else SliceNoise(view.index, counts)


def _noise(series: SeriesView, parts: Sequence[SliceNoise]) -> Measurement | None:
    every = most_frequent([one.counts for one in parts])
    if every is None:
        return None
    least = LEAST_SHARE * max((windows_of(*pair) for pair in pairwise(parts)), default=0)
    noises = np.array([pair_noise(*pair) if windows_of(*pair) >= least else 0.0 for pair in pairwise(parts)])
    stand_out = [place for place, noise in enumerate(noises) if noise and noise > APART * usual_around(noises, place)]
    worst = max(stand_out, key=lambda place: float(noises[place]), default=-1)
    if worst < 0 or noises[worst] <= every:
        return Measurement("ct_noise", every, "[hnsf'U]")
    return Measurement("ct_noise", float(noises[worst]), "[hnsf'U]", place_of_slice(series, parts[worst].position))


def pair_noise(one: SliceNoise, other: SliceNoise) -> float:
    """Noise of two neighbouring slices; 0 with too little soft tissue.

    >>> counts = np.zeros(CLASSES, int); counts[18:23] = (100, 500, 900, 500, 100)
    >>> pair_noise(SliceNoise(0, counts), SliceNoise(1, counts)), pair_noise(*[SliceNoise(0, counts // 10)] * 2)
    (10.25, 0.0)
    """
    if windows_of(one, other) < LEAST_WINDOWS:
        return 0.0
    return most_frequent([one.counts, other.counts]) or 0.0


def windows_of(one: SliceNoise, other: SliceNoise) -> int:
    """Number of windows of soft tissue in two slices."""
    return int(one.counts.sum() + other.counts.sum())


CT_NOISE = ct_measure(
    name="ct_noise",
    unit="[hnsf'U]",
    least_spread_share=0.03,
    scale=POSITIVE,
    label="Noise in soft tissue",
    summary="Most frequent standard deviation in 6 mm windows of 0 to 100 HU.",
    definition="Most frequent standard deviation in 6 mm windows that lie in the body and have a mean of 0 to 100 HU "
    "(global noise level, Christianson et al., AJR 205, 2015), corrected for the small number of pixels in a window by "
    "√(n/(n−2)). Of the two neighbouring slices with the most noise, if that is over 2.5 times the median of 12 "
    "around and they have a tenth of the most windows; what is derived from it keeps that of all.",
    validity="Bodies with soft tissue in the field. Kernels, slice thickness and dose change it: only series of one "
    "protocol can be compared.",
    tolerance="Within 7 % for white noise of 8 to 40 HU. Noise that a kernel smooths over 1 pixel comes out by a sixth "
    "too low, because the window takes its long waves away. In steps of 0.5 HU; repeated within 0.5 HU.",
    agreement_share=0.07,
    proof="White noise of 8 to 40 HU in a drawn body.",
    decimals=1,
    rank=400,
    each=_counts,
    take=_noise,
    along="alone",
    concern="So much noise hides low-contrast lesions: the dose was too low for this body, or the kernel too sharp.",
)
