"""A slice with square pixels, for what is measured along all directions: distances in pixels are then distances."""

from __future__ import annotations

import numpy as np

from miqa_node.stages.measure.series_view import Values

LEAST_RATIO, MOST_RATIO = 1.05, 4.0
"""Of the two sides of a pixel: with less it counts as a square, with more the header is not believed."""


def square(image: Values, spacing_mm: tuple[float, float] | None) -> Values:
    """The image with pixels as small in both directions as in the finer one; as it is if they are squares.

    Its spectrum is filled up with zeros, as scanners do it: other interpolations leave copies of it behind.

    >>> wide = np.cos(np.arange(32) / 32 * 2 * np.pi)[None] * np.ones((64, 1), np.float32)
    >>> squares = square(wide, (1.0, 2.0))
    >>> squares.shape, bool(np.abs(squares[:, ::2] - wide).max() < 1e-5), square(wide, None) is wide
    ((64, 64), True, True)
    """
    if spacing_mm is None or not LEAST_RATIO <= max(spacing_mm) / min(spacing_mm) <= MOST_RATIO:
        return image
    shape = [round(side * mm / min(spacing_mm)) for side, mm in zip(image.shape, spacing_mm, strict=True)]
    pairs = list(zip(shape, image.shape, strict=True))
    ends = [(new // 2 - old // 2, (new - new // 2) - (old - old // 2)) for new, old in pairs]
    spectrum = np.pad(np.fft.fftshift(np.fft.fft2(image)), ends)
    gain = spectrum.size / image.size
    return np.asarray(np.fft.ifft2(np.fft.ifftshift(spectrum)).real * gain, np.float32)
