"""Makes the fractional Segmentation of the saliency: shares of each map's peak in 255 steps, JPEG 2000 lossless."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import JPEG2000Lossless

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.stages.report.mask import MarkedRegion, spread_map
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext
from miqa_node.stages.report.pixels import add_encapsulated
from miqa_node.stages.report.seg import SOP_CLASS_UID, SegmentPlane, describe_regions, fill_seg
from miqa_node.stages.report.source import Source

FRACTIONAL_MAXIMUM = 255


def make_fractional_seg(context: OutputContext) -> Draft | None:
    """One segment and one frame for each region."""
    source, regions = context.source, context.regions
    if not regions:
        return None
    seg = context.begin(OUTPUT)
    seg.SegmentationType = "FRACTIONAL"
    seg.SegmentationFractionalType = "PROBABILITY"
    seg.MaximumFractionalValue = FRACTIONAL_MAXIMUM
    shares = [_shares(region, source) for region in regions]
    planes = [SegmentPlane(region.segment_number, source, share) for region, share in zip(regions, shares, strict=True)]
    segments = describe_regions(regions, context.lineage)
    fill_seg(seg, segments, planes, context.lineage.uid(OUTPUT.kind, "dimension"), context.settings)
    seg.BitsAllocated = seg.BitsStored = 8
    seg.HighBit = 7
    add_encapsulated(seg, shares, JPEG2000Lossless, context.settings.encode)
    return Draft(seg)


def _shares(region: MarkedRegion, source: Source) -> NDArray[np.uint8]:
    return np.rint(spread_map(region.values, source.shape) * FRACTIONAL_MAXIMUM).astype(np.uint8)


OUTPUT = Output(
    kind=ResultKind("SEG_FRACTIONAL"),
    modality="SEG",
    series_number=9907,
    description="Quality findings, saliency",
    sop_class_uid=SOP_CLASS_UID,
    make=make_fractional_seg,
    order=40,
    of_series=False,
    transfer_syntax_uid=JPEG2000Lossless,
)
