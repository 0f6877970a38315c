"""A patient who moved between two volumes: the second is a turned and shifted copy with noise of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from miqa_training.degrade.mr.kspace import Volume


def turned(
    volume: Volume, spacing_mm: Sequence[float], shift_mm: Sequence[float], angles_deg: Sequence[float]
) -> Volume:
    """The rigid body turned about the three axes of the array through its middle, and shifted along them."""
    spacing = np.asarray(spacing_mm, np.float64)
    back = _rotation(np.deg2rad(np.asarray(angles_deg, np.float64))).T
    matrix = (back * spacing) / spacing[:, np.newaxis]
    middle = (np.asarray(volume.shape) - 1.0) / 2.0
    offset = middle - matrix @ (middle + np.asarray(shift_mm, np.float64) / spacing)
    moved = ndimage.affine_transform(volume, matrix, offset, order=1, mode="nearest")
    return np.asarray(np.maximum(moved, 0.0), np.float32)


def shifted(volume: Volume, spacing_mm: Sequence[float], shift_mm: Sequence[float]) -> Volume:
    """The body shifted along the three axes by a phase ramp in k-space; what leaves comes in at the other side."""
    kspace = np.fft.fftn(volume)
    for axis, (spacing, shift) in enumerate(zip(spacing_mm, shift_mm, strict=True)):
        ramp = np.exp(-2j * np.pi * np.fft.fftfreq(volume.shape[axis], spacing) * shift)
        kspace *= ramp.reshape([-1 if place == axis else 1 for place in range(3)])
    return np.asarray(np.abs(np.fft.ifftn(kspace)), np.float32)


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        one, other = (place for place in range(3) if place != axis)
        turn = np.eye(3)
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix
