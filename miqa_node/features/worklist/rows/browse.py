"""All images received within a range of days, including accepted and not assessed ones, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.policy import EXPERIMENTAL, Verdict
from miqa_node.features.worklist.rows import free_text
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import dispositions, instances, patients, series, studies
from miqa_node.stages.units.rows.instances import CLOCK_SLACK


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


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image, or the newest slice of a CT or MR series; ``verdict`` is None while it waits for one.

    Of a series it is the worst of all its ``slices``.
    """

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
    waiting: int = 0
    """Slices that came after the verdict, and are being measured."""


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
    summed = _summed(transaction, [stack for stack in digests.values() if stack[0]])
    return [_row(images[digest], summed.get(stack)) for digest, stack in digests.items() if digest in images]


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


def _summed(transaction: Transaction, stacks: Sequence[_Stack]) -> dict[_Stack, tuple[int, Verdict | None, int]]:
    """Number of slices, worst verdict, and number of slices without one, of each series."""
    of = instances.c
    query = (
        sa.select(of.study_instance_uid, of.series_instance_uid, dispositions.c.verdict, sa.func.count())
        .select_from(instances.outerjoin(dispositions, dispositions.c.digest == of.digest))
        .where(of.series_instance_uid.in_([uid for _, uid in stacks]))
        .group_by(of.study_instance_uid, of.series_instance_uid, dispositions.c.verdict)
    )
    summed: dict[_Stack, tuple[int, Verdict | None, int]] = {}
    for study, uid, verdict, count in transaction.execute(query) if stacks else ():
        slices, worst, waiting = summed.get((study, uid), (0, None, 0))
        own = Verdict(verdict) if verdict else None
        worse = own if worst is None or (own is not None and own.rank > worst.rank) else worst
        summed[study, uid] = slices + int(count), worse, waiting + int(count) * (own is None)
    return summed


def _row(row: sa.Row[Any], summed: tuple[int, Verdict | None, int] | None) -> ImageRow:
    own = Verdict(row.verdict) if row.verdict else None
    slices, verdict, waiting = summed or (1, own, 0)
    return ImageRow(
        row.digest,
        row.study_instance_uid,
        row.received_at,
        verdict,
        row.modality,
        row.body_part,
        row.view,
        row.station,
        PatientKey(row.own_id, row.authority if row.is_known else None),
        row.accession_number,
        row.artifacts_removed_at is None and own is not None,
        row.series_instance_uid,
        slices,
        summed is None and any(reason["name"] == EXPERIMENTAL for reason in row.reasons or ()),
        waiting if verdict is not None else 0,
    )


def counts(transaction: Transaction, match: ImageFilter) -> dict[str, int]:
    """Number of images by verdict, "" for those that wait for one; for the facets of the list."""
    # A verdict follows its image. Said here, it saves one look into a large index for each image of recent days.
    later = dispositions.c.decided_at >= match.since - CLOCK_SLACK
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
    conditions: list[sa.ColumnElement[bool]] = [
        instances.c.received_at >= match.since,
        instances.c.received_at < match.until,
    ]
    if match.verdict and not but_verdict:
        conditions.append(dispositions.c.verdict == match.verdict.value)
    if match.modality:
        conditions.append(sa.func.upper(instances.c.modality) == match.modality.upper())
    if match.series:
        conditions.append(instances.c.series_instance_uid == match.series)
    if match.search:
        conditions.append(free_text.image_begins(match.search))
    return conditions
