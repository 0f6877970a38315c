"""All images received within a range of days, including accepted and not assessed ones, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.verdict import EXPERIMENTAL, Verdict
from miqa_node.features.worklist.rows import free_text
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import acquisitions, dispositions, instances, patients, series, studies
from miqa_node.stages.units.rows.instances import CLOCK_SLACK
from miqa_node.stages.units.rows.standing import NONE_LATE, LateMembers, UnitStanding, standings


@dataclass(frozen=True, slots=True)
class ExposureFilter:
    """Exposures as the reject analysis counts them, of the days from ``since`` to before ``until``.

    ``values`` are what columns of the exposure have; days are those of the acquisition, not of the reception.
    """

    since: date
    until: date
    values: Mapping[str, str]
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Which images to list: arrived from ``since`` to before ``until``; empty fields match everything."""

    since: datetime
    until: datetime
    verdict: Verdict | None = None
    modality: str = ""
    search: str = ""
    series: str = ""
    """A Series Instance UID: each of its slices is a row of its own."""
    exposures: ExposureFilter | None = None
    """Only these, whenever they arrived."""


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image, or the newest slice of a CT or MR series; ``verdict`` is None while it waits for one."""

    digest: str
    study_instance_uid: str
    received_at: datetime
    verdict: Verdict | None
    modality: str
    body_part: str
    view: str
    station: str
    patient: PatientKey
    accession_number: str
    has_preview: bool
    series_instance_uid: str = ""
    slices: int = 1
    experimental: bool = False
    """It was judged, and what was found does not count yet."""
    late: LateMembers = NONE_LATE
    """What came of the series after the verdict."""
    laterality: str = ""
    description: str = ""
    """That of its series."""


FIRST_SCAN, LONGEST_SCAN = 64, 4096
"""Images that are looked through at once for the rows of a page: more and more if they are slices of few series."""

_Stack = tuple[str, str]
"""A series in a study: studies of several hospitals may share the UID of a series."""
_PLACE = (instances.c.received_at, instances.c.digest)


def page(
    transaction: Transaction, match: ImageFilter, *, limit: int, before: tuple[datetime, str] | None = None
) -> list[ImageRow]:
    """The newest images, or those before a position in the list (arrival, digest); a CT or MR series is one row."""
    newest: dict[_Stack, str] = {}
    at, size = before, max(limit, FIRST_SCAN)
    while len(newest) < limit:
        scan = _before(_places(match), at).order_by(*(column.desc() for column in _PLACE)).limit(size)
        rows = transaction.execute(scan).all()
        stacks = [("", row.digest) if row.stack is None or match.series else (row.study, row.stack) for row in rows]
        above = _shown_before(transaction, match, stacks, before)
        for stack, row in zip(stacks, rows, strict=True):
            if stack not in above:
                newest.setdefault(stack, row.digest)
        if len(rows) < size:
            break
        at, size = (rows[-1].received_at, rows[-1].digest), min(8 * size, LONGEST_SCAN)
    digests = {digest: stack for stack, digest in list(newest.items())[:limit]}
    images = {row.digest: row for row in transaction.execute(_query().where(instances.c.digest.in_(digests)))}
    shown = [images[digest] for digest in digests if digest in images]
    stacked = [documents.load_header(row.header) for row in shown if digests[row.digest][0]]
    units = iter(standings(transaction, stacked))
    return [_row(row, next(units) if digests[row.digest][0] else None) for row in shown]


def _shown_before(
    transaction: Transaction, match: ImageFilter, stacks: Sequence[_Stack], before: tuple[datetime, str] | None
) -> set[_Stack]:
    """The series of some that an earlier page of the list has: a newer slice matches."""
    uids = {uid for study, uid in stacks if study}
    if before is None or not uids:
        return set()
    values = [sa.literal(value, column.type) for value, column in zip(before, _PLACE, strict=True)]
    query = _places(match).where(instances.c.series_instance_uid.in_(uids), sa.tuple_(*_PLACE) >= sa.tuple_(*values))
    return {(row.study, row.stack) for row in transaction.execute(query.distinct())}


def _before(query: sa.Select[Any], at: tuple[datetime, str] | None) -> sa.Select[Any]:
    if at is None:
        return query
    values = (sa.literal(value, column.type) for value, column in zip(at, _PLACE, strict=True))
    return query.where(sa.tuple_(*_PLACE) < sa.tuple_(*values))


def _row(row: sa.Row[Any], unit: UnitStanding | None) -> ImageRow:
    """``unit``: the series that is shown as one."""
    own = Verdict(row.verdict) if row.verdict else None
    return ImageRow(
        row.digest,
        row.study_instance_uid,
        row.received_at,
        own if unit is None else unit.verdict,
        row.modality,
        row.body_part,
        row.view,
        row.station,
        PatientKey(row.own_id, row.authority if row.is_known else None),
        row.accession_number,
        row.artifacts_removed_at is None and own is not None,
        row.series_instance_uid,
        unit.members if unit is not None and unit.series == 1 else 1,
        unit is None and any(reason["name"] == EXPERIMENTAL for reason in row.reasons or ()),
        NONE_LATE if unit is None else unit.late,
        row.header.get("image_laterality", ""),
        row.header.get("series_description", ""),
    )


def counts(transaction: Transaction, match: ImageFilter) -> dict[str, int]:
    """Number of images by verdict, "" for those that wait for one; for the facets of the list."""
    # A verdict follows its image. Said here, it saves one look into a large index for each image of recent days.
    later = sa.true() if match.exposures else dispositions.c.decided_at >= match.since - CLOCK_SLACK
    query = (
        sa.select(dispositions.c.verdict, sa.func.count())
        .select_from(instances.outerjoin(dispositions, (dispositions.c.digest == instances.c.digest) & later))
        .where(*_conditions(match, but_verdict=True))
        .group_by(dispositions.c.verdict)
    )
    return {row[0] or "": int(row[1]) for row in transaction.execute(query)}


def _places(match: ImageFilter) -> sa.Select[Any]:
    """The positions of all images of the list, and the series of slices."""
    joined = (
        instances.join(studies, studies.c.study_instance_uid == instances.c.study_instance_uid)
        .outerjoin(dispositions, dispositions.c.digest == instances.c.digest)
        .outerjoin(series, series.c.series_instance_uid == instances.c.series_instance_uid)
    )
    stack = series.c.series_instance_uid.label("stack")
    columns = (*_PLACE, instances.c.study_instance_uid.label("study"), stack)
    return sa.select(*columns).select_from(joined).where(*_conditions(match))


def _query() -> sa.Select[Any]:
    joined = (
        instances.join(studies, studies.c.study_instance_uid == instances.c.study_instance_uid)
        .outerjoin(dispositions, dispositions.c.digest == instances.c.digest)
        .outerjoin(patients, patients.c.patient_number == instances.c.patient_number)
    )
    own = sa.func.coalesce(patients.c.patient_id, studies.c.patient_id).label("own_id")
    whose = (own, patients.c.authority, patients.c.is_known)
    columns = (instances, dispositions.c.verdict, dispositions.c.reasons, *whose, studies.c.accession_number)
    return sa.select(*columns).select_from(joined)


def _conditions(match: ImageFilter, *, but_verdict: bool = False) -> Sequence[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = (
        [instances.c.received_at >= match.since, instances.c.received_at < match.until]
        if match.exposures is None
        else [instances.c.digest.in_(_exposed(match.exposures))]
    )
    if match.verdict and not but_verdict:
        conditions.append(dispositions.c.verdict == match.verdict.value)
    if match.modality:
        conditions.append(sa.func.upper(instances.c.modality) == match.modality.upper())
    if match.series:
        conditions.append(instances.c.series_instance_uid == match.series)
    if match.search:
        conditions.append(free_text.image_begins(match.search))
    return conditions


def _exposed(match: ExposureFilter) -> sa.Select[str]:
    """The digests of exposures."""
    of = acquisitions.c
    query = sa.select(of.digest).where(of.day >= match.since, of.day < match.until)
    query = query.where(*(of[name] == value for name, value in match.values.items()))
    return query.where(of.rejected) if match.rejected else query
