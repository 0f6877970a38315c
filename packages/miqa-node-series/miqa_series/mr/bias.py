"""Shading of an MR series: the width of the bias field that its coils leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.language.phrase import Phrase
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.outlines import find_threshold
from miqa_node.stages.measure.series_view import SeriesView
from miqa_series.mr.patient import mr_measure
from miqa_series.mr.small import SmallSlice, SmallVolume, chosen, first_slice, image_of, small_volumes

FIT_VOXELS = 40
"""Longest side of the volume to which the field is fitted: it is smooth."""
ITERATIONS = (50, 50, 50, 50)
"""Of each level: with fewer levels N4 stops before it has followed a field across the head."""
CONTROL_POINTS = 4
"""A side: the fewest that a cubic spline can have, which follow a coil and no anatomy."""
MIN_VOXELS = 500


class FieldSummary(NamedTuple):
    """Median and 5th and 95th percentile of the bias field in the foreground."""

    median: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """The distance of the percentiles, per median."""
        return (self.high - self.low) / self.median


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


def _width(series: SeriesView, parts: Sequence[SmallSlice]) -> float | None:
    volumes = small_volumes(series, parts)
    field = bias_field(volumes[0]) if volumes else None
    return None if field is None else summary_of(field).width


MR_INU_WIDTH = mr_measure(
    name="mr_inu_width",
    unit="1",
    least_spread=0.05,
    scale=POSITIVE,
    label="Width of the bias field",
    summary="Distance of the 5th and 95th percentile of the bias field in the foreground, per median.",
    definition="(95th − 5th percentile) / median, in the foreground, of the field that N4 (Tustison et al., IEEE TMI "
    "29, 2010; SimpleITK, four levels of 50 iterations, its defaults) fits to the first volume, reduced to at most 40 "
    "voxels a side: MRIQC's inu_range over its inu_med, because N4 leaves the scale of the field open.",
    validity="Volumes of five slices or more. Tissue that grows brighter over the whole volume counts as field; of "
    "thin stacks N4 follows a third of it. Needs the extra `series`.",
    tolerance="Within a tenth of the width of a smooth field on a drawn head. On two of three real heads a ramp comes "
    "out by .7 to .85; on ten sagittal slices by a quarter. Within 12 % of a fit at a quarter of the resolution.",
    agreement_share=0.1,
    proof="A smooth field of known width on an even drawn head.",
    left_out=Phrase("There is no volume of five even slices, or hardly any foreground in it."),
    decimals=2,
    rank=591,
    library="SimpleITK",
    each=first_slice,
    shared=(chosen,),
    take=_width,
)
