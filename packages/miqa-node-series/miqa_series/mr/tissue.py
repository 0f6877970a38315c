"""Contrast of the tissues of an MR series: how well two classes of brightness stand apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import FRACTION, POSITIVE
from miqa_node.stages.measure.base import STACKS, SeriesMeasure
from miqa_node.stages.measure.outlines import spread
from miqa_node.stages.measure.series_view import SeriesView, SliceView, Values
from miqa_series.mr.patient import SampledSignal, foreground_of, signal, threshold

CLASSES = 256
MIN_VALUES = 1_000
WHOLE_SAMPLES = 20_000
BRIGHTEST_PERCENTILE = 99.95


class TissueClass(NamedTuple):
    """Mean, standard deviation and median of one class of brightness."""

    mean: float
    deviation: float
    median: float


class WholeSlice(NamedTuple):
    """The foreground of a slice, and all its pixels; both evenly spread."""

    sampled: SampledSignal
    values: Values


def _whole(view: SliceView) -> WholeSlice | None:
    sampled = view.once(signal)
    return None if sampled is None else WholeSlice(sampled, spread(view.values, WHOLE_SAMPLES))


def classes_of(values: NDArray[np.float64]) -> tuple[TissueClass, TissueClass] | None:
    """The middle and the bright one of three classes (Otsu's thresholds, SimpleITK); None with too few values.

    >>> values = np.repeat([100.0, 300.0, 500.0], 1000) + np.tile([-1.0, 1.0], 1500)
    >>> [round(one.mean) for one in classes_of(values) or ()]
    [300, 500]
    """
    if len(values) < MIN_VALUES or float(np.ptp(values)) <= 0.0:
        return None
    import SimpleITK  # noqa: PLC0415 - an extra

    line = SimpleITK.GetImageFromArray(values[np.newaxis].astype(np.float32))
    cut = SimpleITK.OtsuMultipleThresholdsImageFilter()
    cut.SetNumberOfThresholds(2)
    cut.SetNumberOfHistogramBins(CLASSES)
    cut.Execute(line)
    low, high = (float(one) for one in cut.GetThresholds())
    middle, bright = values[(values > low) & (values <= high)], values[values > high]
    if not len(middle) or not len(bright):
        return None
    first, second = (TissueClass(float(v.mean()), float(v.std()), float(np.median(v))) for v in (middle, bright))
    return first, second


def joint_variation(middle: TissueClass, bright: TissueClass) -> float:
    """Coefficient of joint variation.

    >>> joint_variation(TissueClass(300.0, 20.0, 300.0), TissueClass(500.0, 30.0, 500.0))
    0.25
    """
    return (middle.deviation + bright.deviation) / abs(bright.mean - middle.mean)


def _joint(_: SeriesView, parts: Sequence[SampledSignal]) -> float | None:
    classes = classes_of(foreground_of(parts))
    return None if classes is None else joint_variation(*classes)


def _to_brightest(_: SeriesView, parts: Sequence[WholeSlice]) -> float | None:
    classes = classes_of(foreground_of([one.sampled for one in parts]))
    if classes is None:
        return None
    brightest = float(np.percentile(np.concatenate([one.values for one in parts]), BRIGHTEST_PERCENTILE))
    return classes[1].median / brightest if brightest > 0.0 else None


_measure = partial(
    SeriesMeasure,
    section=STACKS,
    modalities=("MR",),
    shared=(threshold,),
    unit="1",
    least_spread=0.01,
    decimals=2,
    library="SimpleITK",
)
MR_CJV = _measure(
    name="mr_cjv",
    least_spread_share=0.03,
    scale=POSITIVE,
    label="Coefficient of joint variation",
    summary="Standard deviations of two classes of tissue over the distance of their means.",
    definition="(σ₁ + σ₂) / |μ₁ − μ₂| (Ganzetti et al., Front Neuroinform 10, 2016), MRIQC's cjv, here of the middle "
    "and the bright of three classes into which Otsu's thresholds cut the foreground: **approximation**. Motion, noise "
    "and shading raise it.",
    validity="T1-weighted brains, whose two classes are mostly grey and white matter; in other series they are any "
    "tissue. Needs the extra `series`.",
    tolerance="Within 5 % on drawn tissues; repeated with other noise within 1 %. How far the classes are from the "
    "true tissues is not known.",
    agreement_share=0.05,
    proof="Drawn tissues of known means and deviations.",
    rank=525,
    each=signal,
    take=_joint,
)
MR_WM2MAX = _measure(
    name="mr_wm2max",
    scale=FRACTION,
    label="Bright tissue to maximum",
    summary="Median of the bright class of tissue over the brightest signal.",
    definition="Median of the bright of the classes of `mr_cjv` over the 99.95th percentile of all values: MRIQC's "
    "wm2max, with the same **approximation** of white matter.",
    validity="As `mr_cjv`. Fat and vessels that outshine tissue lower it.",
    tolerance="Within 1 % on drawn tissues; as `mr_cjv`.",
    agreement_share=0.01,
    proof="Drawn tissues of known means.",
    rank=526,
    each=_whole,
    take=_to_brightest,
)
