"""Makes the Segmentation (PS3.3 A.51): the regions of an image's findings or of a series' measurements."""

from __future__ import annotations

from collections.abc import Sequence as Many

from pydicom.dataset import Dataset

from miqa_node.domain.delivery import SEG
from miqa_node.domain.output import OutputKind
from miqa_node.imaging.slices import Slice
from miqa_node.report.instance import begin_instance
from miqa_node.report.outputs.base import Draft, Output, OutputContext, SliceMask
from miqa_node.report.seg import (
    SOP_CLASS_UID,
    SegmentPlane,
    add_bits,
    describe_regions,
    describe_seg,
    describe_segment,
    fill_seg,
)
from miqa_node.report.seg_geometry import place_on_stack
from miqa_node.words.subject import subject_of_measurement

ORIGIN = "from the measurement"


def make_seg(context: OutputContext) -> Draft | None:
    """One segment for each region of the image, or for each measurement that flagged the series."""
    if not (context.slice_masks if context.series else context.regions):
        return None
    if context.series:
        masks = ordered_masks(context)
        planes = series_planes(masks)
        seg = describe_series(context, OUTPUT, planes, [one.place for one in masks])
    else:
        planes = [SegmentPlane(region.segment_number, context.source, region.mask) for region in context.regions]
        seg = describe_image(context, OUTPUT, planes)
    seg.SegmentationType = "BINARY"
    add_bits(seg, planes)
    return Draft(seg)


def describe_image(context: OutputContext, output: OutputKind, planes: Many[SegmentPlane]) -> Dataset:
    """A segmentation of the image's regions without its pixels and their type."""
    seg = context.begin(output)
    segments = describe_regions(context.regions, context.assessment, context.lineage)
    fill_seg(seg, segments, planes, context.lineage.uid(output.kind, "dimension"), context.settings)
    if any(region.subject.algorithm for region in context.regions):
        seg.ContentDescription = "Where quality findings and predictions were seen"
    return seg


def describe_series(
    context: OutputContext, output: OutputKind, planes: Many[SegmentPlane], places: Many[Slice]
) -> Dataset:
    """The same for a series: one segment per measurement; ``places`` are the places of the frames."""
    assessment, lineage, settings = context.assessment, context.lineage, context.settings
    seg = begin_instance(output, planes[0].source, assessment, lineage, settings)
    segments = [
        describe_segment(number, subject_of_measurement(name, assessment), ORIGIN, assessment, lineage)
        for name, number in _segment_numbers(context.slice_masks).items()
    ]
    describe_seg(seg, segments, planes, lineage.uid(output.kind, "dimension"))
    place_on_stack(seg, [plane.source for plane in planes], places, settings)
    return seg


def series_planes(masks: Many[SliceMask]) -> list[SegmentPlane]:
    """One frame for each slice that a measurement marks; ``masks`` are ordered."""
    numbers = _segment_numbers(masks)
    return [SegmentPlane(numbers[one.mask.measurement], one.source, one.mask.mask, one.frame) for one in masks]


def ordered_masks(context: OutputContext) -> list[SliceMask]:
    """By measurement, then by place in the series."""
    numbers = _segment_numbers(context.slice_masks)
    return sorted(context.slice_masks, key=lambda one: (numbers[one.mask.measurement], one.mask.index))


def _segment_numbers(masks: Many[SliceMask]) -> dict[str, int]:
    """By measurement, in the order in which they first appear."""
    return {name: number for number, name in enumerate(dict.fromkeys(one.mask.measurement for one in masks), 1)}


OUTPUT = Output(
    kind=SEG,
    modality="SEG",
    series_number=9902,
    description="Quality findings",
    sop_class_uid=SOP_CLASS_UID,
    by_default=True,
    make=make_seg,
    order=10,
    only_flagged=False,
)
