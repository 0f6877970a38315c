"""Signal to noise ratio of an MR series against the noise of air without artefacts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.codes import SIGNAL_TO_NOISE
from miqa_node.core.language.phrase import Phrase
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.outlines import spread
from miqa_node.stages.measure.series_view import Mask, SeriesView, SliceView, Values
from miqa_series.mr.air import artefacts
from miqa_series.mr.ghost import around
from miqa_series.mr.patient import MrSlice, mr_measure, mr_slice

FACTOR = math.sqrt((4.0 - math.pi) / 2.0)
"""Standard deviation of air in a magnitude image of one coil, per that of noise (Dietrich et al., JMRI 26, 2007)."""
NORMAL = 0.6745
"""Median absolute deviation of a normal distribution, per standard deviation."""
MIN_AIR_PX = 200
BLANKED_PX = 5
"""Zeros that fill a square of this side were written by the scanner: they are no noise."""


class CleanAir(NamedTuple):
    """Evenly spread values of a slice: of the foreground, and of air without artefacts."""

    foreground: Values
    air: Values


def clean_air(plane: MrSlice, scalp: Mask) -> Mask:
    """Air beyond scalp and halo that holds noise alone.

    >>> values = np.random.default_rng(0).rayleigh(9.0, (96, 96)).astype(np.float32); values[32:64, 32:64] = 600.0
    >>> values[2:10, 2:10], values[80:, :] = 300.0, 0.0
    >>> patient = values > 500.0
    >>> air = clean_air(MrSlice(values, patient, patient), patient)
    >>> bool(air[20, 20]), bool(air[48, 48]), bool(air[5, 5]), bool(air[90, 48])
    (True, False, False, False)
    """
    square = np.ones((BLANKED_PX, BLANKED_PX), np.uint8)
    zeros = cv2.morphologyEx((plane.values == 0.0).astype(np.uint8), cv2.MORPH_OPEN, square)
    air: Mask = ~plane.near & ~scalp & (zeros == 0)
    if np.count_nonzero(air) < MIN_AIR_PX:
        return np.zeros(air.shape, bool)
    return air & ~artefacts(plane.values, air)


def _sampled(view: SliceView) -> CleanAir | None:
    plane = view.once(mr_slice)
    if plane is None:
        return None
    return CleanAir(spread(plane.values[plane.patient]), spread(plane.values[clean_air(plane, view.once(around))]))


def air_deviation(air: NDArray[np.float64]) -> float:
    """Scaled median absolute deviation.

    >>> noise = np.random.default_rng(0).rayleigh(10.0, 100_000)
    >>> round(air_deviation(noise), 1), round(float(noise.std()), 1)
    (6.7, 6.6)
    """
    return float(np.median(np.abs(air - np.median(air)))) / NORMAL


def against_air(_: SeriesView | None, parts: Sequence[CleanAir]) -> float | None:
    """The ratio of all slices; None without air, or if it holds no noise."""
    if not parts:
        return None
    foreground, air = (np.concatenate(values).astype(np.float64) for values in zip(*parts, strict=True))
    if len(air) < MIN_AIR_PX:
        return None
    deviation = air_deviation(air)
    return FACTOR * float(np.median(foreground)) / deviation if deviation > 0.0 else None


MR_SNRD = mr_measure(
    name="mr_snrd",
    unit="1",
    least_spread_share=0.25,
    scale=POSITIVE,
    label="Signal to noise against clean air",
    parent=SIGNAL_TO_NOISE,
    summary="Median of the foreground over the noise of air without artefacts, corrected for magnitude images.",
    definition="0.6551 · median of the foreground / scaled median absolute deviation (÷ 0.6745) of air: MRIQC's snrd "
    "(Dietrich et al., JMRI 26, 2007), here for all tissue together. Air begins 7 % of the side beyond the filled hull "
    "of the foreground, on all sides and not only above the head; what lies 10 standard deviations above its median is "
    "an artefact and is left out, as are areas that the scanner set to zero.",
    validity="Series with air in the field that the scanner has not blanked. The factor is that of one coil: several "
    "coils, parallel imaging and filters change the noise of air (Dietrich et al.).",
    tolerance="Within 3 % for signals of 6 to 100 times the noise; a median absolute deviation makes it 1.5 % less "
    "than the standard deviation of Rayleigh noise would. Where air has few grey levels it goes in steps, by a quarter "
    "from a deviation of 4 levels to 5. Repeated with other noise within 2 % where it has many.",
    agreement_share=0.03,
    proof="MRIQC's formulas, written again, on drawn heads with scalp.",
    left_out=Phrase("There is too little air around the patient, or no noise in it: the scanner has blanked it."),
    decimals=1,
    rank=530,
    each=_sampled,
    take=against_air,
    along="alone",
)
