"""Collaborative filtering of the BM3D type: blocks that look alike are stacked and cleaned together.

After Dabov, Foi, Katkovnik, Egiazarian (TIP 16, 2007): a first pass thresholds the stacks' spectra, a second one uses
the first pass's result as the signal of a Wiener filter. Detectors blur noise, so each frequency has its own noise
level (as in Mäkinen, Azzari, Foi, TIP 29, 2020), estimated from the image. Tiles are processed one by one to bound
memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.assess.enhance.noise_level import MAD_TO_SIGMA, noise_level
from miqa_node.stages.assess.enhance.plane import Levels

BLOCK_PX, STRIDE_PX, STACK = 8, 4, 16
SEARCH_PX, SEARCH_STRIDE_PX = 10, 2
HARD_THRESHOLD = 2.7
"""In standard deviations of the noise."""
FINE_FREQUENCY = 0.22
"""In cycles per pixel: at higher frequencies radiographs contain almost only noise."""
MOST_LOG_POWER = 2.0
"""On the scale where the noise of a pixel has variance 1."""
TILE_PX = 192
MARGIN_PX = SEARCH_PX + BLOCK_PX


def collaborative_filter(levels: Levels) -> tuple[Levels, str]:
    """Two passes on levels with uniform noise (:mod:`.noise_level`)."""
    noise = noise_level(levels)
    stable = noise.stabilise(levels)
    sigma = _noise_by_frequency(stable)
    basic = _whole(stable, stable, sigma, wiener=False)
    result = noise.restore(_whole(stable, basic, sigma, wiener=True))
    words = (
        f"collaborative filtering of stacks of {STACK} blocks of {BLOCK_PX} x {BLOCK_PX} pixels in two passes, "
        f"noise {noise.typical:.2%} of the display range"
    )
    return result, words


def _noise_by_frequency(stable: Levels) -> Levels:
    """(8, 8): the noise's standard deviation in every coefficient of a block's cosine transform.

    The medians of high frequencies contain only noise. With a Gaussian blur, log power falls linearly with the squared
    frequency, so the line through the high half predicts the noise of the low half, where structure hides it.
    """
    rows, columns = (length // BLOCK_PX * BLOCK_PX for length in stable.shape)
    blocks = stable[:rows, :columns].reshape(rows // BLOCK_PX, BLOCK_PX, -1, BLOCK_PX).transpose(0, 2, 1, 3)
    spectra = np.abs(_cosine() @ blocks @ _cosine().T).reshape(-1, BLOCK_PX, BLOCK_PX)
    power = np.log(np.maximum(1e-3, np.median(spectra, axis=0) / MAD_TO_SIGMA) ** 2)
    k, n = np.mgrid[0:BLOCK_PX, 0:BLOCK_PX] / (2.0 * BLOCK_PX)
    square = k**2 + n**2
    fine = square > FINE_FREQUENCY**2
    slope, level = np.polyfit(square[fine], power[fine], 1)
    line = float(level) + min(0.0, float(slope)) * square
    return np.asarray(np.exp(0.5 * np.minimum(line, MOST_LOG_POWER)), np.float32)


def _whole(noisy: Levels, guide: Levels, sigma: Levels, *, wiener: bool) -> Levels:
    """Every tile with a margin of its neighbourhood, mirrored at the image's edge."""
    rows, columns = noisy.shape
    margins = ((MARGIN_PX, MARGIN_PX + TILE_PX), (MARGIN_PX, MARGIN_PX + TILE_PX))
    wide, wide_guide = np.pad(noisy, margins, mode="reflect"), np.pad(guide, margins, mode="reflect")
    result = np.empty_like(noisy)
    for top in range(0, rows, TILE_PX):
        for left in range(0, columns, TILE_PX):
            height, width = min(TILE_PX, rows - top), min(TILE_PX, columns - left)
            area = (slice(top, top + height + 2 * MARGIN_PX), slice(left, left + width + 2 * MARGIN_PX))
            tile, shown = np.ascontiguousarray(wide[area]), np.ascontiguousarray(wide_guide[area])
            cleaned = _tile(tile, shown, sigma, wiener=wiener)
            inner = cleaned[MARGIN_PX : MARGIN_PX + height, MARGIN_PX : MARGIN_PX + width]
            result[top : top + height, left : left + width] = inner
    return result


@dataclass(frozen=True, slots=True)
class _Stacks:
    """Where the blocks of each stack begin: (stacks, STACK) flat positions in the tile."""

    starts: NDArray[np.intp]
    columns: int

    def gather(self, tile: Levels) -> Levels:
        """(stacks, STACK, 8, 8) pixels."""
        windows = np.lib.stride_tricks.sliding_window_view(tile, (BLOCK_PX, BLOCK_PX))
        return np.ascontiguousarray(windows[self.starts // self.columns, self.starts % self.columns])

    def pixels(self) -> NDArray[np.intp]:
        """Flat positions of all pixels, shape as :meth:`gather`."""
        inside = np.arange(BLOCK_PX)[:, None] * self.columns + np.arange(BLOCK_PX)
        return self.starts[..., None, None] + inside


def _tile(noisy: Levels, guide: Levels, sigma: Levels, *, wiener: bool) -> Levels:
    stacks = _match(guide)
    spectrum = _forward(stacks.gather(noisy)) / sigma  # in standard deviations of the noise
    if wiener:
        signal = (_forward(stacks.gather(guide)) / sigma) ** 2
        gain = signal / (signal + np.float32(1.0))
        spectrum *= gain
        weight = 1.0 / np.maximum(1e-3, np.sum(gain**2, axis=(1, 2, 3)))
    else:
        strong = np.abs(spectrum) > HARD_THRESHOLD
        spectrum *= strong
        weight = 1.0 / np.maximum(1.0, np.count_nonzero(strong, axis=(1, 2, 3)))
    blocks = _backward(spectrum * sigma)
    shares = (weight[:, None, None, None] * _kaiser()).astype(np.float32)
    shares = np.broadcast_to(shares, blocks.shape)
    places = stacks.pixels().ravel()
    total = np.bincount(places, (blocks * shares).ravel(), noisy.size)
    weights = np.bincount(places, shares.ravel(), noisy.size)
    mean = np.where(weights > 0.0, total / np.maximum(weights, 1e-12), noisy.ravel())
    return np.asarray(mean.reshape(noisy.shape), np.float32)


def _match(guide: Levels) -> _Stacks:
    """For each block of a grid, the most similar blocks in the search window, the block itself included."""
    rows, columns = guide.shape
    reach = SEARCH_PX
    inner = guide[reach : rows - reach, reach : columns - reach]
    anchors_y = np.arange(0, inner.shape[0] - BLOCK_PX + 1, STRIDE_PX)
    anchors_x = np.arange(0, inner.shape[1] - BLOCK_PX + 1, STRIDE_PX)
    moves = [
        (dy, dx)
        for dy in range(-reach, reach + 1, SEARCH_STRIDE_PX)
        for dx in range(-reach, reach + 1, SEARCH_STRIDE_PX)
    ]
    distances = np.empty((len(moves), len(anchors_y), len(anchors_x)), np.float32)
    for n, (dy, dx) in enumerate(moves):
        moved = guide[reach + dy : rows - reach + dy, reach + dx : columns - reach + dx]
        squares = cv2.absdiff(inner, moved)
        np.square(squares, out=squares)
        sums = cv2.boxFilter(squares, cv2.CV_32F, (BLOCK_PX, BLOCK_PX), anchor=(0, 0), normalize=False)
        distances[n] = sums[np.ix_(anchors_y, anchors_x)]
    nearest = np.argpartition(distances, STACK, axis=0)[:STACK]
    moves_y, moves_x = (np.array(axis, np.intp) for axis in zip(*moves, strict=True))
    starts_y = anchors_y[None, :, None] + reach + moves_y[nearest]
    starts_x = anchors_x[None, None, :] + reach + moves_x[nearest]
    starts = (starts_y * columns + starts_x).reshape(STACK, -1).T
    return _Stacks(np.ascontiguousarray(starts), columns)


def _forward(blocks: Levels) -> Levels:
    """Orthonormal cosine transform within the blocks, Walsh-Hadamard transform across the stack."""
    cosine = _cosine()
    spectra = cosine @ blocks @ cosine.T
    flat = spectra.reshape(len(blocks), STACK, -1)
    return np.asarray((_hadamard() @ flat).reshape(blocks.shape), np.float32)


def _backward(spectra: Levels) -> Levels:
    cosine = _cosine()
    flat = _hadamard() @ spectra.reshape(len(spectra), STACK, -1)  # it is its own inverse
    return np.asarray(cosine.T @ flat.reshape(spectra.shape) @ cosine, np.float32)


@cache
def _cosine() -> Levels:
    k, n = np.mgrid[0:BLOCK_PX, 0:BLOCK_PX]
    matrix = np.cos(np.pi * (2 * n + 1) * k / (2 * BLOCK_PX)) * np.sqrt(2.0 / BLOCK_PX)
    matrix[0] /= np.sqrt(2.0)
    return np.asarray(matrix, np.float32)


@cache
def _hadamard() -> Levels:
    matrix = np.ones((1, 1))
    while len(matrix) < STACK:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return np.asarray(matrix / np.sqrt(STACK), np.float32)


@cache
def _kaiser() -> Levels:
    """Window that weights the edges of a block less than its middle (β = 2 as in the paper)."""
    window = np.kaiser(BLOCK_PX, 2.0)
    return np.asarray(np.outer(window, window), np.float32)
