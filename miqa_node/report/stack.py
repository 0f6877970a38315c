"""Makes the objects of a CT or MR series: one report about all its slices, and masks on the series' own geometry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.delivery import DEFAULT_KINDS, ResultKind
from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.policy import Disposition
from miqa_node.errors import ReportError
from miqa_node.imaging.slices import Slice, read_slices
from miqa_node.report.capture import SYNTAXES, make_capture
from miqa_node.report.inherit import inherited_elements
from miqa_node.report.instance import begin_instance
from miqa_node.report.kos import make_kos
from miqa_node.report.made import MadeObject, ReportSettings
from miqa_node.report.mask import Region, outline_of
from miqa_node.report.page import draw_pdf
from miqa_node.report.pdf import make_pdf
from miqa_node.report.picture import draw_page
from miqa_node.report.seg import SOP_CLASS_UID, Plane, add_bits, describe_seg, describe_segment
from miqa_node.report.seg_geometry import place_on_stack
from miqa_node.report.source import Source, read_source
from miqa_node.report.sr import make_sr
from miqa_node.report.subject import Subject, of_measurement
from miqa_node.report.uids import Lineage
from miqa_node.report.validate import check_file
from miqa_node.report.write import encode

ORIGIN = "from the measurement"


@dataclass(frozen=True, slots=True)
class Marked:
    """A place that a measurement comes from: ``mask``, bool (rows, columns), on the slice with that index."""

    measurement: str
    index: int
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stack:
    """A series as it was assessed: (file, frame counted from 0) of each slice in the order of space, and its marks.

    ``predecessors`` are the files of the reports that this one amends; ``decode`` gives pixels for a picture.
    """

    slices: Sequence[tuple[Path, int]]
    marks: Sequence[Marked] = ()
    predecessors: Sequence[Path] = ()
    decode: Callable[[Path, int], Radiograph] | None = field(default=None)


def make_series_objects(
    stack: Stack,
    assessment: Assessment,
    disposition: Disposition,
    settings: ReportSettings | None = None,
    kinds: Collection[ResultKind] = DEFAULT_KINDS,
) -> tuple[MadeObject, ...]:
    """The report for every series; of a flagged one the key object, and masks and picture of what flagged it.

    Presentation states and fractional segmentations are of single images only.

    Raises
    ------
    ReportError
        A slice has no identity to refer to, or an object would not be valid DICOM.
    """
    settings = settings or ReportSettings()
    sources = {path: read_source(path) for path, _ in stack.slices}
    slices = _geometry(stack)
    listed = list(sources.values())
    if len({(one.study_instance_uid, one.series_instance_uid) for one in listed}) != 1:
        raise ReportError("The slices are not of one series.")
    asked = {reason.name for reason in disposition.reasons}
    marks = [mark for mark in stack.marks if mark.measurement in asked] if disposition.verdict.flagged else []
    shown = _shown_slice(stack, marks)
    path, frame = stack.slices[shown]
    middle = sources[path]
    lineage = Lineage.of(middle.series_instance_uid, assessment, disposition)
    # The source that the documents are about comes first; what they say of a place is said of it.
    series = [middle, *(one for one in listed if one is not middle)]
    earlier = [read_source(report) for report in stack.predecessors]
    made: list[tuple[ResultKind, Dataset, str]] = []
    if marks and ResultKind.SEG in kinds:
        seg = _make_seg(stack, slices, sources, marks, assessment, lineage, settings)
        made.append((ResultKind.SEG, seg, ExplicitVRLittleEndian))
    if ResultKind.SR in kinds:
        report = make_sr(middle, assessment, disposition, (), lineage, settings, series, frame + 1, earlier)
        made.append((ResultKind.SR, report, ExplicitVRLittleEndian))
    if disposition.verdict.flagged and ResultKind.KOS in kinds:
        made.append(
            (
                ResultKind.KOS,
                make_kos(middle, assessment, disposition, lineage, settings, series),
                ExplicitVRLittleEndian,
            )
        )
    wanted = [kind for kind in SYNTAXES if kind in kinds]
    if disposition.verdict.flagged and wanted and stack.decode is not None:
        display = stack.decode(path, frame).display
        picture = draw_page(display, _drawn(marks, shown, assessment), disposition, assessment.score)
        made += [
            (kind, make_capture(kind, middle, assessment, picture, lineage, settings, frame + 1), SYNTAXES[kind])
            for kind in wanted
        ]
    if disposition.verdict.flagged and ResultKind.PDF in kinds and stack.decode is not None:
        display = stack.decode(path, frame).display
        page = draw_pdf(assessment, disposition, display, _drawn(marks, shown, assessment), settings.language)
        made.append((ResultKind.PDF, make_pdf(middle, assessment, page, lineage, settings), ExplicitVRLittleEndian))
    inherited = inherited_elements(middle)
    objects = tuple(
        MadeObject(kind, own.SOPClassUID, own.SOPInstanceUID, encode(own, inherited, syntax))
        for kind, own, syntax in made
    )
    for item in objects:
        about = next((one for one in listed if one.sop_instance_uid.encode() in item.data), middle)
        check_file(item.data, item.sop_class_uid, item.sop_instance_uid, about, inherited)
    return objects


def _geometry(stack: Stack) -> list[Slice]:
    files = dict.fromkeys(path for path, _ in stack.slices)
    known = {(one.path, one.frame): one for one in read_slices((InstanceDigest(str(path)), path) for path in files)}
    missing = [place for place in stack.slices if place not in known]
    if missing or not stack.slices:
        raise ReportError(f"{len(missing)} of {len(stack.slices)} slices cannot be read again.")
    return [known[place] for place in stack.slices]


def _shown_slice(stack: Stack, marks: Sequence[Marked]) -> int:
    """The slice with the largest mark, else the middle one."""
    if not marks:
        return len(stack.slices) // 2
    area: dict[int, int] = {}
    for mark in marks:
        area[mark.index] = area.get(mark.index, 0) + int(mark.mask.sum())
    return max(area, key=lambda index: (area[index], -index))


def _drawn(marks: Sequence[Marked], index: int, assessment: Assessment) -> list[Region]:
    here = [mark for mark in marks if mark.index == index]
    return [
        Region(
            _subject(mark.measurement, assessment),
            n,
            mark.mask,
            outline_of(mark.mask),
            "",
            mark.mask.astype(np.float32),
        )
        for n, mark in enumerate(here, 1)
    ]


def _subject(name: str, assessment: Assessment) -> Subject:
    measurement = assessment.measurement(name)
    assert measurement is not None, "marks exist only of what was measured"  # noqa: S101
    return of_measurement(measurement)


def _make_seg(
    stack: Stack,
    slices: Sequence[Slice],
    sources: dict[Path, Source],
    marks: Sequence[Marked],
    assessment: Assessment,
    lineage: Lineage,
    settings: ReportSettings,
) -> Dataset:
    """One segment for each measurement that flagged the series, one frame for each slice that it marks."""
    names = list(dict.fromkeys(mark.measurement for mark in marks))
    ordered = sorted(marks, key=lambda mark: (names.index(mark.measurement), mark.index))
    planes = [
        Plane(
            names.index(mark.measurement) + 1,
            sources[stack.slices[mark.index][0]],
            mark.mask,
            stack.slices[mark.index][1] + 1,
        )
        for mark in ordered
    ]
    first = planes[0].source
    seg = begin_instance(ResultKind.SEG, SOP_CLASS_UID, first, assessment, lineage, settings)
    seg.SegmentationType = "BINARY"
    segments = [
        describe_segment(number, _subject(name, assessment), ORIGIN, assessment, lineage)
        for number, name in enumerate(names, 1)
    ]
    describe_seg(seg, segments, planes, lineage.uid(ResultKind.SEG, "dimension"))
    place_on_stack(seg, [plane.source for plane in planes], [slices[mark.index] for mark in ordered], settings)
    add_bits(seg, planes)
    return seg
