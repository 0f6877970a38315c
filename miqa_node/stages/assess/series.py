"""Judges one CT or MR series: measures its slices, and marks where the numbers come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from miqa_node.core.domain.assessment import Assessment, Measurement, PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.phantom import SAID_BY_A_PERSON
from miqa_node.core.domain.series import SeriesSnapshot, SliceProfile
from miqa_node.core.domain.traits import SeriesTraits
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe.stages import StageClock
from miqa_node.stages.assess.contracts.base import ModelMaterial
from miqa_node.stages.assess.findings import read_findings
from miqa_node.stages.assess.packages import Package
from miqa_node.stages.assess.phantom import recognise
from miqa_node.stages.assess.phantom_kind import kind_of
from miqa_node.stages.assess.series_members import left_out, member_issues, unchecked, unfit_reason, untold
from miqa_node.stages.assess.series_part import part_shown
from miqa_node.stages.measure.base import series_measures
from miqa_node.stages.measure.series_run import measure_series
from miqa_node.stages.measure.series_view import SeriesView, SliceTools
from miqa_node.stages.measure.slices import Slice, read_slices
from miqa_node.stages.measure.stack import of_other_sizes, same_plane
from miqa_node.stages.measure.volumes import volumes_of

NO_STACK = Phrase("The series has no stack of slices to measure: localizers at most.")
NO_SLICE = Phrase(
    "No slice can be measured: each has the SOP Instance UID of an object that came before, or cannot be read."
)


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """The assessment, stored with the last instance that arrived; the slices it covers; and a slice to show."""

    assessment: Assessment
    snapshot: SeriesSnapshot
    shown: Radiograph | None


def judge_series(
    header: Header,
    traits: SeriesTraits,
    digest: InstanceDigest,
    files: Sequence[tuple[InstanceDigest, Path]],
    tools: SliceTools,
    max_slices: int,
    package: Package | None = None,
    *,
    phantom: bool | None = None,
    captures: int = 0,
) -> SeriesResult:
    """Measure all slices of the series in ``files``; ``header`` and ``digest`` are those of the last instance.

    A ``package`` with a contract for series judges the series if its card covers it. Slices that cannot be decoded
    count in ``slices_unreadable`` and are skipped; an issue gives the reason. ``phantom`` is a person's statement
    about the series; None if there is none, and then the pixels decide. ``captures`` were sent beside the series.
    """
    clock = StageClock()
    every = clock.time("headers", lambda: read_slices(files, tools.spread))
    slices = same_plane(every)
    listed = tuple((one.digest, one.frame) for one in every)
    now = datetime.now(UTC)
    if len(slices) > max_slices:
        too_many = Phrase(
            "The series has {slices} slices, more than work.series_max_slices ({max_slices}).",
            slices=f"{len(slices)}",
            max_slices=f"{max_slices}",
        )
        return SeriesResult(Assessment(digest, header, now, not_assessed=too_many), SeriesSnapshot(listed), None)
    others = of_other_sizes(every, slices)
    series = SeriesView(header, slices, tools, others=others)
    measured = clock.time("measure", lambda: measure_series(series))
    middle = measured.middle
    unfit = "" if middle is None else unfit_reason(every, slices)
    reason = unfit or (_why_not(series, every) if middle is None else _out_of_scope(header, traits, package))
    shown = slices or every
    whole = SeriesView(header, shown, tools)
    test_object = clock.time("phantom", lambda: _test_object(whole, traits, phantom))
    phantom_kind = clock.time("phantom_kind", lambda: kind_of(whole)) if test_object else ""
    # Mask indices refer to the stack, those of the snapshot to all slices; they are equal only without localizers.
    places = {(one.digest, one.frame): place for place, one in enumerate(every)}
    masks = tuple(
        replace(one, index=places[slices[one.index].digest, slices[one.index].frame]) for one in measured.masks
    )
    listed_places = [places[one.digest, one.frame] for one in slices]
    profiles = tuple(_placed(one, listed_places, len(every)) for one in measured.profiles)
    assessment = Assessment(
        digest=digest,
        header=header,
        assessed_at=now,
        measurements=measured.measurements,
        left_out=measured.left_out,
        not_assessed=reason,
        plausibility=()
        if middle is None
        else (
            *_undecodable(series),
            *_odd_sizes(series),
            *member_issues(every, slices, captures),
            *(() if unfit else _of_kind(series, measured.measurements)),
        ),
        decoder=middle.decoder if middle else "",
        steps=middle.steps if middle else (),
        phantom=test_object,
        phantom_kind=phantom_kind,
        part_seen="" if header.body_part_examined or test_object else clock.time("part", lambda: part_shown(series)),
        kind=series.kind.name,
        field_t=shown[0].field_t if shown else None,
        experimental=reason if traits.untried and reason == traits.unjudged else "",
        unfit=unfit,
    )
    if package is not None and not reason and not test_object:
        material = ModelMaterial(None, measured.measurements, series.sample)
        outputs = clock.time("infer", lambda: package.run(package.contract.prepare(package.card, material).arrays))
        assessment = read_findings(package, outputs, measured.measurements).added_to(assessment, package)
    assessment = replace(assessment, timings_ms=clock.milliseconds)
    return SeriesResult(assessment, SeriesSnapshot(listed, masks, profiles), middle)


def _placed(profile: SliceProfile, places: Sequence[int], count: int) -> SliceProfile:
    """Numbers of the stack as numbers of all ``count`` slices of the snapshot."""
    values = np.full(count, np.nan, np.float32)
    values[list(places)] = profile.values
    return replace(profile, values=values)


def is_unread(assessment: Assessment) -> bool:
    """Whether the series could not be read at all: not one slice was decoded, or no file has the header of a slice."""
    count, unreadable = assessment.measurement("slice_count"), assessment.measurement("slices_unreadable")
    if count is None or unreadable is None or not count.value:
        return assessment.not_assessed == NO_SLICE
    return count.value == unreadable.value


def _test_object(series: SeriesView, traits: SeriesTraits, phantom: bool | None) -> str:
    if phantom is None:
        return recognise(series, traits, hinted=series.header.quality_control or series.header.named_phantom)
    return SAID_BY_A_PERSON if phantom else ""


def _of_kind(series: SeriesView, measurements: Sequence[Measurement]) -> tuple[PlausibilityIssue, ...]:
    modality, kind = series.header.modality, series.kind
    return (
        *left_out(modality, kind),
        *untold(series.once(volumes_of).untold),
        *unchecked(modality, kind, measurements),
    )


def _why_not(series: SeriesView, every: Sequence[Slice]) -> str:
    """Why nothing was measured."""
    if series.slices:
        return Phrase("No slice could be decoded: {reason}", reason=series.reason)
    return NO_STACK if every else NO_SLICE


def _out_of_scope(header: Header, traits: SeriesTraits, package: Package | None) -> str:
    if package is None:
        return traits.unjudged if series_measures(header.modality) else _not_installed(header.modality)
    return package.card.applicability.excludes(header, None)


def _not_installed(modality: str) -> str:
    return Phrase("Nothing here measures series of {modality}: miqa-node-series is not installed.", modality=modality)


def _undecodable(series: SeriesView) -> tuple[PlausibilityIssue, ...]:
    if not series.unreadable:
        return ()
    text = Phrase(
        "{unreadable} of {slices} slices could not be decoded; the first because: {reason}",
        unreadable=f"{series.unreadable}",
        slices=f"{len(series.slices)}",
        reason=series.reason,
    )
    return (PlausibilityIssue("undecodable_slices", text, OTHER_FAILURE),)


def _odd_sizes(series: SeriesView) -> tuple[PlausibilityIssue, ...]:
    if not series.others:
        return ()
    odd, usual = series.others[0], series.slices[0]
    text = Phrase(
        "Slices of another size than the {measured} of the stack: {others}. They were not measured. "
        "The first has {rows} × {columns} pixels instead of {rows2} × {columns2}.",
        measured=f"{len(series.slices)}",
        others=f"{len(series.others)}",
        rows=f"{odd.rows}",
        columns=f"{odd.columns}",
        rows2=f"{usual.rows}",
        columns2=f"{usual.columns}",
    )
    return (PlausibilityIssue("slice_sizes_differ", text, OTHER_FAILURE),)
