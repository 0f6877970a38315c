"""Makes the Parametric Map (PS3.3 A.75) of a CT series: its noise by place, in blocks of 6 mm on its own geometry."""

from __future__ import annotations

from collections.abc import Sequence as Many

import numpy as np
import structlog
from numpy.typing import NDArray

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.errors import lacks_resources
from miqa_node.stages.measure.series_view import SeriesView, SliceTools, SliceView
from miqa_node.stages.measure.stack import same_plane
from miqa_node.stages.report.instance import begin_instance
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext, SourceSlice
from miqa_node.stages.report.required import PARAMETRIC_MAP
from miqa_node.stages.report.series.extra import missing_libraries
from miqa_node.stages.report.series.stack import MAX_PIXELS, lie_together
from miqa_series.ct.noise_map import block_side_px, noise_map

MEASUREMENT = "ct_noise"

log = structlog.get_logger(__name__)


def make_noise_map(context: OutputContext) -> Draft | None:
    """One frame for each slice of the stack; nothing without the measurement, of odd stacks and without highdicom."""
    if context.assessment.measurement(MEASUREMENT) is None or missing_libraries():
        return None
    stacked = {id(place) for place in same_plane([one.place for one in context.slices])}
    slices = [one for one in context.slices if id(one.place) in stacked]
    if not slices or not lie_together(slices) or slices[0].place.spacing_mm is None:
        return None
    side_px = block_side_px(float(np.mean(slices[0].place.spacing_mm)))  # those of the others differ by rounding
    frames = _frames(context, slices, side_px)
    if frames is None or not np.isfinite(frames).any():
        return None
    # highdicom takes 80 MB, which only such series need
    from miqa_node.stages.report.series.parametric import SliceBlocks, fill_map  # noqa: PLC0415

    made = begin_instance(OUTPUT, slices[0].source, context.assessment, context.lineage, context.settings)
    try:
        fill_map(made, slices, SliceBlocks(frames, side_px), MEASUREMENT, context.lineage.uid(OUTPUT.kind, "dimension"))
    except Exception as error:
        if lacks_resources(error):
            raise
        log.warning("a series gets no map of its noise", reason=type(error).__name__)
        return None
    return Draft(made)


def _frames(context: OutputContext, slices: Many[SourceSlice], side_px: int) -> NDArray[np.float32] | None:
    """Noise in HU, float32 (slices, rows, columns) of blocks; NaN where there is none. None of too large a series."""
    if context.decode_slice is None:
        return None
    series = SeriesView(context.assessment.header, [one.place for one in slices], SliceTools(context.decode_slice))
    frames: list[NDArray[np.float32] | None] = []
    for index, one in enumerate(series.slices):
        radiograph = series.read(one)
        frames.append(None if radiograph is None else noise_map(SliceView(series, index, radiograph), side_px))
    shape = next((frame.shape for frame in frames if frame is not None), None)
    if shape is None or len(frames) * shape[0] * shape[1] > MAX_PIXELS:
        return None
    nothing = np.full(shape, np.nan, np.float32)  # of a slice that cannot be decoded
    return np.stack([nothing if frame is None else frame for frame in frames])


OUTPUT = Output(
    kind=ResultKind("NOISE_MAP"),
    modality="OT",
    series_number=9914,
    description="Noise map",
    sop_class_uid=PARAMETRIC_MAP,
    make=make_noise_map,
    order=46,
    of_images=False,
    only_flagged=False,
)
