"""Noise of an MR series in its tissue, where scanners that blank or filter air cannot hide it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.core.domain.assessment import Measurement
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.outlines import spread
from miqa_node.stages.measure.series_view import Mask, SeriesView, SliceView, Values
from miqa_node.stages.measure.where import place_of_slice
from miqa_series.mr.patient import mr_measure, mr_slice
from miqa_series.stacks.whole import usual_around

WINDOW_PX = 9
EVEN_PERCENTILE = 10.0
"""The most even places: structure of tissue raises the others."""
EVEN_SHARE = 0.814
"""Local deviation at that percentile, in white noise of one unit."""
BRIGHT_PERCENTILE = 90.0
SAMPLES = 4_000
LEAST_SIDE_PX = 128
"""Coarser images have edges of tissue in every window."""
APART = 2.0
"""Two neighbouring slices with so many times the noise of all, and of the 12 pairs around, speak for the series.

Towards the ends of a head folds and scalp leave no even tissue: five times that of all, but in all slices there.
"""
CURVATURE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6.0
"""No plane passes it; white noise keeps its standard deviation (Immerkaer, CVIU 64, 1996)."""


class LocalNoise(NamedTuple):
    """Evenly spread local standard deviations of noise in the foreground of a slice, and its signal."""

    deviations: Values
    foreground: Values
    position: int = 0


def local_noise(image: Values, patient: Mask) -> Values:
    """Standard deviation of noise in the window around each pixel of the patient that has a whole one.

    >>> noise = np.random.default_rng(0).normal(500.0, 10.0, (128, 128)).astype(np.float32)
    >>> found = np.percentile(local_noise(noise, np.ones(noise.shape, bool)), EVEN_PERCENTILE) / EVEN_SHARE
    >>> bool(abs(found - 10.0) < 0.3)
    True
    """
    fine = cv2.filter2D(image, cv2.CV_32F, CURVATURE)
    mean = cv2.blur(fine * fine, (WINDOW_PX, WINDOW_PX))
    side = WINDOW_PX + 2
    inner = cv2.erode(patient.astype(np.uint8), np.ones((side, side), np.uint8), borderValue=0) > 0
    return np.sqrt(np.maximum(mean[inner], 0.0))


def _noise(view: SliceView) -> LocalNoise | None:
    plane = view.once(mr_slice)
    if plane is None or min(plane.values.shape) < LEAST_SIDE_PX:
        return None
    deviations = local_noise(plane.values, plane.patient)
    return LocalNoise(spread(deviations, SAMPLES), spread(plane.values[plane.patient], SAMPLES), view.index)


def noise_share(_: SeriesView | None, parts: Sequence[LocalNoise]) -> float | None:
    """Noise of the most even tissue in percent of the bright signal.

    >>> round(noise_share(None, [LocalNoise(np.full(9, 8.14), np.full(9, 500.0))]), 2)
    2.0
    """
    noise = even_noise(parts)
    if noise is None:
        return None
    bright = float(np.percentile(np.concatenate([one.foreground for one in parts]), BRIGHT_PERCENTILE))
    return 100.0 * noise / bright if bright > 0.0 else None


def even_noise(parts: Sequence[LocalNoise]) -> float | None:
    """Standard deviation of noise in the most even tissue of some slices."""
    deviations = np.concatenate([one.deviations for one in parts]) if parts else np.zeros(0)
    return float(np.percentile(deviations, EVEN_PERCENTILE)) / EVEN_SHARE if len(deviations) else None


def _worst(series: SeriesView, parts: Sequence[LocalNoise]) -> Measurement | None:
    share, every = noise_share(None, parts), even_noise(parts)
    if share is None or every is None:
        return None
    noises = np.array([even_noise(pair) or 0.0 for pair in pairwise(parts)])
    stand_out = [place for place, noise in enumerate(noises) if noise and noise > APART * usual_around(noises, place)]
    worst = max(stand_out, key=lambda place: float(noises[place]), default=-1)
    if worst < 0 or noises[worst] <= APART * every:
        return Measurement("mr_noise", share, "%")
    place = place_of_slice(series, parts[worst].position)
    return Measurement("mr_noise", share * float(noises[worst]) / every, "%", place)


MR_NOISE = mr_measure(
    name="mr_noise",
    unit="%",
    least_spread=0.05,
    least_spread_share=0.03,
    scale=POSITIVE,
    label="Noise in tissue",
    summary="Standard deviation of noise in even tissue, per bright signal.",
    definition="Standard deviation of what a 3 × 3 curvature filter leaves (Immerkær, CVIU 64, 1996) in windows of 9 × "
    "9 pixels inside the foreground, at the 10th percentile of all windows (divided by 0.814, its value in white noise "
    "of one unit), per 90th percentile of the foreground. Of the two neighbouring slices with the most noise, if that "
    "is more than twice that of all slices and of the 12 pairs around. Does not need air.",
    validity="Series of one protocol, compared with each other: interpolation by the scanner hides noise. Needs 128 "
    "pixels a side, because coarser images have edges of tissue everywhere.",
    tolerance="Within 3 % for white noise where the signal is 50 times the noise or more; 7 % too low at 15 times, a "
    "fifth at 6 times, where noise raises the percentile that it is compared with. Repeated within 4 %.",
    agreement_share=0.03,
    proof="Noise added to a drawn head, at 50 times the noise and more.",
    decimals=2,
    rank=535,
    each=_noise,
    take=_worst,
    along="alone",
    concern="So much noise hides small and low-contrast structures: more averages, thicker slices or a coil nearer to "
    "the body would help.",
)
