"""Labels in force, counted by day and by origin, author and finding, so that a page need not read each of them.

A label never changes, but it no longer counts once its decision is withdrawn: its day is counted again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from miqa_node.features.analysis.tables import label_days
from miqa_node.runtime.site_records.labels import in_force
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import decisions, label_findings, labels, rejection_notes


class LabelDimension(StrEnum):
    """What labels are counted by."""

    ORIGIN = "origin"
    ACTOR = "actor"
    FINDING = "finding"


@dataclass(frozen=True, slots=True)
class LabelCount:
    """Number of labels with a value, and of those that judge the image bad (of a finding: that confirm it)."""

    value: str
    labels: int
    bad: int


_day: sa.ColumnElement[date] = sa.func.date(labels.c.at, type_=sa.Date)


def counts(transaction: Transaction, by: LabelDimension, since: date, until: date) -> list[LabelCount]:
    """Labels from ``since`` to the day before ``until``, most first; the roll-up must be up to date.

    Of findings, only labels that state whether the finding is present, in the order of their names.
    """
    of = label_days.c
    total = sa.func.sum(of.labels)
    query = (
        sa.select(of.value, total, sa.func.sum(of.bad))
        .where(of.dimension == by.value, of.day >= since, of.day < until)
        .group_by(of.value)
        .order_by(*([] if by is LabelDimension.FINDING else [total.desc()]), of.value)
    )
    return [LabelCount(row[0], int(row[1]), int(row[2])) for row in transaction.execute(query)]


def changed_days(since: datetime) -> sa.CompoundSelect[Any]:
    """Days with new labels, and those of labels whose decisions or notes were taken back, newest first."""
    withdrawn = decisions.c.withdraws == labels.c.decision_id
    revoked = sa.and_(rejection_notes.c.note_uid == labels.c.source_uid, rejection_notes.c.digest == labels.c.digest)
    days = sa.union(  # not "or", which would read all labels
        sa.select(_day.label("day")).where(labels.c.at >= since),
        sa.select(_day).join(decisions, withdrawn).where(decisions.c.withdraws.is_not(None), decisions.c.at >= since),
        sa.select(_day).join(rejection_notes, revoked).where(rejection_notes.c.revoked_at >= since),
    )
    return days.order_by(sa.desc("day"))


def count_days(transaction: Transaction, days: Sequence[date]) -> None:
    """Count the labels of some days again."""
    transaction.execute(sa.delete(label_days).where(label_days.c.day.in_(days)))
    first, after = (datetime.combine(day, time(), UTC) for day in (min(days), max(days) + timedelta(days=1)))
    of_days = labels.c.at >= first, labels.c.at < after, _day.in_(days), in_force()
    for by, column in ((LabelDimension.ORIGIN, labels.c.origin), (LabelDimension.ACTOR, labels.c.actor)):
        _insert(transaction, by, column, labels.c.bad, labels, *of_days)
    finding = label_findings.c
    opinions = labels.join(label_findings, finding.label_id == labels.c.label_id)
    has_opinion = finding.labelled.is_not(None)
    _insert(transaction, LabelDimension.FINDING, finding.finding, finding.labelled, opinions, *of_days, has_opinion)


def _insert(
    transaction: Transaction,
    by: LabelDimension,
    value: sa.ColumnElement[str],
    bad: sa.ColumnElement[bool],
    source: sa.FromClause,
    *conditions: sa.ColumnElement[bool],
) -> None:
    columns: dict[str, sa.ColumnElement[Any]] = {
        "day": _day,
        "dimension": sa.literal(by.value),
        "value": value,
        "labels": sa.func.count(),
        "bad": sa.func.count(sa.case((bad, 1))),
    }
    query = sa.select(*columns.values()).select_from(source).where(*conditions).group_by(_day, value)
    transaction.execute(sa.insert(label_days).from_select([*columns], query))
