"""Shading of an MR series: the bias field, and how uniform it leaves the signal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.mr.patient import MR, find_threshold
from miqa_node.stages.measure.mr.small import SmallSlice, SmallVolume, chosen, first_slice, image_of, small_volumes
from miqa_node.stages.measure.series_view import SeriesView

SECTION = "CT and MR series"
FIT_VOXELS = 40
"""Longest side of the volume to which the field is fitted: it is smooth."""
ITERATIONS = (30, 20, 10)
CONTROL_POINTS = 4
"""A side: the fewest that a cubic spline can have, which follow a coil and no anatomy."""
MIN_VOXELS = 500


class FieldSummary(NamedTuple):
    """Median and 5th and 95th percentile of the bias field in the foreground."""

    median: float
    low: float
    high: float


def bias_field(volume: SmallVolume) -> NDArray[np.float64] | None:
    """The field by which the signal of each voxel of the foreground is multiplied; None with hardly any foreground."""
    import SimpleITK  # noqa: PLC0415 - an extra

    level = find_threshold(list(volume.values))
    image = image_of(volume)
    shrink = [max(1, -(-side // FIT_VOXELS)) for side in image.GetSize()]
    whole = SimpleITK.Cast(image > level, SimpleITK.sitkUInt8)
    small, mask = SimpleITK.Shrink(image, shrink), SimpleITK.Shrink(whole, shrink)
    if np.count_nonzero(SimpleITK.GetArrayViewFromImage(mask)) < MIN_VOXELS:
        return None
    correction = SimpleITK.N4BiasFieldCorrectionImageFilter()
    correction.SetNumberOfThreads(1)  # sums in another order give other last digits
    correction.SetMaximumNumberOfIterations(ITERATIONS)
    correction.SetNumberOfControlPoints([CONTROL_POINTS] * 3)
    correction.Execute(SimpleITK.Cast(small + 1e-3 * level, SimpleITK.sitkFloat32), mask)
    field = np.exp(SimpleITK.GetArrayFromImage(correction.GetLogBiasFieldAsImage(small)))
    return np.asarray(field[SimpleITK.GetArrayViewFromImage(mask) > 0], np.float64)


def summary_of(field: NDArray[np.float64]) -> FieldSummary:
    """Its percentiles.

    >>> summary_of(np.linspace(0.5, 1.5, 101))
    FieldSummary(median=1.0, low=0.55, high=1.45)
    """
    median, low, high = (round(float(one), 6) for one in np.percentile(field, [50.0, 5.0, 95.0]))
    return FieldSummary(median, low, high)


def uniformity(field: FieldSummary) -> float:
    """Percent integral uniformity of the field.

    >>> uniformity(FieldSummary(1.0, 0.8, 1.2))
    80.0
    """
    return round(100.0 * (1.0 - (field.high - field.low) / (field.high + field.low)), 9)


def _fits(_: SeriesView) -> list[FieldSummary | None]:
    """The one fit, once it is made: three measurements take it."""
    return []


def _summary(series: SeriesView, parts: Sequence[SmallSlice]) -> FieldSummary | None:
    fits = series.once(_fits)
    if not fits:
        volumes = small_volumes(series, parts)
        field = bias_field(volumes[0]) if volumes else None
        fits.append(None if field is None else summary_of(field))
    return fits[0]


def _of_field(formula: Callable[[FieldSummary], float]) -> Callable[[SeriesView, Sequence[SmallSlice]], float | None]:
    def take(series: SeriesView, parts: Sequence[SmallSlice]) -> float | None:
        summary = _summary(series, parts)
        return None if summary is None else formula(summary)

    return take


MR_INU_MEDIAN = SeriesMeasure(
    name="mr_inu_median",
    unit="1",
    least_spread=0.02,
    label="Bias field, median",
    code="MR_INU_MEDIAN",
    summary="Median of the bias field in the foreground.",
    definition="Median in the foreground of the field that N4 (Tustison et al., IEEE TMI 29, 2010; SimpleITK) fits to "
    "the first volume, reduced to at most 40 voxels a side: MRIQC's inu_med.",
    validity="Volumes of five slices or more. N4 leaves the scale of the field open, so it says little by itself: use "
    "`mr_inu_range`. Needs the extra `series`.",
    tolerance="Repeated with other noise within 0.002. Its true value is not defined.",
    section=SECTION,
    rank=590,
    modalities=MR,
    library="SimpleITK",
    each=first_slice,
    shared=(chosen,),
    take=_of_field(lambda field: field.median),
)
MR_INU_RANGE = SeriesMeasure(
    name="mr_inu_range",
    unit="1",
    least_spread=0.02,
    label="Bias field, range",
    code="MR_INU_RANGE",
    summary="Distance of the 5th and 95th percentile of the bias field in the foreground, per median.",
    definition="(95th − 5th percentile) / median of the field of `mr_inu_median`: MRIQC's inu_range over its inu_med, "
    "because N4 leaves the scale of the field open.",
    validity="As `mr_inu_median`. Tissue that grows brighter over the whole volume counts as field.",
    tolerance="Within a tenth of the range of a smooth field; repeated with other noise within 0.002.",
    section=SECTION,
    rank=591,
    modalities=MR,
    library="SimpleITK",
    each=first_slice,
    shared=(chosen,),
    take=_of_field(lambda field: (field.high - field.low) / field.median),
)
MR_UNIFORMITY = SeriesMeasure(
    name="mr_uniformity",
    unit="%",
    least_spread=1.0,
    label="Uniformity of the bias field",
    code="MR_UNIFORMITY",
    summary="Percent integral uniformity of the bias field.",
    definition="100 · (1 − (high − low) / (high + low)), with the 95th and 5th percentile of the same field: percent "
    "integral uniformity (NEMA MS 3, ACR) of the coil's field, for patients in place of a uniform phantom.",
    validity="As `mr_inu_range`.",
    tolerance="Within 5 on a smooth field; repeated with other noise within 0.2. How it compares with the uniformity "
    "of a phantom is not known.",
    section=SECTION,
    rank=592,
    modalities=MR,
    library="SimpleITK",
    each=first_slice,
    shared=(chosen,),
    take=_of_field(uniformity),
)
