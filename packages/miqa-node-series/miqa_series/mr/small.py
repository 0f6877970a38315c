"""Small copies of the volumes of an MR series, for measurements of a whole volume: bias field and motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.measure.series_view import SeriesView, SliceView, Values
from miqa_node.stages.measure.slices import Slice
from miqa_node.stages.measure.volumes import show_the_same, volumes
from miqa_series.mr.patient import magnitude

if TYPE_CHECKING:
    import SimpleITK

VOXEL_MM = 3.0
"""About the size of a voxel of the copy: ten times smaller than the structure of a coil's field."""
MAX_SIDE_PX = 128
MAX_SLICES = 64
MAX_VOLUMES = 9
MIN_SLICES = 5
"""Fewer are no volume: a localizer, or slices far apart."""
UNKNOWN_MM = 5.0


class SmallSlice(NamedTuple):
    """A slice of the copy by its position in the series; float32."""

    position: int
    values: Values


@dataclass(frozen=True, slots=True)
class SmallVolume:
    """Values (slices, rows, columns), float32, and the distance of voxels along each, in mm."""

    values: NDArray[np.float32]
    spacing_mm: tuple[float, float, float]


def chosen(series: SeriesView) -> tuple[tuple[int, ...], ...]:
    """The volumes to copy, each as the positions of its slices: up to MAX_VOLUMES of the contrast that most have.

    Volumes that differ only in time are compared; empty where slices are no volume.
    """
    groups: list[list[list[int]]] = []
    for volume in volumes(series):
        if len(volume) < MIN_SLICES or not _is_even(series.slices, volume):
            continue
        first = series.slices[volume[0]]
        alike = next((one for one in groups if show_the_same(series.slices[one[0][0]], first)), None)
        if alike is None:
            groups.append([volume])
        else:
            alike.append(volume)
    if not groups:
        return ()
    most = max(groups, key=len)
    whole = [one for one in most if len(one) == len(most[0])]
    return tuple(_thinned(whole[index]) for index in _even_picks(len(whole), MAX_VOLUMES))


def small_slice(view: SliceView) -> SmallSlice | None:
    """The slice, reduced; None if it is not in a chosen volume."""
    if not any(view.index in volume for volume in view.series.once(chosen)):
        return None
    values = view.once(magnitude)
    rows, columns = (_reduced(*side) for side in zip(values.shape, _pitches(view.header), strict=True))
    small = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)
    return SmallSlice(view.index, np.asarray(small, np.float32))


def first_slice(view: SliceView) -> SmallSlice | None:
    """The slice, reduced, if it is in the first volume."""
    picked = view.series.once(chosen)
    return view.once(small_slice) if picked and view.index in picked[0] else None


def moving_slice(view: SliceView) -> SmallSlice | None:
    """The slice, reduced, if there are several volumes to compare."""
    return view.once(small_slice) if len(view.series.once(chosen)) > 1 else None


def small_volumes(series: SeriesView, parts: Sequence[SmallSlice]) -> list[SmallVolume]:
    """Those of the chosen volumes that have all their slices."""
    read = {one.position: one.values for one in parts}
    return [
        _put_together(series.slices, volume, [read[index] for index in volume])
        for volume in series.once(chosen)
        if all(index in read for index in volume)
    ]


def image_of(volume: SmallVolume) -> SimpleITK.Image:
    """The volume with its spacing."""
    import SimpleITK  # noqa: PLC0415 - an extra

    image = SimpleITK.GetImageFromArray(volume.values)
    image.SetSpacing([float(one) for one in reversed(volume.spacing_mm)])
    return image


def _put_together(slices: Sequence[Slice], volume: Sequence[int], values: Sequence[Values]) -> SmallVolume:
    first, last = slices[volume[0]], slices[volume[-1]]
    between = (last.place_mm or 0.0) - (first.place_mm or 0.0)
    distance = abs(between) / (len(volume) - 1) or first.thickness_mm or UNKNOWN_MM
    pitches = (
        pitch * length / small
        for pitch, length, small in zip(_pitches(first), (first.rows, first.columns), values[0].shape, strict=True)
    )
    return SmallVolume(np.stack(values), (distance, *pitches))


def _is_even(slices: Sequence[Slice], volume: Sequence[int]) -> bool:
    """Whether distances are known and about equal: a volume with gaps has no shape."""
    places = [place for index in volume if (place := slices[index].place_mm) is not None]
    if len(places) != len(volume):
        return False
    distances = np.diff(places)
    return bool(distances.min() > 0.0 and distances.max() <= 1.5 * float(np.median(distances)))


def _thinned(volume: Sequence[int]) -> tuple[int, ...]:
    step = -(-len(volume) // MAX_SLICES)
    return tuple(volume[::step])


def _even_picks(count: int, most: int) -> list[int]:
    return sorted({int(one) for one in np.linspace(0, count - 1, min(count, most)).round()})


def _pitches(one: Slice) -> tuple[float, float]:
    return one.spacing_mm or (1.0, 1.0)


def _reduced(length: int, pitch_mm: float) -> int:
    """Number of voxels along a side.

    >>> _reduced(256, 0.9), _reduced(64, 3.5), _reduced(1024, 0.5)
    (77, 64, 128)
    """
    return max(1, min(length, MAX_SIDE_PX, round(length * pitch_mm / VOXEL_MM)))
