"""Ghosts, fold-over and spikes: what goes wrong in the lines and points of k-space, and the same in the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]
LOWEST_SPIKE = 0.08
"""Distance of a spike from the middle of k-space, in cycles a pixel."""
HIGHEST_SPIKE = 0.4


def modulated_ghost(volume: Volume, axis: int, share: float, every: int = 2) -> Volume:
    """Every second (third ...) line along the phase direction is stronger by ``share``: copies with that share."""
    lines = np.arange(volume.shape[axis])
    gain = 1.0 + share * (np.where(lines % every == 0, every, 0.0) - 1.0)
    return _by_line(volume, axis, gain)


def delayed_ghost(volume: Volume, axis: int, share: float) -> Volume:
    """Every second line along the phase direction is turned against the others, as in an echo-planar image."""
    lines = np.arange(volume.shape[axis])
    return _by_line(volume, axis, np.exp(1j * np.arcsin(share) * np.where(lines % 2 == 0, 1.0, -1.0)))


def copied_ghost(volume: Volume, axis: int, share: float, part: int = 2) -> Volume:
    """A copy, shifted by half (a third ...) of the field, is added to the magnitudes."""
    copy = np.roll(volume, volume.shape[axis] // part, axis)
    return np.asarray(volume + np.float32(share) * copy, np.float32)


def undersampled_wrap(volume: Volume, axis: int, share: float) -> Volume:
    """The lines lie further apart, so that only ``share`` of the field is seen and the rest folds over it."""
    length = volume.shape[axis]
    extent = round(share * length)
    folded = np.zeros((extent, *np.delete(volume.shape, axis)), np.float32)
    lines = np.moveaxis(volume, axis, 0)
    first = (length - extent) // 2
    for line in range(length):  # samples at 1 / extent in k-space are a sum over all that is ``extent`` apart
        folded[(line - first) % extent] += lines[line]
    return np.moveaxis(folded, 0, axis)


def shifted_wrap(volume: Volume, axis: int, share: float) -> Volume:
    """The patient lies off the middle by ``share`` of the field, so that one side comes in at the other."""
    return np.roll(volume, round(share * volume.shape[axis]), axis)


def point_spike(volume: Volume, share: float, slices: int, rng: np.random.Generator) -> Volume:
    """One wrong point in the k-space of some slices, as strong as ``share`` of the whole signal of the slice."""
    changed = volume.copy()
    for place in rng.choice(len(volume), slices, replace=False):
        kspace = np.fft.fft2(volume[place])
        rows, columns = kspace.shape
        down, right = _frequency(rng)
        turn = np.exp(2j * np.pi * rng.random())
        kspace[round(down * rows), round(right * columns)] += share * abs(kspace[0, 0]) * turn
        changed[place] = np.abs(np.fft.ifft2(kspace))
    return changed


def striped_spike(volume: Volume, share: float, slices: int, rng: np.random.Generator) -> Volume:
    """Stripes over some slices, as bright as ``share`` of their mean, wherever there is signal."""
    changed = volume.copy()
    y, x = np.mgrid[: volume.shape[1], : volume.shape[2]]
    for place in rng.choice(len(volume), slices, replace=False):
        down, right = _frequency(rng)
        stripes = np.cos(2.0 * np.pi * (down * y + right * x + rng.random()))
        changed[place] = np.maximum(volume[place] + share * volume[place].mean() * stripes, 0.0)
    return changed


def _by_line(volume: Volume, axis: int, factor: NDArray[np.float64] | NDArray[np.complex128]) -> Volume:
    """The magnitude after the lines of k-space have been multiplied."""
    lines = np.moveaxis(np.fft.fft(volume, axis=axis), axis, -1) * factor
    return np.asarray(np.abs(np.moveaxis(np.fft.ifft(lines), -1, axis)), np.float32)


def _frequency(rng: np.random.Generator) -> tuple[float, float]:
    while True:
        down, right = rng.uniform(-HIGHEST_SPIKE, HIGHEST_SPIKE, 2)
        if LOWEST_SPIKE < np.hypot(down, right) < HIGHEST_SPIKE:
            return float(down), float(right)
