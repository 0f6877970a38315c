"""How an image uses its range of values, and what the exposure index says."""

from __future__ import annotations

from collections.abc import Iterator
from math import log10

import numpy as np

from miqa_node.assess.measure.plane import WHITE, Plane, StoredStatistics
from miqa_node.domain.assessment import Measurement
from miqa_node.domain.instance import Header

ENTROPY_BINS = 256


def range_use(plane: Plane, statistics: StoredStatistics) -> Iterator[Measurement]:
    """Brightness, contrast, entropy of the presentation values; range and saturation.

    entropy: −Σ p·log2 p over 256 classes (Shannon 1948). ``used_range_share`` is P99 − P1 of the stored values in
    the range that Bits Stored allows.
    """
    histogram = plane.display_histogram
    shares = histogram / histogram.sum()
    values = np.arange(len(shares))
    mean = float(shares @ values)
    yield Measurement("brightness", 100.0 * mean / WHITE, "%")
    yield Measurement("contrast", 100.0 * float(np.sqrt(shares @ np.square(values - mean))) / WHITE, "%")
    classes = shares.reshape(ENTROPY_BINS, -1).sum(axis=1)
    used = classes[classes > 0]
    yield Measurement("entropy", abs(float(-(used @ np.log2(used)))), "bit")
    low, high = plane.stored_range
    yield Measurement("used_range_share", 100.0 * (statistics.p99 - statistics.p1) / (high - low), "%")
    if statistics.highest > statistics.lowest:
        yield from _saturation(shares, statistics)


def _saturation(shares: np.ndarray, statistics: StoredStatistics) -> Iterator[Measurement]:
    """Shares at the darkest and brightest presentation value, and what of them only the window cuts off."""
    displayed = np.flatnonzero(shares)
    at_minimum, at_maximum = float(shares[displayed[0]]), float(shares[displayed[-1]])
    yield Measurement("pixels_at_minimum", 100.0 * at_minimum, "%")
    yield Measurement("pixels_at_maximum", 100.0 * at_maximum, "%")
    clipped = (shares[0] + shares[-1]) - (statistics.share_lowest + statistics.share_highest)
    yield Measurement("clipped_by_voi", 100.0 * max(0.0, float(clipped)), "%")


def exposure_index(header: Header) -> Iterator[Measurement]:
    """The exposure indices of IEC 62494-1 as the header gives them.

    A deviation index that the header leaves out is computed: 10 · log10(EI / target EI).
    """
    index, target, deviation = header.exposure_index, header.target_exposure_index, header.deviation_index
    if index is not None and index > 0:
        yield Measurement("exposure_index", index, "1")
    if target is not None and target > 0:
        yield Measurement("target_exposure_index", target, "1")
    if deviation is None and index and target and index > 0 and target > 0:
        deviation = 10.0 * log10(index / target)
    if deviation is not None:
        yield Measurement("deviation_index", deviation, "1")
