"""The marked slices of a series: their segments, and whether they lie as a stack that highdicom can describe."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from miqa_node.stages.report.outputs.base import SliceMask, SourceSlice
from miqa_node.stages.report.source import text

MAX_PIXELS = 1 << 28
"""Of all segments on all marked slices: highdicom takes them in one array, with a byte for each."""
DIGITS = 4
"""Of the direction cosines, spacings and thicknesses that slices of one stack share."""


def segment_numbers(masks: Sequence[SliceMask]) -> dict[str, int]:
    """By measurement, in the order in which they first appear."""
    return {name: number for number, name in enumerate(dict.fromkeys(one.mask.measurement for one in masks), 1)}


def is_stack(masks: Sequence[SliceMask]) -> bool:
    """Whether the slices are images of one series and one shape that lie in one direction of one frame of reference."""
    if not lie_together(masks):
        return False
    slices, segments = {one.mask.index for one in masks}, segment_numbers(masks)
    return len(slices) * prod(masks[0].source.shape) * len(segments) <= MAX_PIXELS


def lie_together(slices: Sequence[SliceMask] | Sequence[SourceSlice]) -> bool:
    """The same, whatever the number of pixels."""
    return all(_is_placed(one) for one in slices) and len({_what_is_shared(one) for one in slices}) == 1


def _is_placed(one: SliceMask | SourceSlice) -> bool:
    place, header = one.place, one.source.header
    return bool(
        place.position_mm
        and place.orientation
        and place.spacing_mm
        and text(header, "FrameOfReferenceUID")
        and one.source.number_of_frames == 1
    )


def _what_is_shared(one: SliceMask | SourceSlice) -> tuple[object, ...]:
    place = one.place
    lengths = (*(place.orientation or ()), *(place.spacing_mm or ()), place.thickness_mm or 0.0)
    return (
        one.source.series_instance_uid,
        one.source.sop_class_uid,
        one.source.shape,
        text(one.source.header, "FrameOfReferenceUID"),
        *(round(length, DIGITS) for length in lengths),
    )
