"""All images received within a range of days, including accepted and not assessed ones, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.domain.patient import PatientKey
from miqa_node.domain.policy import Verdict
from miqa_node.store import free_text
from miqa_node.store.database import Transaction
from miqa_node.store.instances import CLOCK_SLACK
from miqa_node.store.tables import dispositions, instances, patients, studies


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Which images to list: arrived from ``since`` to before ``until``; empty fields match everything."""

    since: datetime
    until: datetime
    verdict: Verdict | None = None
    modality: str = ""
    search: str = ""


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image; ``verdict`` is None while it waits for one."""

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


_PLACE = (instances.c.received_at, instances.c.digest)


def page(
    transaction: Transaction, match: ImageFilter, *, limit: int, before: tuple[datetime, str] | None = None
) -> list[ImageRow]:
    """The newest images, or those before a position in the list (arrival, digest)."""
    query = _query(match)
    if before is not None:
        values = (sa.literal(value, column.type) for value, column in zip(before, _PLACE, strict=True))
        query = query.where(sa.tuple_(*_PLACE) < sa.tuple_(*values))
    rows = transaction.execute(query.order_by(*(column.desc() for column in _PLACE)).limit(limit))
    return [
        ImageRow(
            row.digest,
            row.study_instance_uid,
            row.received_at,
            Verdict(row.verdict) if row.verdict else None,
            row.modality,
            row.body_part,
            row.view,
            row.station,
            PatientKey(row.own_id, row.authority if row.is_known else None),
            row.accession_number,
            row.artifacts_removed_at is None and row.verdict is not None,
        )
        for row in rows
    ]


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


def _query(match: ImageFilter) -> sa.Select[tuple[object, ...]]:
    joined = (
        instances.join(studies, studies.c.study_instance_uid == instances.c.study_instance_uid)
        .outerjoin(dispositions, dispositions.c.digest == instances.c.digest)
        .outerjoin(patients, patients.c.patient_number == instances.c.patient_number)
    )
    own = sa.func.coalesce(patients.c.patient_id, studies.c.patient_id).label("own_id")
    whose = (own, patients.c.authority, patients.c.is_known)
    columns = (instances, dispositions.c.verdict, *whose, studies.c.accession_number)
    return sa.select(*columns).select_from(joined).where(*_conditions(match))


def _conditions(match: ImageFilter, *, but_verdict: bool = False) -> Sequence[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [
        instances.c.received_at >= match.since,
        instances.c.received_at < match.until,
    ]
    if match.verdict and not but_verdict:
        conditions.append(dispositions.c.verdict == match.verdict.value)
    if match.modality:
        conditions.append(sa.func.upper(instances.c.modality) == match.modality.upper())
    if match.search:
        conditions.append(free_text.image_begins(match.search))
    return conditions
