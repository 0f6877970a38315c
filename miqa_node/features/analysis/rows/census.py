"""Counts of exposures for the reject analysis, for a period, by dimension, day or month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.acquisition import CLOCK_DIFFERENCE
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.features.analysis.rows import rollup
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import acquisition_days, acquisitions, instances, labels


@dataclass(frozen=True, slots=True)
class Period:
    """Which exposures to count: of the days from ``since`` to before ``until``; empty fields match everything."""

    since: date
    until: date
    modality: str = ""
    room: str = ""
    body_part: str = ""

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """The first moment of the period, and the first one after it."""
        since, until = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (self.since, self.until))
        return since, until

    @property
    def within(self) -> tuple[str, str]:
        """Field and value that narrow the roll-up; empty for all images."""
        return ("room", self.room) if self.room else ("body_part", self.body_part) if self.body_part else ("", "")

    @property
    def combined(self) -> bool:
        """Whether single exposures must be read, because the roll-up does not have the combination."""
        return bool(self.room and self.body_part)


@dataclass(frozen=True, slots=True)
class AcquisitionCounts:
    """Counts of one group. Means follow from the sums of deviation index and of the logarithm of exposure index."""

    value: str
    images: int = 0
    judged: int = 0
    flagged: int = 0
    rejected: int = 0
    repeated: int = 0
    escaped: int = 0
    suspected: int = 0
    di_count: int = 0
    di_sum: float = 0.0
    di_squares: float = 0.0
    di_low: int = 0
    di_high: int = 0
    ei_count: int = 0
    ei_log_sum: float = 0.0
    decided: int = 0
    """Flagged images decided by a person or by another system's rejection."""


@dataclass(frozen=True, slots=True)
class Escape:
    """An image that readers judged bad and that the archive has, without a rejection note."""

    day: date
    study_instance_uid: str
    digest: str
    room: str
    body_part: str
    view: str
    verdict: str


@dataclass(frozen=True, slots=True)
class NoteCount:
    """Number of rejections reported by another system."""

    sender: str
    reason: str
    images: int


def by_dimensions(
    transaction: Transaction, period: Period, dimensions: Sequence[str]
) -> dict[str, list[AcquisitionCounts]]:
    """Counts by value of some dimensions, most images first; the roll-up must be up to date."""
    if not period.combined:
        return _from_days(transaction, period, dimensions)
    return {dimension: _from_images(transaction, period, dimension) for dimension in dimensions}


def by_day(transaction: Transaction, period: Period) -> list[tuple[date, AcquisitionCounts]]:
    """Counts of each day that has images, oldest first."""
    if period.combined:
        query = sa.select(acquisitions.c.day, *_labelled(rollup.MEASURES)).where(*of_period(period))
        query = query.group_by(acquisitions.c.day).order_by(acquisitions.c.day)
    else:
        query = sa.select(acquisition_days.c.day, *_sums()).where(*_days(period, [rollup.ALL]))
        query = query.group_by(acquisition_days.c.day).order_by(acquisition_days.c.day)
    return [(row.day, _counts("", row)) for row in transaction.execute(query)]


def findings_by_day(transaction: Transaction, period: Period) -> list[tuple[date, str, int]]:
    """(day, finding, images in which it is present); if both room and body part are given, only the room counts."""
    query = (
        sa.select(acquisition_days.c.day, acquisition_days.c.value, sa.func.sum(acquisition_days.c.images))
        .where(*_days(period, [rollup.FINDING]))
        .group_by(acquisition_days.c.day, acquisition_days.c.value)
        .order_by(acquisition_days.c.day)
    )
    return [(row[0], row[1], int(row[2])) for row in transaction.execute(query)]


def finding_by_room(transaction: Transaction, period: Period, finding: str) -> dict[str, int]:
    """Images of each room in which a finding is present; the roll-up must be up to date."""
    days = acquisition_days.c
    query = (
        sa.select(days.within_value, sa.func.sum(days.images))
        .where(days.day >= period.since, days.day < period.until, days.within == "room")
        .where(days.dimension == rollup.FINDING, days.value == finding)
        .group_by(days.within_value)
    )
    return {row[0]: int(row[1]) for row in transaction.execute(query)}


def span(transaction: Transaction, now: datetime) -> tuple[date, date] | None:
    """First and last day with images; None if there are none. Days to come, of clocks that were wrong, do not count."""
    day = acquisitions.c.day
    query = sa.select(sa.func.min(day), sa.func.max(day)).where(day <= (now + CLOCK_DIFFERENCE).date())
    low, high = transaction.execute(query).one()
    return None if low is None else (low, high)


def choices(transaction: Transaction, dimension: str, since: date, *, limit: int) -> list[str]:
    """Sorted values of a dimension seen since a day."""
    of = acquisition_days.c
    column, name = (of.modality, rollup.ALL) if dimension == "modality" else (of.value, dimension)
    conditions = (of.within == "", of.within_value == "", of.dimension == name, of.day >= since)
    query = sa.select(column).where(*conditions).distinct().order_by(column).limit(limit)
    return [value for value in transaction.execute(query).scalars() if value]


def escapes(transaction: Transaction, period: Period, *, limit: int) -> list[Escape]:
    """The newest images that should have been rejected but were not."""
    query = (
        sa.select(acquisitions, instances.c.study_instance_uid)
        .join(instances, instances.c.digest == acquisitions.c.digest)
        .where(*of_period(period), acquisitions.c.judged_bad, acquisitions.c.archived, ~acquisitions.c.rejected)
        .order_by(acquisitions.c.day.desc(), acquisitions.c.acquired_at.desc())
        .limit(limit)
    )
    return [
        Escape(row.day, row.study_instance_uid, row.digest, row.room, row.body_part, row.view, row.verdict)
        for row in transaction.execute(query)
    ]


def notes(transaction: Transaction, since: datetime, until: datetime) -> list[NoteCount]:
    """Rejections reported by other systems, by sender and reason."""
    query = (
        sa.select(labels.c.actor, labels.c.reason, sa.func.count())
        .where(labels.c.origin == "rejection_note", labels.c.at >= since, labels.c.at < until)
        .group_by(labels.c.actor, labels.c.reason)
        .order_by(sa.func.count().desc(), labels.c.actor)
    )
    return [NoteCount(row[0], row[1], int(row[2])) for row in transaction.execute(query)]


def _from_days(
    transaction: Transaction, period: Period, dimensions: Sequence[str]
) -> dict[str, list[AcquisitionCounts]]:
    query = (
        sa.select(acquisition_days.c.dimension, acquisition_days.c.value, *_sums())
        .where(*_days(period, dimensions))
        .group_by(acquisition_days.c.dimension, acquisition_days.c.value)
        .order_by(sa.func.sum(acquisition_days.c.images).desc(), acquisition_days.c.value)
    )
    counts: dict[str, list[AcquisitionCounts]] = {dimension: [] for dimension in dimensions}
    for row in transaction.execute(query):
        counts[row.dimension].append(_counts(row.value, row))
    return counts


def _from_images(transaction: Transaction, period: Period, dimension: str) -> list[AcquisitionCounts]:
    conditions = of_period(period)
    if dimension == rollup.ALL:
        row = transaction.execute(sa.select(*_labelled(rollup.MEASURES)).where(*conditions)).one()
        return [_counts("", row)]
    column: sa.ColumnElement[str]
    if dimension == rollup.REASON:
        column = acquisitions.c.reject_reason
        conditions.append(acquisitions.c.rejected)
    else:
        column = rollup.DIMENSIONS[dimension]
    query = (
        sa.select(column.label("value"), *_labelled(rollup.MEASURES))
        .where(*conditions)
        .group_by(column)
        .order_by(sa.func.count().desc(), column)
    )
    return [_counts(row.value, row) for row in transaction.execute(query)]


def _days(period: Period, dimensions: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    within, value = period.within
    conditions: list[sa.ColumnElement[bool]] = [
        acquisition_days.c.within == within,
        acquisition_days.c.within_value == value,
        acquisition_days.c.dimension.in_(dimensions),
        acquisition_days.c.day >= period.since,
        acquisition_days.c.day < period.until,
    ]
    if period.modality:
        conditions.append(acquisition_days.c.modality == period.modality)
    return conditions


def of_period(period: Period) -> list[sa.ColumnElement[bool]]:
    """Conditions of the exposures of a period; a body part has all of its spellings."""
    conditions: list[sa.ColumnElement[bool]] = [acquisitions.c.day >= period.since, acquisitions.c.day < period.until]
    pairs = (
        (acquisitions.c.modality, (period.modality,)),
        (acquisitions.c.room, (period.room,)),
        (acquisitions.c.body_part, STANDARD.body_parts.spellings(period.body_part)),
    )
    return [*conditions, *(column.in_(values) for column, values in pairs if values[0])]


def _sums() -> list[sa.Label[Any]]:
    return [sa.func.sum(acquisition_days.c[name]).label(name) for name in rollup.MEASURES]


def _labelled(measures: dict[str, sa.ColumnElement[Any]]) -> list[sa.Label[Any]]:
    return [measure.label(name) for name, measure in measures.items()]


def _counts(value: str, row: Any) -> AcquisitionCounts:
    floats = {"di_sum", "di_squares", "ei_log_sum"}
    numbers: dict[str, Any] = {
        name: (float if name in floats else int)(getattr(row, name) or 0) for name in rollup.MEASURES
    }
    return AcquisitionCounts(value, **numbers)
