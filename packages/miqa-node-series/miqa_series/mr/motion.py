"""Motion of the patient between the volumes of an MR series, by rigid registration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.measure.outlines import find_threshold
from miqa_node.stages.measure.series_view import SeriesView
from miqa_series.mr.patient import mr_measure
from miqa_series.mr.small import SmallSlice, SmallVolume, chosen, image_of, moving_slice, small_volumes

HEAD_RADIUS_MM = 50.0
"""Rotations count as the way of a point at this distance (Power et al., NeuroImage 59, 2012)."""
STEPS = 60
SAMPLES = 60_000
"""Maximum number of evenly spread voxels that are compared."""
SEED = 1
"""Of the places that are compared, which otherwise depend on the clock."""
FIRST_STEP, LAST_STEP = 1.0, 0.01
"""Of the optimizer, in mm."""

Movement = tuple[float, float, float, float, float, float]
"""Rotations about x, y and z in radians, and translations in mm."""


def displacement(before: Movement, after: Movement) -> float:
    """Framewise displacement in mm between two positions: translations, and rotations on a sphere of 50 mm.

    >>> displacement((0.0, 0.0, 0.0, 0.0, 0.0, 0.0), (0.01, 0.0, 0.0, 1.0, 0.0, -2.0))
    3.5
    """
    change = [abs(one - other) for one, other in zip(after, before, strict=True)]
    return HEAD_RADIUS_MM * sum(change[:3]) + sum(change[3:])


def register(fixed: SmallVolume, moved: SmallVolume) -> Movement:
    """How the second volume lies to the first: six parameters about its middle, by correlation in the patient."""
    import SimpleITK  # noqa: PLC0415 - an extra

    target, image = image_of(fixed), image_of(moved)
    level = find_threshold(list(fixed.values)) / 2.0
    mask = SimpleITK.BinaryDilate(SimpleITK.Cast(target > level, SimpleITK.sitkUInt8), [1, 1, 1])
    method = SimpleITK.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums in another order give other last digits
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(min(1.0, SAMPLES / fixed.values.size), SEED)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(FIRST_STEP, LAST_STEP, STEPS, gradientMagnitudeTolerance=1e-5)
    method.SetOptimizerScalesFromPhysicalShift()
    transform = SimpleITK.Euler3DTransform()
    transform.SetCenter(target.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in target.GetSize()]))
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(target, image)
    x, y, z, right, back, up = (float(one) for one in transform.GetParameters())
    return x, y, z, right, back, up


def _largest(series: SeriesView, parts: Sequence[SmallSlice]) -> Measurement | None:
    volumes = small_volumes(series, parts)
    if len(volumes) < 2 or not all(float(np.ptp(one.values)) > 0.0 for one in volumes):
        return None
    still: Movement = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    positions = [still, *(register(volumes[0], one) for one in volumes[1:])]
    steps = [displacement(before, after) for before, after in pairwise(positions)]
    worst = max(range(len(steps)), key=lambda index: steps[index])
    if not math.isfinite(steps[worst]):
        return None
    count = str(len(positions))
    place = Phrase(
        "between volumes {first} and {second} of {count}", first=str(worst + 1), second=str(worst + 2), count=count
    )
    return Measurement("mr_motion", steps[worst], "mm", place)


MR_MOTION = mr_measure(
    name="mr_motion",
    unit="mm",
    label="Motion between volumes",
    summary="Largest framewise displacement between neighbouring volumes, by rigid registration.",
    definition="Largest framewise displacement (Power et al., NeuroImage 59, 2012; MRIQC's fd) between neighbours of "
    "up to 9 volumes spread over time that have the same b-value, echo time and component of the signal: sum of the "
    "absolute translations and of the rotations times 50 mm. Each volume, reduced to voxels of 3 mm in the plane, is "
    "registered to the first by correlation within the patient (SimpleITK, six parameters).",
    validity="Series of two volumes of five slices or more; motion within a volume is not seen. Needs the extra "
    "`series`.",
    tolerance="Within 0.3 mm for shifts of 2 to 6 mm in the plane of a drawn head. On three real scanners 1 mm with 1° "
    "gives 1.4 to 1.9 mm, and what does not move less than 0.5 mm.",
    agreement=0.3,
    proof="Shifts of a drawn head by 2 and 6 mm.",
    decimals=1,
    rank=580,
    library="SimpleITK",
    each=moving_slice,
    shared=(chosen,),
    take=_largest,
    concern="The patient moved between the volumes: subtraction, perfusion and diffusion maps mix tissue that was not "
    "at one place. Register the volumes first, or repeat the series.",
)
