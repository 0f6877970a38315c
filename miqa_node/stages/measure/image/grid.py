"""Lines of an anti-scatter grid: strength and frequency."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.libraries.plain_statistics.scales import HEIGHT
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.view import ImageView

SMALLEST_SIDE = 64
MAX_LINES = 512
LINES_AT_ONCE = 64
"""Lines transformed together, few enough for the processor's cache."""
LOWEST_FREQUENCY = 0.03
BACKGROUND_BINS = 41
PEAK_BINS = 2


def strongest_line(view: ImageView) -> tuple[float, float, float | None] | None:
    """(dB, cycles per pixel, pixel pitch in mm) of the highest narrow peak of the mean line spectrum.

    The power spectra of up to 512 rows, Hann-weighted, are averaged, and of as many columns; the peak is the
    largest ratio to the median of the neighbouring 41 frequencies, above 0.03 cycles per pixel, where anatomy ends
    (after Lin et al., J Digit Imaging 19, 2006). Averaging power keeps lines that are not quite parallel to the matrix.

    >>> noise = np.random.default_rng(0).normal(0, 99, (256, 256))
    >>> round(GRID_FREQUENCY.of(30000 + 5000 * np.sin(2 * np.pi * 0.2 * np.arange(256)) + noise), 2)
    0.2
    """
    spacing = view.spacing_mm
    candidates = [
        (*_highest_peak(*_line_spectrum(_lines(view, axis=1))), spacing[1] if spacing else None),
        (*_highest_peak(*_line_spectrum(_lines(view, axis=0))), spacing[0] if spacing else None),
    ]
    best = max(candidates, key=lambda candidate: candidate[0])
    return best if np.isfinite(best[0]) else None


def _peak_db(view: ImageView) -> float | None:
    line = view.once(strongest_line)
    return None if line is None else line[0]


def _frequency(view: ImageView) -> Measurement | None:
    line = view.once(strongest_line)
    if line is None:
        return None
    _, frequency, pitch_mm = line
    if pitch_mm is None:
        return Measurement("grid_frequency", frequency, "1/{pixel}")
    return Measurement("grid_frequency", frequency / pitch_mm, "{lp}/mm")


_measure = partial(ImageMeasure, section="Patterns", least_side_px=SMALLEST_SIDE)
GRID_PEAK = _measure(
    name="grid_peak",
    unit="dB",
    least_spread=0.5,
    scale=HEIGHT,
    label="Grid line strength",
    summary="Height of the strongest line in the spectrum above its surroundings.",
    definition="Highest narrow peak of the mean power spectrum of up to 512 rows (or columns, whichever is higher) "
    "over the median of its 41 neighbours, above 0.03 cycles per pixel (after Lin et al., J Digit Imaging 19, 2006).",
    validity="Lines along rows or columns, turned by half a degree at most in tests.",
    tolerance="Real radiographs without grid lines lie below about 3 dB, lines of 0.3 % of the signal above 10 dB in a "
    "drawn chest; repeated with other noise within 0.5 dB.",
    agreement=0.5,
    proof="Drawn lines, against a periodogram written apart.",
    concern="Lines of the anti-scatter grid lie over the image: they hide or imitate fine structures, and a display "
    "that scales the image makes coarse stripes of them. Check the grid, its movement and the filter against its "
    "lines.",
    rank=180,
    take=_peak_db,
)
GRID_FREQUENCY = _measure(
    name="grid_frequency",
    unit="{lp}/mm",
    other_units=("1/{pixel}",),
    label="Grid line frequency",
    summary="Spatial frequency of that line.",
    definition="Frequency of that peak; in cycles per pixel when the header gives no spacing.",
    validity="Images with a high `grid_peak`; of others it is that of any peak. Lines finer than the sampling appear "
    "at their alias.",
    tolerance="Within 2 %.",
    rank=190,
    take=_frequency,
)


def _lines(view: ImageView, axis: int) -> NDArray[np.float32]:
    """Evenly chosen lines of stored values along ``axis``, shape (lines, length).

    A few pixels at the end are dropped: a length with a large prime factor would slow the FFT down.
    """
    length, count = view.shape[axis], view.shape[1 - axis]
    while cv2.getOptimalDFTSize(length) != length:
        length -= 1
    chosen = np.linspace(0, count - 1, min(MAX_LINES, count)).astype(np.intp)
    if axis == 1:
        return view.stored_part(chosen)[:, :length]
    return np.asarray(cv2.transpose(view.stored_part(slice(length), chosen)), np.float32)


def _line_spectrum(lines: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean power spectrum of lines, shape (lines, length), and its frequencies in cycles per pixel."""
    length = lines.shape[1]
    weights, squares = np.hanning(length).astype(np.float32), np.zeros(length)
    for first in range(0, len(lines), LINES_AT_ONCE):
        part = lines[first : first + LINES_AT_ONCE]
        weighted = part - part.mean(axis=1, keepdims=True)
        weighted *= weights
        # Each row of the result: Re 0, Re 1, Im 1, Re 2, Im 2 … and, of an even length, the real highest frequency.
        packed = cv2.dft(weighted, flags=cv2.DFT_ROWS)
        squares += cv2.reduce(np.square(packed, out=packed), 0, cv2.REDUCE_SUM).ravel()
    squares /= len(lines)
    pairs = 1 + (length - 1) // 2 * 2
    power = np.concatenate((squares[:1], squares[1:pairs:2] + squares[2:pairs:2], squares[pairs:]))
    return power, np.asarray(np.fft.rfftfreq(length), dtype=np.float64)


def _highest_peak(power: NDArray[np.float64], frequencies: NDArray[np.float64]) -> tuple[float, float]:
    """(dB above the neighbourhood, cycles per pixel) of the highest narrow peak; −inf if there is no power."""
    first = max(BACKGROUND_BINS, int(np.searchsorted(frequencies, LOWEST_FREQUENCY)))
    first = min(first, len(power) // 4)
    middle = BACKGROUND_BINS // 2
    padded = np.pad(power, middle, mode="reflect")
    background = np.partition(sliding_window_view(padded, BACKGROUND_BINS), middle, axis=1)[:, middle]  # the median
    floor = np.finfo(np.float32).eps * power[1:].max(initial=0.0)
    usable = background > floor
    usable[:first] = False
    if not usable.any():
        return -np.inf, 0.0
    ratio = np.where(usable, power / np.where(usable, background, 1.0), 0.0)
    at = int(ratio.argmax())
    near = slice(max(0, at - PEAK_BINS), at + PEAK_BINS + 1)
    return float(10.0 * np.log10(ratio[at])), float(np.average(frequencies[near], weights=power[near]))
