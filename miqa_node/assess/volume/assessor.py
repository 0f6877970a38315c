"""Judges one CT or MR series: reads it slice by slice, measures, and marks where the numbers come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path

import numpy as np

from miqa_node.assess.volume.ct import CtMeasures
from miqa_node.assess.volume.marks import Extent, Mark
from miqa_node.assess.volume.mr import MrMeasures, find_threshold
from miqa_node.assess.volume.stack import stack
from miqa_node.domain.assessment import Assessment, Measurement, PlausibilityIssue
from miqa_node.domain.codes import OTHER_FAILURE
from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import Header, InstanceDigest
from miqa_node.errors import DecodeError
from miqa_node.imaging.slices import Slice, read_slices, same_plane
from miqa_node.observe.stages import StageClock

Decode = Callable[[Path, int], Radiograph]
"""Decodes the frame of a file, counted from 0; DecodeError says why it cannot."""

THRESHOLD_SLICES = 15
NO_MODEL = "No model judges CT or MR series; they are measured."


@dataclass(frozen=True, slots=True)
class SeriesJudgement:
    """The assessment, kept with the instance that came last, what it was about, and a slice to show."""

    assessment: Assessment
    extent: Extent
    shown: Radiograph | None


def judge_series(
    header: Header,
    digest: InstanceDigest,
    files: Sequence[tuple[InstanceDigest, Path]],
    decode: Decode,
    max_slices: int,
) -> SeriesJudgement:
    """Measure all slices of the series that ``files`` hold; ``header`` and ``digest`` are those of the last one.

    Slices that cannot be decoded are counted in ``slices_unreadable`` and take no part; an issue says why.
    """
    clock = StageClock()
    every = clock.time("headers", lambda: read_slices(files))
    slices = same_plane(every)
    listed = tuple((one.digest, one.frame) for one in every)
    now = datetime.now(UTC)
    if len(slices) > max_slices:
        reason = f"The series has {len(slices)} slices, more than work.series_max_slices ({max_slices})."
        return SeriesJudgement(Assessment(digest, header, now, not_assessed=reason), Extent(listed), None)
    reading = _Reading(decode)
    measures = CtMeasures() if header.modality == "CT" else MrMeasures(_threshold(slices, reading))
    shown: Radiograph | None = None
    for index, one in enumerate(slices):
        radiograph = reading.read(one)
        if radiograph is None:
            continue
        if shown is None or index <= len(slices) // 2:
            shown = radiograph
        measures.add(index, one, one.values(radiograph.stored), radiograph.valid)
    found = [*stack(slices), *measures.result(), Measurement("slices_unreadable", float(reading.failed), "1")]
    reason = NO_MODEL if shown is not None else f"No slice could be decoded: {reading.reason or 'there is none'}"
    # Marks count the slices of the stack; the extent lists all, and the stack comes first only without localizers.
    places = {(one.digest, one.frame): place for place, one in enumerate(every)}
    marks = tuple(
        Mark(mark.measurement, places[slices[mark.index].digest, slices[mark.index].frame], mark.mask)
        for mark in measures.marks
    )
    assessment = Assessment(
        digest=digest,
        header=header,
        assessed_at=now,
        measurements=tuple(m for m in found if isfinite(m.value)),
        not_assessed=reason,
        plausibility=() if shown is None else _undecodable(reading, len(slices)),
        decoder=shown.decoder if shown else "",
        steps=shown.steps if shown else (),
        timings_ms=clock.milliseconds,
    )
    return SeriesJudgement(assessment, Extent(listed, marks), shown)


def _undecodable(reading: _Reading, slices: int) -> tuple[PlausibilityIssue, ...]:
    if not reading.failed:
        return ()
    text = f"{reading.failed} of {slices} slices could not be decoded; the first because: {reading.reason}"
    return (PlausibilityIssue("undecodable_slices", text, OTHER_FAILURE),)


class _Reading:
    """Decodes slices and remembers how many failed, and why the first of them."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._bad: set[tuple[str, int]] = set()
        self.reason = ""

    @property
    def failed(self) -> int:
        return len(self._bad)

    def read(self, one: Slice) -> Radiograph | None:
        if (one.digest, one.frame) in self._bad:
            return None
        try:
            radiograph = self._decode(one.path, one.frame)
        except DecodeError as error:
            self._bad.add((one.digest, one.frame))
            self.reason = self.reason or str(error)
            return None
        return radiograph if radiograph.shape == (one.rows, one.columns) else None


def _threshold(slices: Sequence[Slice], reading: _Reading) -> float:
    """Between patient and air, from slices all over the stack."""
    if not slices:
        return 0.0
    picked = [slices[i] for i in np.unique(np.linspace(0, len(slices) - 1, THRESHOLD_SLICES).astype(int))]
    decoded = [(one, reading.read(one)) for one in picked]
    images = [one.values(radiograph.stored) for one, radiograph in decoded if radiograph is not None]
    return find_threshold(images) if images else 0.0
