"""Signal to noise ratio of an MR series: within the patient, and as energy relative to air."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from miqa_node.core.domain.codes import SIGNAL_TO_NOISE
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import STACKS, SeriesMeasure
from miqa_node.stages.measure.series_view import SeriesView
from miqa_series.mr.patient import SampledSignal, air_of, foreground_of, signal, threshold


def within(_: SeriesView | None, parts: Sequence[SampledSignal]) -> float | None:
    """Median over standard deviation of the foreground.

    >>> round(within(None, [SampledSignal(np.array([9.0, 10.0, 11.0]), np.zeros(0))]), 3)
    10.0
    """
    patient = foreground_of(parts)
    count, deviation = len(patient), float(patient.std()) if len(patient) else 0.0
    if count < 2 or deviation <= 0.0:
        return None
    return float(np.median(patient)) / (deviation * math.sqrt(count / (count - 1)))


def _energy(_: SeriesView, parts: Sequence[SampledSignal]) -> float | None:
    patient, air = foreground_of(parts), air_of(parts)
    return float(np.median(patient**2) / np.median(air**2)) if len(patient) and len(air) else None


_measure = partial(
    SeriesMeasure, section=STACKS, modalities=("MR",), shared=(threshold,), unit="1", scale=POSITIVE, each=signal
)
MR_SNR = _measure(
    name="mr_snr",
    least_spread_share=0.03,
    label="Signal to noise of foreground",
    parent=SIGNAL_TO_NOISE,
    summary="Median over standard deviation of the foreground.",
    definition="Median over standard deviation of the foreground, as MRIQC's SNR (Esteban et al., PLoS ONE 12, 2017), "
    "here for all tissue together: **approximation**. Foreground is what exceeds Otsu's threshold over up to 15 "
    "slices.",
    validity="Series of one protocol, compared with each other: contrast between tissues lowers it.",
    tolerance="MRIQC's formula within 2 %; repeated with other noise within 0.5 %. It is no signal to noise ratio in "
    "the sense of physics.",
    agreement_share=0.02,
    proof="MRIQC's formula, written apart, in the regions of a drawn head.",
    decimals=1,
    rank=520,
    take=within,
    along="alone",
)
MR_FBER = _measure(
    name="mr_fber",
    least_spread_share=0.1,
    label="Foreground to background energy",
    summary="Median squared signal of the foreground over that of air.",
    definition="Median squared signal of the foreground over that of air (foreground-background energy ratio, MRIQC).",
    validity="Series with air in the field that the scanner has not blanked.",
    tolerance="Within 3 % of the formula in known regions. Where air has few grey levels it goes in steps: by 17 % "
    "from level 12 to 13.",
    agreement_share=0.03,
    proof="MRIQC's formula with medians, written apart, in the regions of a drawn head.",
    rank=540,
    take=_energy,
)
