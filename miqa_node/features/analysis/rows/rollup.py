"""Counts by day and value of each dimension, so that a million exposures become a few thousand rows.

A day is recounted when one of its exposures or labels changes; the sources are always :mod:`.acquisitions` and
:mod:`.labels`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.analysis.rows import label_days
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import acquisition_days, acquisition_findings, acquisitions, rollup_marks

ALL = "all"
DIMENSIONS: dict[str, sa.Column[str]] = {
    name: acquisitions.c[name] for name in ("room", "station", "operator", "body_part", "view", "shift")
}
REASON, FINDING = "reason", "finding"
WITHIN = ("room", "body_part")
"""Fields that can narrow a page; their images are counted by every dimension, like all images."""

MARK, LABEL_MARK = "days", "label days"
OVERLAP = timedelta(minutes=2)
"""Overlap with the last run: a transaction begun before it may have committed after it."""
DAYS_AT_ONCE = 50
LOCK = 7205178
"""Key of PostgreSQL's advisory lock for counting."""
DEVIATION_LIMIT = 3.0
"""Half or double the intended exposure (AAPM TG-116); the same limit that plausibility flags."""

_BAD = acquisitions.c.archived & ~acquisitions.c.rejected
MEASURES: dict[str, sa.ColumnElement[Any]] = {
    "images": sa.func.count(),
    "judged": sa.func.count(sa.case((acquisitions.c.verdict != Verdict.NOT_ASSESSED.value, 1))),
    "flagged": sa.func.count(sa.case((acquisitions.c.verdict.in_([Verdict.REVIEW.value, Verdict.REJECT.value]), 1))),
    "decided": sa.func.count(
        sa.case(
            (
                acquisitions.c.verdict.in_([Verdict.REVIEW.value, Verdict.REJECT.value])
                & (acquisitions.c.judged_bad.is_not(None) | acquisitions.c.rejected),
                1,
            )
        )
    ),
    "rejected": sa.func.count(sa.case((acquisitions.c.rejected, 1))),
    "repeated": sa.func.count(sa.case((acquisitions.c.repeated & ~acquisitions.c.rejected, 1))),
    "escaped": sa.func.count(sa.case((_BAD & acquisitions.c.judged_bad, 1))),
    "suspected": sa.func.count(
        sa.case((_BAD & acquisitions.c.judged_bad.is_(None) & (acquisitions.c.verdict == Verdict.REJECT.value), 1))
    ),
    "di_count": sa.func.count(acquisitions.c.deviation_index),
    "di_sum": sa.func.coalesce(sa.func.sum(acquisitions.c.deviation_index), 0.0),
    "di_squares": sa.func.coalesce(sa.func.sum(acquisitions.c.deviation_index * acquisitions.c.deviation_index), 0.0),
    "di_low": sa.func.count(sa.case((acquisitions.c.deviation_index < -DEVIATION_LIMIT, 1))),
    "di_high": sa.func.count(sa.case((acquisitions.c.deviation_index > DEVIATION_LIMIT, 1))),
    "ei_count": sa.func.count(sa.case((acquisitions.c.exposure_index > 0.0, 1))),
    "ei_log_sum": sa.func.coalesce(
        sa.func.sum(sa.case((acquisitions.c.exposure_index > 0.0, sa.func.ln(acquisitions.c.exposure_index)))), 0.0
    ),
}
"""The counts of exposures in every grouping."""


def refresh(transaction: Transaction, now: datetime, *, most_days: int | None = None) -> int:
    """Count the days that changed since the last run; returns the number of days still uncounted.

    With ``most_days``, at most that many, newest first; the mark stays until all are counted. Does nothing while
    another process counts.
    """
    if not _alone(transaction):
        return 0
    waiting = _catch_up(transaction, now, MARK, _changed_days, _count, most_days)
    return waiting + _catch_up(transaction, now, LABEL_MARK, label_days.changed_days, label_days.count_days, most_days)


def _catch_up(
    transaction: Transaction,
    now: datetime,
    name: str,
    changed_days: Callable[[datetime], sa.Executable],
    count: Callable[[Transaction, Sequence[date]], None],
    most_days: int | None,
) -> int:
    insert_or_ignore(transaction, rollup_marks, {"name": name, "until": datetime(1970, 1, 1, tzinfo=now.tzinfo)})
    mark = transaction.execute(sa.select(rollup_marks.c.until).where(rollup_marks.c.name == name)).scalar_one()
    days: list[date] = list(transaction.execute(changed_days(mark - OVERLAP)).scalars())
    chosen = days[:most_days]
    for start in range(0, len(chosen), DAYS_AT_ONCE):
        count(transaction, chosen[start : start + DAYS_AT_ONCE])
    if len(chosen) == len(days) and now > mark:  # a slow clock on another machine must not move the mark back
        transaction.execute(sa.update(rollup_marks).where(rollup_marks.c.name == name).values(until=now))
    return len(days) - len(chosen)


def count_again(transaction: Transaction, day: date, now: datetime) -> None:
    """An exposure of that day is no longer recorded: the next run counts the others again."""
    of = acquisitions.c
    one = sa.select(sa.func.min(of.digest)).where(of.day == day).scalar_subquery()
    if not transaction.execute(sa.update(acquisitions).where(of.digest == one).values(changed_at=now)).rowcount:
        transaction.execute(sa.delete(acquisition_days).where(acquisition_days.c.day == day))


def _changed_days(since: datetime) -> sa.Select[tuple[date]]:
    day = acquisitions.c.day
    return sa.select(day).where(acquisitions.c.changed_at >= since).distinct().order_by(day.desc())


def _alone(transaction: Transaction) -> bool:
    if transaction.dialect.name == "sqlite":
        return True  # the first write takes the only lock
    return bool(transaction.execute(sa.select(sa.func.pg_try_advisory_xact_lock(LOCK))).scalar_one())


def _count(transaction: Transaction, days: Sequence[date]) -> None:
    transaction.execute(sa.delete(acquisition_days).where(acquisition_days.c.day.in_(days)))
    for within in ("", *WITHIN):
        _insert(transaction, days, within, ALL, sa.literal(""))
        for dimension, column in DIMENSIONS.items():
            _insert(transaction, days, within, dimension, column)
        _insert(transaction, days, within, REASON, acquisitions.c.reject_reason, acquisitions.c.rejected)
        _insert(transaction, days, within, FINDING, acquisition_findings.c.finding)


def _insert(
    transaction: Transaction,
    days: Sequence[date],
    within: str,
    dimension: str,
    value: sa.ColumnElement[str],
    *conditions: sa.ColumnElement[bool],
) -> None:
    source: sa.FromClause = acquisitions
    if dimension == FINDING:
        source = acquisitions.join(acquisition_findings, acquisition_findings.c.digest == acquisitions.c.digest)
    keys: dict[str, sa.ColumnElement[Any]] = {
        "day": acquisitions.c.day,
        "modality": acquisitions.c.modality,
        "within_value": DIMENSIONS[within] if within else sa.literal(""),
        "value": value,
    }
    constant = {"within": sa.literal(within), "dimension": sa.literal(dimension)}
    query = (
        sa.select(*keys.values(), *constant.values(), *MEASURES.values())
        .select_from(source)
        .where(acquisitions.c.day.in_(days), *conditions)
        .group_by(*dict.fromkeys(key for key in keys.values() if isinstance(key, sa.Column)))
    )
    transaction.execute(sa.insert(acquisition_days).from_select([*keys, *constant, *MEASURES], query))
