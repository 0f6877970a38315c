"""Patterns that repeat: lines of an anti-scatter grid, and the 8 × 8 blocks of JPEG."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from miqa_node.assess.measure.plane import Plane
from miqa_node.domain.assessment import Measurement

SMALLEST_SIDE = 64
MAX_LINES = 512
LOWEST_FREQUENCY = 0.03
BACKGROUND_BINS = 41
PEAK_BINS = 2
BLOCK = 8


def grid(plane: Plane) -> Iterator[Measurement]:
    """``grid_peak`` and ``grid_frequency``: the highest narrow peak of the mean line spectrum.

    The power spectra of up to 512 rows, Hann-weighted, are averaged, and of as many columns; the peak is the
    largest ratio to the median of the neighbouring 41 frequencies, above 0.03 cycles per pixel, where anatomy ends
    (after Lin et al., J Digit Imaging 19, 2006). Averaging power keeps lines that are not quite parallel to the matrix.
    """
    if min(plane.shape) < SMALLEST_SIDE:
        return
    spacing = plane.spacing_mm
    candidates = [
        (*_highest_peak(*_line_spectrum(plane.stored, axis=1)), spacing[1] if spacing else None),
        (*_highest_peak(*_line_spectrum(plane.stored, axis=0)), spacing[0] if spacing else None),
    ]
    peak_db, frequency, pitch_mm = max(candidates, key=lambda candidate: candidate[0])
    if not np.isfinite(peak_db):
        return
    yield Measurement("grid_peak", peak_db, "dB")
    if pitch_mm is None:
        yield Measurement("grid_frequency", frequency, "1/{pixel}")
    else:
        yield Measurement("grid_frequency", frequency / pitch_mm, "{lp}/mm")


def _line_spectrum(stored: NDArray[np.float32], axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean power spectrum of evenly chosen lines along ``axis``, and its frequencies in cycles per pixel.

    A few pixels at the end are left out so that the length has no large prime factor, which would slow the FFT down.
    """
    length, count = stored.shape[axis], stored.shape[1 - axis]
    while cv2.getOptimalDFTSize(length) != length:
        length -= 1
    chosen = np.linspace(0, count - 1, min(MAX_LINES, count)).astype(np.intp)
    lines = stored[chosen, :length] if axis == 1 else np.ascontiguousarray(stored[:length, chosen].T)
    lines = lines - lines.mean(axis=1, keepdims=True)
    lines *= np.hanning(length).astype(np.float32)
    spectrum = np.fft.rfft(lines, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    return np.asarray(power.mean(axis=0), dtype=np.float64), np.asarray(np.fft.rfftfreq(length), dtype=np.float64)


def _highest_peak(power: NDArray[np.float64], frequencies: NDArray[np.float64]) -> tuple[float, float]:
    """(dB above the neighbourhood, cycles per pixel) of the highest narrow peak; −inf when there is no power."""
    first = max(BACKGROUND_BINS, int(np.searchsorted(frequencies, LOWEST_FREQUENCY)))
    first = min(first, len(power) // 4)
    padded = np.pad(power, BACKGROUND_BINS // 2, mode="reflect")
    background = np.median(sliding_window_view(padded, BACKGROUND_BINS), axis=1)
    floor = np.finfo(np.float32).eps * power[1:].max(initial=0.0)
    usable = background > floor
    usable[:first] = False
    if not usable.any():
        return -np.inf, 0.0
    ratio = np.where(usable, power / np.where(usable, background, 1.0), 0.0)
    at = int(ratio.argmax())
    near = slice(max(0, at - PEAK_BINS), at + PEAK_BINS + 1)
    return float(10.0 * np.log10(ratio[at])), float(np.average(frequencies[near], weights=power[near]))


def blockiness(plane: Plane) -> Iterator[Measurement]:
    """How much larger the steps at one phase of a period of 8 pixels are than at the other phases, minus 1.

    Mean absolute differences between neighbouring columns (rows) are sorted by column (row) number modulo 8; per
    phase the median over all of them; the largest phase against the mean of the other seven, averaged over both
    directions (after Wang, Bovik, Evans, ICIP 2000). About 0 without blocks.
    """
    if min(plane.shape) < SMALLEST_SIDE:
        return
    levels = plane.levels
    ratios = []
    for first, second, axis in ((levels[:, 1:], levels[:, :-1], 0), (levels[1:], levels[:-1], 1)):
        steps = cv2.reduce(cv2.absdiff(first, second), axis, cv2.REDUCE_AVG).ravel()
        phases = np.array([np.median(steps[phase::BLOCK]) for phase in range(BLOCK)])
        highest = int(phases.argmax())
        others = np.delete(phases, highest).mean()
        if others > 0:
            ratios.append(float(phases[highest] / others) - 1.0)
    if ratios:
        yield Measurement("blockiness", float(np.mean(ratios)), "1")
