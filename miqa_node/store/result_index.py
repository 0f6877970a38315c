"""Finds the objects that the node made, by study, series, instance and what they are about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.store.database import Transaction
from miqa_node.store.tables import instances, results, studies


@dataclass(frozen=True, slots=True)
class ResultQuery:
    """Which objects; empty fields match all. ``*`` and ``?`` in patient_id and accession_number are wildcards."""

    study_instance_uid: tuple[str, ...] = ()
    sop_instance_uid: tuple[str, ...] = ()
    sop_class_uid: tuple[str, ...] = ()
    source_uid: tuple[str, ...] = ()
    """SOP Instance UIDs of the images that results are about."""
    patient_id: str = ""
    accession_number: str = ""
    study_date_from: str = ""
    study_date_to: str = ""


@dataclass(frozen=True, slots=True)
class ResultLocation:
    """One object, where its bytes are, and the study that it belongs to."""

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    object_key: str
    made_at: datetime


def studies_of(transaction: Transaction, query: ResultQuery, *, limit: int, offset: int = 0) -> list[str]:
    """Study Instance UIDs of studies with results, those with the newest results first."""
    statement = (
        sa.select(instances.c.study_instance_uid)
        .select_from(_joined())
        .where(*_conditions(transaction, query))
        .group_by(instances.c.study_instance_uid)
        .order_by(sa.func.max(results.c.made_at).desc(), instances.c.study_instance_uid)
        .limit(limit)
        .offset(offset)
    )
    return list(transaction.execute(statement).scalars())


def find(transaction: Transaction, query: ResultQuery, *, limit: int, offset: int = 0) -> list[ResultLocation]:
    """Objects, the newest first."""
    statement = (
        sa.select(results, instances.c.study_instance_uid)
        .select_from(_joined())
        .where(*_conditions(transaction, query))
        .order_by(results.c.made_at.desc(), results.c.sop_instance_uid)
        .limit(limit)
        .offset(offset)
    )
    return [
        ResultLocation(row.sop_instance_uid, row.sop_class_uid, row.study_instance_uid, row.object_key, row.made_at)
        for row in transaction.execute(statement)
    ]


def _joined() -> sa.FromClause:
    return results.join(instances, instances.c.digest == results.c.digest).join(
        studies, studies.c.study_instance_uid == instances.c.study_instance_uid
    )


def _conditions(transaction: Transaction, query: ResultQuery) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    for column, values in (
        (instances.c.study_instance_uid, query.study_instance_uid),
        (results.c.sop_instance_uid, query.sop_instance_uid),
        (results.c.sop_class_uid, query.sop_class_uid),
        (instances.c.sop_instance_uid, query.source_uid),
    ):
        if values:
            conditions.append(column.in_(values))
    texts = ((studies.c.patient_id, query.patient_id), (studies.c.accession_number, query.accession_number))
    for text, pattern in texts:
        if pattern:
            conditions.append(_matches(transaction, text, pattern))
    if query.study_date_from:
        conditions.append(studies.c.study_date >= query.study_date_from)
    if query.study_date_to:
        conditions.append(studies.c.study_date <= query.study_date_to)
    return conditions


def _matches(transaction: Transaction, text: sa.ColumnElement[str], pattern: str) -> sa.ColumnElement[bool]:
    """Wildcard matching (PS3.4 C.2.2.2.4), letter by letter: SQLite's LIKE would take "a" for "A"."""
    if transaction.dialect.name == "sqlite":
        return text.bool_op("GLOB")(pattern.replace("[", "[[]"))
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return text.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")
