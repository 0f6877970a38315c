"""Makes the Label Map Segmentation (PS3.3 A.51, Supplement 243): one segment number per pixel."""

from __future__ import annotations

from collections.abc import Sequence as Many

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.words import codes
from miqa_node.stages.measure.slices import Slice
from miqa_node.stages.report.code_items import code_sequence
from miqa_node.stages.report.mask import MarkedRegion, spread_map
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext
from miqa_node.stages.report.outputs.seg import describe_image, describe_series, ordered_masks, series_planes
from miqa_node.stages.report.seg import LABEL_MAP_CLASS_UID, SegmentPlane, cielab

BACKGROUND = 0
BLACK = (0.0, 0.0, 0.0)


def make_labelmap(context: OutputContext) -> Draft | None:
    """The segments of the binary segmentation under the same numbers, in one frame for each image or slice.

    Where regions overlap, a pixel belongs to the region whose map is closest to its peak there; for measurements of a
    series, to the first one.
    """
    if not (context.slice_masks if context.series else context.regions):
        return None
    if context.series:
        planes, places = _stack(context)
        seg = describe_series(context, OUTPUT, planes, places)
    else:
        planes = [SegmentPlane(BACKGROUND, context.source, _labels(context.regions, context.source.shape))]
        seg = describe_image(context, OUTPUT, planes)
    seg.SegmentationType = "LABELMAP"
    seg.SegmentSequence.insert(0, _background())
    seg.add_new("PixelPaddingValue", "US", BACKGROUND)
    seg.BitsAllocated = seg.BitsStored = 8
    seg.HighBit = 7
    pixels = b"".join(plane.values.tobytes() for plane in planes)
    seg.add_new("PixelData", "OB", pixels + b"\0" * (len(pixels) % 2))
    return Draft(seg)


def _labels(regions: Many[MarkedRegion], shape: tuple[int, int]) -> NDArray[np.uint8]:
    labels = np.full(shape, BACKGROUND, np.uint8)
    highest = np.full(shape, -1.0, np.float32)
    for region in regions:
        share = spread_map(region.values, shape)
        here = region.mask & (share > highest)
        labels[here], highest[here] = region.segment_number, share[here]
    return labels


def _stack(context: OutputContext) -> tuple[list[SegmentPlane], list[Slice]]:
    """One frame for each slice marked by any measurement, in the order of the series, and their positions."""
    frames: dict[tuple[str, int], tuple[SegmentPlane, Slice, int]] = {}
    masks = ordered_masks(context)
    for one, plane in zip(masks, series_planes(masks), strict=True):
        key = (plane.source.sop_instance_uid, plane.frame)
        if key not in frames:
            empty = SegmentPlane(BACKGROUND, plane.source, np.zeros(plane.values.shape, np.uint8), plane.frame)
            frames[key] = (empty, one.place, one.mask.index)
        labels = frames[key][0].values
        labels[(plane.values > 0) & (labels == BACKGROUND)] = plane.segment_number
    ordered = sorted(frames.values(), key=lambda frame: frame[2])
    return [plane for plane, _, _ in ordered], [place for _, place, _ in ordered]


def _background() -> Dataset:
    """The item for number 0, the background: every pixel value must have one (PS3.3 C.8.20.4)."""
    segment = Dataset()
    segment.SegmentNumber = BACKGROUND
    segment.SegmentLabel = codes.BACKGROUND.meaning
    segment.SegmentAlgorithmType = "AUTOMATIC"
    segment.SegmentAlgorithmName = "miqa-node"
    segment.SegmentedPropertyCategoryCodeSequence = code_sequence(codes.SPATIAL_CONCEPT)
    segment.SegmentedPropertyTypeCodeSequence = code_sequence(codes.BACKGROUND)
    segment.RecommendedDisplayCIELabValue = cielab(BLACK)
    return segment


OUTPUT = Output(
    kind=ResultKind("SEG_LABELMAP"),
    modality="SEG",
    series_number=9911,
    description="Quality findings, label map",
    sop_class_uid=LABEL_MAP_CLASS_UID,
    make=make_labelmap,
    order=41,
)
