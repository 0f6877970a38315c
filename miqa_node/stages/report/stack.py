"""A CT or MR series as input of outputs: its representative slice, and the masks in the series' own geometry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.series import MeasurementMask
from miqa_node.core.words.subject import subject_of_measurement
from miqa_node.errors import ReportError
from miqa_node.stages.measure.slices import Slice, read_slices
from miqa_node.stages.report.made import ReportRequest
from miqa_node.stages.report.mask import MarkedRegion, outlines_of
from miqa_node.stages.report.outputs.base import OutputContext, SliceMask, SourceSlice
from miqa_node.stages.report.source import read_source
from miqa_node.stages.report.uids import Lineage


@dataclass(frozen=True, slots=True)
class ReportedSeries:
    """A series as assessed: (file, frame counted from 0) of each slice in spatial order, and its masks.

    ``predecessors`` are the files of the reports that this one amends; ``decode`` returns pixels for a picture.
    """

    slices: Sequence[tuple[Path, int]]
    masks: Sequence[MeasurementMask] = ()
    predecessors: Sequence[Path] = ()
    decode: Callable[[Path, int], Radiograph] | None = None

    def context(self, request: ReportRequest) -> OutputContext:
        """The series with the masks of the measurements that flagged it; ReportError if a slice cannot be read."""
        assessment, disposition = request.assessment, request.disposition
        placed = assessment.header.study_instance_uid, assessment.header.series_instance_uid
        sources = {path: read_source(path, *placed) for path, _ in self.slices}
        places = _geometry(self)
        if len({one.study_instance_uid for one in sources.values()}) != 1:
            raise ReportError("The slices are not of one study.")
        reasons = {reason.name for reason in disposition.reasons} if disposition.verdict.flagged else set()
        masks = [mask for mask in self.masks if mask.measurement in reasons]
        shown = _shown_slice(self, masks)
        path, frame = self.slices[shown]
        source = sources[path]
        return OutputContext(
            path,
            source,
            assessment,
            disposition,
            Lineage.of(source.series_instance_uid, assessment, disposition),
            request.settings,
            request.kinds,
            _drawn(masks, shown, assessment),
            frame + 1,
            # The source of the documents comes first; their places are on it.
            [source, *(one for one in sources.values() if one is not source)],
            [
                SourceSlice(sources[path], frame + 1, place)
                for (path, frame), place in zip(self.slices, places, strict=True)
            ],
            [
                SliceMask(mask, sources[self.slices[mask.index][0]], self.slices[mask.index][1] + 1, places[mask.index])
                for mask in masks
            ],
            [read_source(report) for report in self.predecessors],
            decode_slice=self.decode,
            decode=None if self.decode is None else partial(self.decode, path, frame),
        )


def _geometry(stack: ReportedSeries) -> list[Slice]:
    files = dict.fromkeys(path for path, _ in stack.slices)
    slices = {(one.path, one.frame): one for one in read_slices((InstanceDigest(str(path)), path) for path in files)}
    missing = [place for place in stack.slices if place not in slices]
    if missing or not stack.slices:
        raise ReportError(
            "{missing_count} of {slices_count} slices cannot be read again.",
            missing_count=len(missing),
            slices_count=len(stack.slices),
        )
    return [slices[place] for place in stack.slices]


def _shown_slice(stack: ReportedSeries, masks: Sequence[MeasurementMask]) -> int:
    """The slice with the largest region, else the first that is marked as a whole, otherwise the middle one."""
    if not masks:
        return len(stack.slices) // 2
    area: dict[int, int] = {}
    for mask in masks:
        area[mask.index] = area.get(mask.index, 0) + (0 if mask.is_whole else int(mask.mask.sum()))
    return max(area, key=lambda index: (area[index], -index))


def _drawn(masks: Sequence[MeasurementMask], index: int, assessment: Assessment) -> list[MarkedRegion]:
    here = [(one.measurement, one.mask) for one in masks if one.index == index]
    return [
        MarkedRegion(
            subject_of_measurement(measurement, assessment),
            number,
            mask,
            outlines_of(mask),
            "",
            mask.astype(np.float32),
        )
        for number, (measurement, mask) in enumerate(here, 1)
    ]
