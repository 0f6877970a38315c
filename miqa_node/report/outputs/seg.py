"""Makes the Segmentation (PS3.3 A.51): where findings of an image, or measurements of a series, come from."""

from __future__ import annotations

from pydicom.dataset import Dataset

from miqa_node.domain.delivery import SEG
from miqa_node.report.instance import begin_instance
from miqa_node.report.outputs.base import Draft, Output, OutputContext
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
from miqa_node.report.subject import subject_of_measurement

ORIGIN = "from the measurement"


def make_seg(context: OutputContext) -> Draft | None:
    """One segment for each region of the image, or for each measurement that flagged the series."""
    if context.series:
        return Draft(_of_series(context)) if context.slice_masks else None
    return Draft(_of_image(context)) if context.regions else None


def _of_image(context: OutputContext) -> Dataset:
    """One frame for each segment."""
    seg = context.begin(OUTPUT)
    seg.SegmentationType = "BINARY"
    segments = describe_regions(context.regions, context.assessment, context.lineage)
    planes = [SegmentPlane(region.segment_number, context.source, region.mask) for region in context.regions]
    fill_seg(seg, segments, planes, context.lineage.uid(SEG, "dimension"), context.settings)
    if any(region.subject.algorithm for region in context.regions):
        seg.ContentDescription = "Where quality findings and predictions were seen"
    add_bits(seg, planes)
    return seg


def _of_series(context: OutputContext) -> Dataset:
    """One frame for each slice that a measurement marks."""
    assessment, lineage, settings = context.assessment, context.lineage, context.settings
    names = list(dict.fromkeys(one.mask.measurement for one in context.slice_masks))
    ordered = sorted(context.slice_masks, key=lambda one: (names.index(one.mask.measurement), one.mask.index))
    planes = [
        SegmentPlane(names.index(one.mask.measurement) + 1, one.source, one.mask.mask, one.frame) for one in ordered
    ]
    seg = begin_instance(OUTPUT, planes[0].source, assessment, lineage, settings)
    seg.SegmentationType = "BINARY"
    segments = [
        describe_segment(number, subject_of_measurement(name, assessment), ORIGIN, assessment, lineage)
        for number, name in enumerate(names, 1)
    ]
    describe_seg(seg, segments, planes, lineage.uid(SEG, "dimension"))
    place_on_stack(seg, [plane.source for plane in planes], [one.place for one in ordered], settings)
    add_bits(seg, planes)
    return seg


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
