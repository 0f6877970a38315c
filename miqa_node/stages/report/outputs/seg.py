"""Makes the Segmentation (PS3.3 A.51): the regions of an image's findings or of a series' measurements."""

from __future__ import annotations

from collections.abc import Sequence as Many

import structlog
from pydicom.dataset import Dataset

from miqa_node.core.domain.delivery import SEG
from miqa_node.core.domain.output import OutputKind
from miqa_node.core.words.subject import is_prediction, subject_of_measurement
from miqa_node.errors import lacks_resources
from miqa_node.stages.measure.slices import Slice
from miqa_node.stages.report.instance import begin_instance
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext, SliceMask
from miqa_node.stages.report.seg import (
    SOP_CLASS_UID,
    SegmentPlane,
    add_bits,
    describe_regions,
    describe_seg,
    describe_segment,
    fill_seg,
)
from miqa_node.stages.report.seg_geometry import place_on_stack
from miqa_node.stages.report.series.extra import missing_libraries
from miqa_node.stages.report.series.stack import is_stack, segment_numbers

log = structlog.get_logger(__name__)

ORIGIN = "from the measurement"


def make_seg(context: OutputContext) -> Draft | None:
    """One segment for each region of the image, or for each measurement that flagged the series."""
    if not (context.slice_masks if context.series else context.regions):
        return None
    if context.series:
        masks = ordered_masks(context)
        if is_stack(masks) and not missing_libraries() and (seg := _stack(context, masks)) is not None:
            return Draft(seg)
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
    segments = describe_regions(context.regions, context.lineage)
    fill_seg(seg, segments, planes, context.lineage.uid(output.kind, "dimension"), context.settings)
    if any(is_prediction(region.subject.name) for region in context.regions):
        seg.ContentDescription = "Where quality findings and predictions were seen"
    return seg


def describe_series(
    context: OutputContext, output: OutputKind, planes: Many[SegmentPlane], places: Many[Slice]
) -> Dataset:
    """The same for a series: one segment per measurement; ``places`` are the places of the frames."""
    assessment, lineage, settings = context.assessment, context.lineage, context.settings
    seg = begin_instance(output, planes[0].source, assessment, lineage, settings)
    describe_seg(seg, _segments(context), planes, lineage.uid(output.kind, "dimension"))
    place_on_stack(seg, [plane.source for plane in planes], places, settings)
    return seg


def _stack(context: OutputContext, masks: Many[SliceMask]) -> Dataset | None:
    """The segmentation of a stack of slices, described by highdicom; None if it refuses, which headers can cause."""
    from miqa_node.stages.report.series.segmentation import fill_stack  # noqa: PLC0415 - 80 MB that only such series need

    lineage = context.lineage
    seg = begin_instance(OUTPUT, masks[0].source, context.assessment, lineage, context.settings)
    numbers = segment_numbers(context.slice_masks)
    try:
        fill_stack(seg, _segments(context), masks, numbers, lineage.uid(OUTPUT.kind, "dimension"))
    except Exception as error:
        if lacks_resources(error):
            raise
        log.warning("a series is segmented frame by frame", reason=type(error).__name__)
        return None
    return seg


def _segments(context: OutputContext) -> list[Dataset]:
    """One segment for each measurement that marks slices."""
    assessment, lineage = context.assessment, context.lineage
    return [
        describe_segment(number, subject_of_measurement(name, assessment), ORIGIN, lineage)
        for name, number in segment_numbers(context.slice_masks).items()
    ]


def series_planes(masks: Many[SliceMask]) -> list[SegmentPlane]:
    """One frame for each slice that a measurement marks; ``masks`` are ordered."""
    numbers = segment_numbers(masks)
    return [SegmentPlane(numbers[one.mask.measurement], one.source, one.mask.mask, one.frame) for one in masks]


def ordered_masks(context: OutputContext) -> list[SliceMask]:
    """By measurement, then by place in the series."""
    numbers = segment_numbers(context.slice_masks)
    return sorted(context.slice_masks, key=lambda one: (numbers[one.mask.measurement], one.mask.index))


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
