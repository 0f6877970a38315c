"""Noise of an image on the scale of its stored values, independent of the window."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.view import ImageView

SMALLEST_SIDE = 32
MAD_TO_SIGMA = 0.6745
LEAST_BLOCKS = 256
ROWS_AT_ONCE = 128
"""Rows processed together, few enough for the processor's cache; an even number."""


def _sigma(view: ImageView) -> float | None:
    """Saturated pixels, those with the lowest or highest stored value of the image, have no noise and are excluded."""
    return noise_sigma(view.stored_values, _unsaturated(view))


def _share(view: ImageView) -> float | None:
    sigma, statistics = view.once(_sigma), view.statistics
    return (
        100.0 * sigma / (statistics.p99 - statistics.p1)
        if sigma is not None and statistics.p99 > statistics.p1
        else None
    )


_measure = partial(
    ImageMeasure,
    is_learned_soon=True,
    least_spread_share=0.05,
    scale=POSITIVE,
    section="Noise",
    least_side_px=SMALLEST_SIDE,
)
NOISE_SIGMA = _measure(
    name="noise_sigma",
    unit="1",
    label="Noise",
    summary="Standard deviation of the noise, from the median absolute deviation of the finest detail.",
    definition="Standard deviation of the noise in stored values: median of |HH| / 0.6745 over the diagonal band of "
    "the Haar wavelet (Donoho and Johnstone 1994).",
    validity="White noise; of noise that was smoothed it finds too little. Saturated pixels are left out.",
    tolerance="Within 10 % for white noise of one stored value and more; repeated within 2 %.",
    rank=150,
    take=lambda view: view.once(_sigma),
)
NOISE_SHARE = _measure(
    name="noise_share",
    unit="%",
    least_spread=0.05,
    label="Noise share of contrast",
    summary="Noise over P99 minus P1 of the stored values.",
    definition="`noise_sigma` in the range between the 1st and 99th percentile of stored values.",
    validity="As `noise_sigma`. Images of any gain and offset can be compared.",
    tolerance="As `noise_sigma`; repeated with other noise within 2 %.",
    phrase="noise {percent} of the contrast",
    phrase_rank=50,
    rank=160,
    take=_share,
)


def noise_sigma(stored: NDArray[np.integer], usable: NDArray[np.bool_] | None) -> float | None:
    """Standard deviation of white noise: median of |HH| / 0.6745 over the Haar HH band (Donoho, Johnstone 1994).

    ``usable`` says which pixels count, None for all; a 2 × 2 block counts if all four pixels do. The median is
    interpolated inside its integer class, which resolves noise below one stored value; for values deeper than 16
    bits it is not interpolated.

    >>> values = np.random.default_rng(0).normal(1000.0, 5.0, (200, 200)).astype(np.uint16)
    >>> 4.75 < noise_sigma(values, None) < 5.25
    True
    """
    if stored.dtype.itemsize > 2:
        diagonal = _usable(details(stored), usable)
        return float(np.median(diagonal)) / 2.0 / MAD_TO_SIGMA if diagonal.size >= LEAST_BLOCKS else None
    counts = np.zeros(0, np.intp)
    for row in range(0, len(stored), ROWS_AT_ONCE):
        part = slice(row, row + ROWS_AT_ONCE)
        diagonal = _usable(details(stored[part]), None if usable is None else usable[part])
        before, counts = counts, np.bincount(diagonal, minlength=len(counts))
        counts[: len(before)] += before
    return _sigma_of_counts(counts)


def details(stored: NDArray[np.integer]) -> NDArray[np.signedinteger]:
    """2 · |HH| of each block of 2 × 2 pixels, (rows, columns) of blocks; an odd last row or column is left out."""
    rows, columns = stored.shape[0] // 2 * 2, stored.shape[1] // 2 * 2
    # Rows first, as they are contiguous: only half of the pixels remain for the strided differences.
    above, below = stored[0:rows:2, :columns], stored[1:rows:2, :columns]
    wide = (np.int16, np.int32, np.int64)[min(stored.dtype.itemsize - 1, 2)]
    differences = np.subtract(above, below, dtype=wide)
    diagonal: NDArray[np.signedinteger] = np.abs(differences[:, 0::2] - differences[:, 1::2])
    return diagonal


def sigma_of(diagonal: NDArray[np.signedinteger]) -> float | None:
    """As :func:`noise_sigma`, of chosen :func:`details` of values of up to 16 bits; None of too few."""
    return _sigma_of_counts(np.bincount(diagonal.ravel()))


def _sigma_of_counts(counts: NDArray[np.intp]) -> float | None:
    return _grouped_median(counts) / 2.0 / MAD_TO_SIGMA if counts.sum() >= LEAST_BLOCKS else None


def _usable(diagonal: NDArray[np.signedinteger], usable: NDArray[np.bool_] | None) -> NDArray[np.signedinteger]:
    """The details of blocks whose four pixels count."""
    if usable is None:
        return diagonal.ravel()
    rows, columns = (2 * length for length in diagonal.shape)
    pairs = usable[:rows, 0:columns:2] & usable[:rows, 1:columns:2]
    return diagonal[pairs[0::2] & pairs[1::2]]


def _grouped_median(counts: NDArray[np.intp]) -> float:
    """Median of absolute integers whose class k covers k − ½ to k + ½, and class 0 covers 0 to ½."""
    cumulated = np.cumsum(counts)
    half = cumulated[-1] / 2.0
    k = int(np.searchsorted(cumulated, half))
    inside = (half - (cumulated[k - 1] if k else 0)) / counts[k]
    return 0.5 * inside if k == 0 else k - 0.5 + float(inside)


def _unsaturated(view: ImageView) -> NDArray[np.bool_] | None:
    """None if all pixels count; saturated pixels are excluded only if they are more than stray pixels."""
    statistics = view.statistics
    usable = None if view.mask is None else view.mask > 0
    for share, limit in ((statistics.share_lowest, statistics.lowest), (statistics.share_highest, statistics.highest)):
        if share > 1e-3:
            inside = view.stored_values != limit
            usable = inside if usable is None else usable & inside
    return usable
