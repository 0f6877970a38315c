"""Noise of magnitude images: a volume with several times the noise that it has."""

from __future__ import annotations

import cv2
import numpy as np

from miqa_training.degrade.mr.kspace import Volume


def deviation_of(volume: Volume) -> float:
    """Standard deviation of the noise: median of the diagonal Haar band within the brighter part of each slice."""
    diagonals = []
    for values in volume:
        even = values[: values.shape[0] // 2 * 2, : values.shape[1] // 2 * 2]
        diagonal = (even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]) / 2.0
        mean = cv2.resize(even, diagonal.shape[::-1], interpolation=cv2.INTER_AREA)
        diagonals.append(np.abs(diagonal[mean > mean.mean()]))
    return float(np.median(np.concatenate(diagonals))) / 0.6745


def rician_noise(volume: Volume, factor: float, rng: np.random.Generator) -> Volume:
    """White complex noise, so that the noise is ``factor`` times as strong."""
    added = deviation_of(volume) * np.sqrt(factor**2 - 1.0)
    real = volume + rng.normal(0.0, added, volume.shape)
    return np.asarray(np.hypot(real, rng.normal(0.0, added, volume.shape)), np.float32)


def scanned_noise(volume: Volume, factor: float, rng: np.random.Generator) -> Volume:
    """Complex noise with the spectrum that the slice has at its edges: scanners filter and interpolate it.

    Its strength is that which gives ``factor`` times the deviation of the diagonal band.
    """
    shape = volume.shape[1:]
    spectrum = np.sqrt(np.mean([np.abs(np.fft.fft2(values)) ** 2 for values in volume], axis=0))
    filtered = cv2.GaussianBlur(np.fft.fftshift(spectrum).astype(np.float32), (0, 0), max(shape) / 40.0)
    shown = np.fft.ifftshift(np.minimum(filtered, np.quantile(filtered, 0.5)))
    noise = [_filtered(rng.normal(size=(2, *shape)), shown) for _ in volume]
    real, imaginary = np.stack(noise, axis=1)
    scale = deviation_of(volume) * np.sqrt(factor**2 - 1.0) / deviation_of(np.asarray(real + 1e6, np.float32))
    return np.asarray(np.hypot(volume + scale * real, scale * imaginary), np.float32)


def _filtered(noise: np.ndarray[tuple[int, ...], np.dtype[np.float64]], spectrum: Volume) -> Volume:
    return np.asarray(np.fft.ifft2(np.fft.fft2(noise) * (spectrum / spectrum.max())).real, np.float32)
