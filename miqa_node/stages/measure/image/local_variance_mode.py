"""The most frequent variance of small neighbourhoods, an estimate of the noise variance."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.view import ImageView

SMALLEST_SIDE = 32
TILE = 8
TILES_AT_ONCE = 8
"""Rows of tiles processed together, few enough for the processor's cache."""
BINS_PER_DECADE = 20


def local_variance_mode(view: ImageView) -> float | None:
    """The most frequent variance of stored values in tiles of 8 × 8 pixels.

    Anatomy adds variance in few tiles, noise in all; so the mode is that of the noise (Sijbers et al., Phys Med
    Biol 52, 2007). Found on a logarithmic histogram of 20 classes per decade, smoothed over five.

    >>> noise = np.random.default_rng(0).normal(30000.0, 100.0, (400, 400))
    >>> 8_000 < LOCAL_VARIANCE_MODE.of(noise) < 12_000
    True
    """
    rows, columns = view.shape[0] // TILE, view.shape[1] // TILE
    step, end, width = TILES_AT_ONCE * TILE, rows * TILE, slice(columns * TILE)
    parts = ((slice(row, min(row + step, end)), width) for row in range(0, end, step))
    stripes = [_variances(view.stored_part(part)) for part in parts]
    variances = np.concatenate(stripes) * np.float32(TILE * TILE / (TILE * TILE - 1))
    if view.mask is not None:
        mask = view.mask[: rows * TILE, : columns * TILE]
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


def _variances(stored: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean squared deviation of each tile; the sides are multiples of the tile's."""
    size = (stored.shape[1] // TILE, stored.shape[0] // TILE)
    means = cv2.resize(stored, size, interpolation=cv2.INTER_AREA)
    # The rows of a tile share their means: these are repeated along the columns only.
    residual = stored.reshape(-1, TILE, stored.shape[1]) - np.repeat(means, TILE, axis=1)[:, None]
    squared = np.square(residual, out=residual).reshape(stored.shape)
    return np.asarray(cv2.resize(squared, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


LOCAL_VARIANCE_MODE = ImageMeasure(
    name="local_variance_mode",
    unit="1",
    is_learned_soon=True,
    least_spread_share=0.1,
    scale=POSITIVE,
    label="Mode of local variance",
    code="LOCAL_VAR_MODE",
    summary="Most frequent variance of small neighbourhoods: noise of smooth regions.",
    definition="Most frequent variance of stored values in tiles of 8 × 8 pixels: 20 classes per decade, smoothed "
    "over five (after Sijbers et al., Phys Med Biol 52, 2007).",
    validity="Images with even parts of 8 × 8 pixels.",
    tolerance="Within 15 % for white noise; repeated within 8 %.",
    section="Noise",
    rank=170,
    least_side_px=SMALLEST_SIDE,
    take=local_variance_mode,
)
