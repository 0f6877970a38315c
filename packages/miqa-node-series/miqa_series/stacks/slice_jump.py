"""Brightness jumps between slices of an MR volume that show the same anatomy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.core.domain.assessment import Measurement
from miqa_node.stages.measure.base import stack_measure
from miqa_node.stages.measure.series_view import SeriesView, SliceView, Values
from miqa_node.stages.measure.volumes import volumes
from miqa_node.stages.measure.where import place_of_slice
from miqa_series.mr.patient import magnitude

THUMBNAIL_PX = 32
MIN_SLICES = 5
"""Slices of a localizer or of a short stack lie too far apart to compare."""
MIN_LIKENESS = 0.8
"""Minimum correlation with the neighbours: brightness is only comparable if the slices show the same anatomy."""

LEAST_MARKED = 5.0
"""Percent: a slice that jumps less is not marked, whatever the limit of a site."""


class SliceBrightness(NamedTuple):
    """The slice's position in the series and a small copy of it with the same mean."""

    position: int
    small: Values


def _brightness(view: SliceView) -> SliceBrightness:
    small = cv2.resize(view.once(magnitude), (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return SliceBrightness(view.index, np.asarray(small, np.float32))


def jumps(volume: Sequence[Values]) -> list[float]:
    """For each slice but the first and last: difference of its mean from its neighbours', in % of the median of all.

    0 if the slice does not show the same as its neighbours.

    >>> slices = [np.outer(np.arange(8.0), np.ones(8)) * gain for gain in (1.0, 1.0, 1.2, 1.0, 1.0)]
    >>> [round(one) for one in jumps(slices)]
    [10, 20, 10]
    """
    usual = float(np.median([one.mean() for one in volume]))
    if usual <= 0.0:
        return []
    differences = []
    for before, here, after in zip(volume, volume[1:], volume[2:], strict=False):
        expected = (before + after) / 2.0
        off = 100.0 * abs(float(here.mean() - expected.mean())) / usual
        differences.append(off if _alike(here, expected) and _alike(before, after) else 0.0)
    return differences


def _alike(one: Values, other: Values) -> bool:
    if one.std() == 0.0 or other.std() == 0.0:
        return False
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1]) >= MIN_LIKENESS


def _jumps(series: SeriesView, parts: Mapping[int, SliceBrightness]) -> dict[int, float]:
    """The jump of each slice that has two neighbours in its volume, by position in the series."""
    by_position: dict[int, float] = {}
    for indices in volumes(series):
        read = [index for index in indices if index in parts]
        if len(read) >= MIN_SLICES:
            by_position |= zip(read[1:], jumps([parts[index].small for index in read]), strict=False)
    return by_position


def _jump(series: SeriesView, parts: Sequence[SliceBrightness]) -> Measurement | None:
    by_position = _jumps(series, {part.position: part for part in parts})
    if not by_position or not any(part.small.std() > 0.0 for part in parts):
        return None
    worst = max(by_position, key=lambda index: by_position[index])
    return Measurement("slice_jump", by_position[worst], "%", place_of_slice(series, worst))


def _outlier(series: SeriesView, parts: Sequence[SliceBrightness]) -> list[int]:
    by_position = _jumps(series, {part.position: part for part in parts})
    worst = max(by_position, key=lambda index: by_position[index], default=None)
    return [] if worst is None or by_position[worst] < LEAST_MARKED else [worst]


SLICE_JUMP = stack_measure(
    name="slice_jump",
    unit="%",
    label="Jump between slices",
    summary="Largest deviation of a slice's mean signal from that of its neighbours in the same volume.",
    definition="Largest distance of a slice's mean from the mean of its two neighbours, per median of all means (MR "
    "only). Slices are compared within a volume: b-values, echoes, phases and components of the signal at one place "
    "are volumes of their own.",
    validity="Volumes of 5 slices or more. A slice counts only if it shows what its neighbours show (correlation of "
    "0.8 or more of copies of 32 × 32 pixels, also of the neighbours with each other).",
    tolerance="Within 1 for a slice that is darker by 10 to 50 %; less than 1 in even drawn heads.",
    agreement=1,
    proof="A slice of a drawn head that is darker by 10 to 50 %.",
    decimals=0,
    rank=510,
    modalities=("MR",),
    needs="pixels",
    each=_brightness,
    take=_jump,
    outliers=_outlier,
    along=_jumps,
    concern="The slice shows the same anatomy at another brightness: movement between the parts of an interleaved "
    "scan, or a lost calibration. Signal intensities cannot be compared across it.",
)
