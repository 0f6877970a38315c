"""Measures what decides on noise and contrast as they are displayed: grain, grey levels and fine structure.

All numbers refer to a display of 256 grey levels; they are computed beside the published measurements, which reports
list.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.dicom.pixels.pitch import pitch_of
from miqa_node.stages.measure.image.displayed_contrast import MIDDLE, middle_shares
from miqa_node.stages.measure.image.noise_sigma import details, noise_sigma, sigma_of
from miqa_node.stages.measure.view import LEVELS, ImageView

SAMPLE_PIXELS = 1_500_000
"""Of larger images only stripes are read, so that grain takes milliseconds at any size."""
STRIPE_ROWS = 64
SATURATION = 3
"""Grey levels next to black and white where grain is cut off."""
STRUCTURE = 1.35
"""Grain of the finest scale over that of the next one, up to which fine structure and processing explain it.

White noise has 2. Of 183 chests of seven sources those without white noise reach 1.36.
"""
DARK, BRIGHT = (64, 112), (160, 240)
"""Grey levels: what many quanta reach, and what few do."""
EVENLY = 2.0
"""Variance of grain in bright parts over that in dark ones, up to which structure and processing explain it: less on
ordinary chests of seven sources. That of quanta, shown on a logarithmic scale, is more than seven."""
OF_QUANTA = 7.5
SMALLEST_SIDE = 64
FINE, COARSE = (0.7, 1.4), (5.6, 11.2)
"""Gaussian σ in pixels of the overview, at most 256 a side: bands of vessels, and of ribs."""
LEAST_CONTRAST = 0.25
"""Of the coarse band, in grey levels."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """Numbers of one picture; each is None if it cannot be measured.

    ``grain`` and ``white_grain``: standard deviation of all grain, and of what is white noise, in percent of white.
    ``quantum_grain``: that of bright parts which only quanta explain, since it grows where few of them arrive.
    ``grey_levels``: number of grey levels in use, 2 to the power of their entropy. ``detail``: contrast of structures
    of 1 to 2 mm over that of 9 to 17 mm. ``pitch_mm``: size of a pixel.
    """

    pitch_mm: float
    grain: float | None = None
    white_grain: float | None = None
    grey_levels: float | None = None
    detail: float | None = None
    quantum_grain: float | None = None


def appearance_of(view: ImageView) -> Appearance:
    """The numbers of a picture at its native resolution; padding is left out."""
    pitch = math.sqrt(math.prod(view.spacing_mm)) if view.spacing_mm else pitch_of(view.levels)
    if min(view.shape) < SMALLEST_SIDE:
        return Appearance(pitch)
    levels, usable = _stripes(view)
    sums, whole = _halved(levels), _halved(usable) == 4
    fine = details(levels)[whole]
    grain, white = _grain(fine, sums, whole)
    return Appearance(pitch, grain, white, _grey_levels(view), _detail(view), _quantum_grain(fine, sums[whole] // 4))


def _stripes(view: ImageView) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Grey levels of stripes of the picture, and which are neither saturated nor padding."""
    rows = view.shape[0] // STRIPE_ROWS
    every = max(1, math.ceil(view.display.size / SAMPLE_PIXELS))
    stripes = [slice(row * STRIPE_ROWS, (row + 1) * STRIPE_ROWS) for row in range(0, rows, every)]
    levels = (np.concatenate([view.display[one] for one in stripes]) >> 8).astype(np.uint8)
    usable = (levels > SATURATION) & (levels < round(LEVELS) - SATURATION)
    if view.mask is not None:
        usable &= np.concatenate([view.mask[one] for one in stripes]) > 0
    return levels, usable


def _grain(
    finest: NDArray[np.signedinteger], sums: NDArray[np.uint16], whole: NDArray[np.bool_]
) -> tuple[float | None, float | None]:
    """Median absolute deviation of the finest diagonal detail, and of that part of it that is white noise.

    The finest scale has the variance of structure and noise, the next one, of means of 2 × 2 pixels, that of structure
    and a quarter of the noise. ``finest`` are the details of the ``whole`` places.
    """
    fine, coarse = sigma_of(finest), noise_sigma(sums, whole)
    if fine is None or coarse is None:
        return None, None
    explained = (STRUCTURE * coarse / 4.0) ** 2
    white = math.sqrt(max(0.0, fine**2 - explained) / (1.0 - STRUCTURE**2 / 4.0))
    return float(100.0 * fine / LEVELS), 100.0 * white / LEVELS


def _quantum_grain(finest: NDArray[np.signedinteger], means: NDArray[np.uint16]) -> float | None:
    """Of places of 2 × 2 pixels by their mean level, so that grain itself does not choose them."""
    dark, bright = (sigma_of(finest[(means >= low) & (means < high)]) for low, high in (DARK, BRIGHT))
    if dark is None or bright is None:
        return None
    return 100.0 / LEVELS * math.sqrt(max(0.0, bright**2 - EVENLY * dark**2) / (1.0 - EVENLY / OF_QUANTA))


def _halved(values: NDArray[np.uint8] | NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Sums of 2 × 2 values."""
    rows, columns = values.shape[0] // 2 * 2, values.shape[1] // 2 * 2
    pairs = np.add(values[0:rows:2, :columns], values[1:rows:2, :columns], dtype=np.uint16)
    return np.asarray(pairs[:, 0::2] + pairs[:, 1::2])


def _grey_levels(view: ImageView) -> float | None:
    """Of the middle, as :mod:`.displayed_contrast` defines it."""
    shares = view.once(middle_shares)
    if not len(shares):
        return None
    classes = shares.reshape(256, -1).sum(axis=1)
    used = classes[classes > 0]
    return float(2.0 ** -(used @ np.log2(used)))


def _detail(view: ImageView) -> float | None:
    """Two bands of the middle of the overview, by differences of Gaussians."""
    overview = view.overview
    rows, columns = (slice(int(MIDDLE[0] * side), max(1, round(MIDDLE[1] * side))) for side in overview.shape)
    fine, coarse = (_band(overview[rows, columns], *sigmas) for sigmas in (FINE, COARSE))
    return fine / coarse if coarse > LEAST_CONTRAST else None


def _band(picture: NDArray[np.float32], narrow: float, wide: float) -> float:
    low, high = (cv2.GaussianBlur(picture, (0, 0), sigma) for sigma in (wide, narrow))
    return float((high - low).std())
