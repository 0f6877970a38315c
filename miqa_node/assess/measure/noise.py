"""How noisy an image is, on the scale of its stored values, whatever the window."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.assess.measure.plane import Plane, StoredStatistics
from miqa_node.domain.assessment import Measurement

SMALLEST_SIDE = 32
TILE = 8
BINS_PER_DECADE = 20
MAD_TO_SIGMA = 0.6745


def noise(plane: Plane, statistics: StoredStatistics) -> Iterator[Measurement]:
    """``noise_sigma``, ``noise_share`` and ``local_variance_mode``.

    Saturated pixels (those with the lowest or highest stored value of the image) have no noise and are left out.
    """
    if min(plane.shape) < SMALLEST_SIDE:
        return
    sigma = noise_sigma(plane.stored_values, _unsaturated(plane, statistics))
    if sigma is not None:
        yield Measurement("noise_sigma", sigma, "1")
        if statistics.p99 > statistics.p1:
            yield Measurement("noise_share", 100.0 * sigma / (statistics.p99 - statistics.p1), "%")
    mode = local_variance_mode(plane)
    if mode is not None:
        yield Measurement("local_variance_mode", mode, "1")


def noise_sigma(stored: NDArray[np.integer], usable: NDArray[np.bool_] | None) -> float | None:
    """Standard deviation of white noise: median of |HH| / 0.6745 over the Haar HH band (Donoho, Johnstone 1994).

    ``usable`` says which pixels count, None for all; a 2 × 2 block counts when its four pixels do. The median is
    interpolated inside its integer class, so that noise below one stored value is still resolved; of values deeper
    than 16 bits it is taken as it is.
    """
    deep = stored.dtype.itemsize > 2
    rows, columns = stored.shape[0] // 2 * 2, stored.shape[1] // 2 * 2
    blocks: NDArray[np.signedinteger] = stored[:rows, :columns].astype(np.int64 if deep else np.int32)
    differences = blocks[:, 0::2] - blocks[:, 1::2]
    diagonal = np.abs(differences[0::2] - differences[1::2])  # 2 · |HH|
    if usable is not None:
        pairs = usable[:rows, 0:columns:2] & usable[:rows, 1:columns:2]
        diagonal = diagonal[pairs[0::2] & pairs[1::2]]
    if diagonal.size < 256:
        return None
    if deep:
        return float(np.median(diagonal)) / 2.0 / MAD_TO_SIGMA
    counts = np.bincount(diagonal.ravel())
    return _grouped_median(counts) / 2.0 / MAD_TO_SIGMA


def _grouped_median(counts: NDArray[np.intp]) -> float:
    """Median of absolute integers whose class k covers k − ½ to k + ½, and class 0 covers 0 to ½."""
    cumulated = np.cumsum(counts)
    half = cumulated[-1] / 2.0
    k = int(np.searchsorted(cumulated, half))
    inside = (half - (cumulated[k - 1] if k else 0)) / counts[k]
    return 0.5 * inside if k == 0 else k - 0.5 + float(inside)


def local_variance_mode(plane: Plane) -> float | None:
    """The most frequent variance of stored values in tiles of 8 × 8 pixels.

    Anatomy adds variance in few tiles and noise in all, so the mode belongs to the noise (Sijbers et al., Phys Med
    Biol 52, 2007). Found on a logarithmic histogram of 20 classes per decade, smoothed over five.
    """
    rows, columns = plane.shape[0] // TILE, plane.shape[1] // TILE
    stored = plane.stored[: rows * TILE, : columns * TILE]
    means = cv2.resize(stored, (columns, rows), interpolation=cv2.INTER_AREA)
    residual = stored - cv2.resize(means, (columns * TILE, rows * TILE), interpolation=cv2.INTER_NEAREST)
    variances = cv2.resize(np.square(residual, out=residual), (columns, rows), interpolation=cv2.INTER_AREA)
    variances *= TILE * TILE / (TILE * TILE - 1)
    if plane.mask is not None:
        mask = plane.mask[: rows * TILE, : columns * TILE]
        variances = variances[cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA) == 255]
    varying = variances[variances > 1e-6]
    if varying.size < 64:
        return None
    logs = np.log10(varying.astype(np.float64)) * BINS_PER_DECADE
    first = int(np.floor(logs.min())) - 2
    counts = np.bincount(np.floor(logs).astype(np.int64) - first, minlength=5).astype(np.float64)
    smooth = np.convolve(counts, (1.0, 2.0, 3.0, 2.0, 1.0), mode="same")
    peak = int(smooth.argmax())
    near = slice(max(0, peak - 2), peak + 3)
    centre = np.average(np.arange(len(counts))[near] + 0.5, weights=counts[near] + 1e-9)
    return float(10 ** ((centre + first) / BINS_PER_DECADE))


def _unsaturated(plane: Plane, statistics: StoredStatistics) -> NDArray[np.bool_] | None:
    """None when all pixels count; saturation is only cut out where it is more than a stray pixel."""
    usable = None if plane.mask is None else plane.mask > 0
    for share, limit in ((statistics.share_lowest, statistics.lowest), (statistics.share_highest, statistics.highest)):
        if share > 1e-3:
            inside = plane.stored_values != limit
            usable = inside if usable is None else usable & inside
    return usable
