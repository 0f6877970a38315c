"""Spikes in the raw data of an MR series: single points of k-space that lay stripes over a slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.core.domain.assessment import Measurement
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import Mask, SeriesView, SliceView, Values
from miqa_node.stages.measure.where import place_of_slice
from miqa_series.mr.patient import mr_measure, mr_slice

BLUR_PX = 2.5
"""Standard deviation of the Gaussian whose result is taken away: anatomy is mostly coarser than that, stripes finer."""
MOST_DEVIATIONS = 2.5
"""Edges are cut to this many standard deviations, so that they do not outshine a spike."""
LEAST_FREQUENCY = 0.04
"""In cycles a pixel: below, anatomy is left."""
BACKGROUND_PX = 9
LEAST_SIDE_PX = 160
"""In coarser images edges of anatomy fill the spectrum, and no stripe stands out of them."""


class SlicePeak(NamedTuple):
    """Position in the series and height of the highest peak."""

    position: int
    height: float


def peak_height(image: Values, patient: Mask) -> float:
    """The highest value of the amplitude spectrum of the patient's fine structure, per spectrum around it.

    Noise alone gives about 4, whatever the size: the highest of n Rayleigh values per median.

    >>> noise = np.random.default_rng(0).normal(100.0, 5.0, (64, 64)).astype(np.float32)
    >>> stripes = noise + 3.0 * np.cos(2.0 * np.pi * (10 * np.arange(64) + 7 * np.arange(64)[:, None]) / 64.0)
    >>> inside = np.ones((64, 64), bool)
    >>> peak_height(noise, inside) < 5.0 < 10.0 < peak_height(stripes.astype(np.float32), inside)
    True
    """
    fine = image - cv2.GaussianBlur(image, (0, 0), BLUR_PX)
    deviation = float(np.median(np.abs(fine[patient]))) / 0.6745
    if deviation <= 0.0:
        return 0.0
    limit = MOST_DEVIATIONS * deviation
    spectrum = np.abs(np.fft.rfft2(np.clip(fine, -limit, limit) * patient)).astype(np.float32)
    spectrum = np.fft.fftshift(spectrum, axes=0)
    around = cv2.blur(cv2.medianBlur(spectrum, 5), (BACKGROUND_PX, BACKGROUND_PX))
    height = spectrum / np.maximum(around, np.median(spectrum) / 2.0)
    rows, columns = image.shape
    y, x = np.ogrid[: spectrum.shape[0], : spectrum.shape[1]]
    y = y - rows // 2
    # The axes hold the edges of the image and of its lines.
    counted = (np.hypot(y / rows, x / columns) >= LEAST_FREQUENCY) & (y != 0) & (x != 0)
    return float(height[counted].max()) if counted.any() else 0.0


def _peak(view: SliceView) -> SlicePeak | None:
    plane = view.once(mr_slice)
    if plane is None or min(plane.values.shape) < LEAST_SIDE_PX:
        return None
    return SlicePeak(view.index, peak_height(plane.values, plane.patient))


def _worst(series: SeriesView, parts: Sequence[SlicePeak]) -> Measurement | None:
    if not parts:
        return None
    worst = max(parts, key=lambda one: one.height)
    return Measurement("mr_spikes", worst.height, "1", place_of_slice(series, worst.position))


MR_SPIKES = mr_measure(
    name="mr_spikes",
    unit="1",
    least_spread=0.2,
    scale=POSITIVE,
    label="Spike in k-space",
    summary="Highest peak of the spectrum of fine structure over the spectrum around it, worst slice.",
    definition="Highest peak of the amplitude spectrum of a slice's fine structure (what a Gaussian of 2.5 pixels "
    "takes away, in the foreground, cut at 2.5 standard deviations) per spectrum around it (mean over 9 × 9 of medians "
    "of 5 × 5), frequencies from 0.04 cycles a pixel off the axes, worst slice. Own definition.",
    validity="MR of patients, with 160 pixels a side or more: a bar pattern of a phantom is a peak, too, and coarse "
    "images have edges of anatomy everywhere.",
    tolerance="Noise and anatomy give 3.8 to 4.5 on three scanners, repeated with other noise within 0.8. A point of "
    "k-space with 5 % of the slice's signal is found in .98 of the stacks, with 2 % in half of them.",
    agreement=0.8,
    proof="Its definition, written apart with other filters, on drawn heads with and without a spike.",
    decimals=1,
    rank=570,
    each=_peak,
    take=_worst,
    along="alone",
    concern="One point of the raw data is wrong and lays stripes over the slice: a discharge or interference in the "
    "scanner room. If it comes back, call the service.",
)
