"""How large a marked region of a series is in the patient, by SimpleITK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813 - as its documentation calls it

from miqa_node.stages.report.outputs.base import SliceMask

MAX_DEVIATION = 0.02
"""Of the distance of slices: further off a regular stack, a region has no volume that could be told."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The size of a region: cubic centimetres, and the number of parts that do not touch."""

    volume_cm3: float
    parts: int


def extent_of(masks: Sequence[SliceMask]) -> Extent | None:
    """That of one measurement's masks; None unless the slices are regular, so that what lies between is known."""
    masks = sorted(masks, key=lambda one: one.mask.index)
    distance_mm = _distance_mm(masks)
    spacing_mm = masks[0].place.spacing_mm
    if distance_mm is None or spacing_mm is None or min(distance_mm, *spacing_mm) <= 0.0:
        return None
    image = sitk.GetImageFromArray(_block(masks))
    image.SetSpacing((spacing_mm[1], spacing_mm[0], distance_mm))
    parts = sitk.ConnectedComponent(image, True)  # fully connected: those that touch with a corner are one
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputePerimeterOff()
    shape.Execute(parts)
    labels = shape.GetLabels()
    return Extent(sum(shape.GetPhysicalSize(label) for label in labels) / 1000.0, len(labels))


def _block(masks: Sequence[SliceMask]) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """The smallest block of (slices, rows, columns) with all that is marked; slices without a mark are empty."""
    whole = np.logical_or.reduce([one.mask.mask for one in masks])
    rows, columns = np.flatnonzero(whole.any(1)), np.flatnonzero(whole.any(0))
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    first = masks[0].mask.index
    block = np.zeros((masks[-1].mask.index - first + 1, *whole[inside].shape), np.uint8)
    for one in masks:
        block[one.mask.index - first] = one.mask.mask[inside]
    return block


def _distance_mm(masks: Sequence[SliceMask]) -> float | None:
    """Between neighbouring slices, the thickness of a single one; None if the marked slices are not regular."""
    if len(masks) == 1:
        return masks[0].place.thickness_mm or None
    indices = np.array([one.mask.index for one in masks], float)
    places = np.array([one.place.place_mm for one in masks], float)
    distances = np.diff(places) / np.diff(indices)
    distance = float(np.median(distances))
    if not np.isfinite(distances).all() or distance == 0.0:
        return None
    return abs(distance) if np.abs(distances / distance - 1.0).max() <= MAX_DEVIATION else None
