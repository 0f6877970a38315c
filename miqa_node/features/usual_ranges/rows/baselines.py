"""Baselines as pages, programs and the command show them, and where a series stands among its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.scanner_protocol import ScannerProtocol
from miqa_node.errors import NotFoundError
from miqa_node.features.usual_ranges.baseline import (
    LEAST_SERIES,
    LEAST_SPAN,
    SOON_SPAN,
    MeasurementRange,
    UnusualNumber,
    flagging,
    is_enough,
    is_learned_soon,
    ranged,
)
from miqa_node.features.usual_ranges.rows.changes import ScannerChange, changes_at, of_station, scanner_of
from miqa_node.features.usual_ranges.rows.documents import load_ranges, load_unusual
from miqa_node.features.usual_ranges.tables import usual_baselines, usual_series
from miqa_node.runtime.site_records import confirmed_ranges
from miqa_node.runtime.site_records.confirmed_ranges import RangeConfirmation
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import instances

RECENT = timedelta(days=30)
MOST_UNUSUAL = 50

_UNUSUAL = (
    sa.select(sa.func.count())
    .select_from(usual_series)
    .where(
        usual_series.c.baseline == usual_baselines.c.baseline,
        usual_series.c.is_unusual,
        usual_series.c.at >= sa.bindparam("recent"),
    )
    .scalar_subquery()
    .label("unusual")
)


@dataclass(frozen=True, slots=True)
class ScannerBaseline:
    """The history of a scanner with its software, a protocol and a body part.

    ``unusual`` counts the unusual series of the 30 days before the question. ``changes`` are what distinguishes it from
    the baseline that was in its place before; empty for the first.
    """

    baseline: str
    scanner: ScannerProtocol
    first_at: datetime
    last_at: datetime
    series: int
    unusual: int
    ranges: tuple[MeasurementRange, ...]
    changes: tuple[ScannerChange, ...] = ()
    confirmation: RangeConfirmation | None = None
    """Who confirmed that its ranges may flag, and when; told of one history, not in lists."""

    @property
    def may_be_confirmed(self) -> bool:
        """Whether it has ranges that may flag, and nobody confirmed them."""
        return self.confirmation is None and bool(flagging(self.ranges))

    @property
    def over_budget(self) -> list[MeasurementRange]:
        """Ranges that would flag more than may be flagged of a room."""
        return [one for one in self.ranges if not is_learned_soon(one) and not one.within_budget]

    @property
    def is_enough(self) -> bool:
        """Whether it has enough series over enough time to tell what is usual."""
        return is_enough(self.series, self.first_at, self.last_at)

    @property
    def days(self) -> int:
        """Whole days from its first series to its last."""
        return (self.last_at - self.first_at).days

    @property
    def newest_shift(self) -> datetime | None:
        """When a measurement last changed its level."""
        return max((shift.at for one in self.ranges for shift in one.shifts), default=None)


@dataclass(frozen=True, slots=True)
class UnusualSeries:
    """A series with numbers outside the ranges of then."""

    digest: InstanceDigest
    study_instance_uid: str
    at: datetime
    unusual: tuple[UnusualNumber, ...]


@dataclass(frozen=True, slots=True)
class SeriesStanding:
    """Where a series stands in its baseline; ``unusual`` is empty if nothing is, or if too little is known."""

    digest: InstanceDigest
    at: datetime
    unusual: tuple[UnusualNumber, ...]
    baseline: ScannerBaseline


@dataclass(frozen=True, slots=True)
class BeyondOthers:
    """A history with a measurement whose median is above ``most``, what 95 % of ordinary images elsewhere reach."""

    history: ScannerBaseline
    range: MeasurementRange
    most: float


def beyond_others(transaction: Transaction, now: datetime) -> list[BeyondOthers]:
    """Histories of the last days whose usual level is beyond that of others, by station."""
    of = usual_baselines.c
    recent = of.last_at >= sa.bindparam("recent"), of.ranged_series >= LEAST_SERIES
    query = sa.select(usual_baselines, _UNUSUAL).where(*recent).order_by(of.station, of.baseline)
    histories = (_baseline(row) for row in transaction.execute(query, _recent(now)))
    return [
        BeyondOthers(history, one, measurand.most_elsewhere)
        for history in histories
        for one in history.ranges
        if (measurand := ranged(one.measurement)) and 0.0 < measurand.most_elsewhere < one.median
    ]


def page(
    transaction: Transaction,
    now: datetime,
    *,
    station: str = "",
    limit: int,
    offset: int = 0,
    unusual_first: bool = False,
) -> list[ScannerBaseline]:
    """Baselines by station, those with the newest series first; or before that those with most unusual series."""
    of = usual_baselines.c
    query = sa.select(usual_baselines, _UNUSUAL)
    query = query.order_by(sa.desc("unusual")) if unusual_first else query
    query = query.order_by(of.station, of.last_at.desc(), of.baseline)
    query = query.where(*of_station(station)).limit(limit).offset(offset)
    return [_baseline(row) for row in transaction.execute(query, _recent(now))]


def count(transaction: Transaction, station: str = "") -> int:
    """Number of baselines."""
    query = sa.select(sa.func.count()).select_from(usual_baselines).where(*of_station(station))
    return transaction.execute(query).scalar_one()


def load(transaction: Transaction, baseline: str, now: datetime) -> ScannerBaseline:
    """One baseline, with what changed since the one before; NotFoundError if it does not exist."""
    query = sa.select(usual_baselines, _UNUSUAL).where(usual_baselines.c.baseline == baseline)
    row = transaction.execute(query, _recent(now)).one_or_none()
    if row is None:
        raise NotFoundError("There is no history {baseline}.", baseline=baseline)
    changes = changes_at(transaction, scanner_of(row), row.first_at)
    return replace(_baseline(row, changes), confirmation=confirmed_ranges.confirmation(transaction, baseline))


def unusual_series(transaction: Transaction, baseline: str) -> list[UnusualSeries]:
    """The unusual series of a baseline, the newest first."""
    of = usual_series.c
    query = (
        sa.select(of.digest, of.at, of.unusual, instances.c.study_instance_uid)
        .join(instances, instances.c.digest == of.digest)
        .where(of.baseline == baseline, of.is_unusual)
        .order_by(of.at.desc())
        .limit(MOST_UNUSUAL)
    )
    return [
        UnusualSeries(InstanceDigest(row.digest), row.study_instance_uid, row.at, tuple(load_unusual(row.unusual)))
        for row in transaction.execute(query)
    ]


def standing(transaction: Transaction, digest: InstanceDigest, now: datetime) -> SeriesStanding | None:
    """Where an image, or the series that it belongs to, stands; None if it is in no baseline."""
    row = own_rows(transaction, [digest]).get(digest)
    if row is None:
        return None
    return SeriesStanding(
        InstanceDigest(row.digest), row.at, tuple(load_unusual(row.unusual)), load(transaction, row.baseline, now)
    )


def own_rows(transaction: Transaction, digests: Collection[InstanceDigest]) -> dict[InstanceDigest, sa.Row[Any]]:
    """The row of the history for each image, or for the series that it belongs to; without those that have none."""
    own, other = instances.alias(), instances.alias()
    same = (
        other.c.series_instance_uid == own.c.series_instance_uid,
        other.c.study_instance_uid == own.c.study_instance_uid,
    )
    query = (
        sa.select(own.c.digest.label("asked"), *usual_series.c)
        .join(other, sa.and_(*same))
        .join(usual_series, usual_series.c.digest == other.c.digest)
        .where(own.c.digest.in_(digests))
        .order_by(usual_series.c.subject == own.c.digest)  # its own row last, so that it counts
    )
    return {InstanceDigest(row.asked): row for row in transaction.execute(query)}


def ranges(transaction: Transaction, names: Collection[str]) -> dict[str, list[MeasurementRange]]:
    """The usual ranges of some histories."""
    of = usual_baselines.c
    rows = transaction.execute(sa.select(of.baseline, of.ranges).where(of.baseline.in_(names)))
    return {row.baseline: load_ranges(row.ranges) for row in rows}


def _recent(now: datetime) -> dict[str, datetime]:
    return {"recent": (now - RECENT).replace(tzinfo=None)}


def _baseline(row: sa.Row[Any], changes: tuple[ScannerChange, ...] = ()) -> ScannerBaseline:
    ranges = tuple(load_ranges(row.ranges))
    return ScannerBaseline(
        row.baseline, scanner_of(row), row.first_at, row.last_at, row.series, row.unusual, ranges, changes
    )


NOT_ENOUGH = (LEAST_SERIES, LEAST_SPAN.days, SOON_SPAN.days)
"""Series and days below which nothing is usual, and the days of what is learned soon."""
