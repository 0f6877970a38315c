"""Baselines as pages, programs and the command show them, and where a series stands among its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.errors import NotFoundError
from miqa_node.features.usual_ranges.baseline import (
    FIELDS,
    LEAST_SERIES,
    LEAST_SPAN,
    MeasurementRange,
    ScannerProtocol,
    UnusualNumber,
    is_enough,
)
from miqa_node.features.usual_ranges.rows.documents import load_ranges, load_unusual
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import instances, usual_baselines, usual_series

RECENT = timedelta(days=30)
MOST_UNUSUAL, MOST_CHANGES = 50, 100

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
class ScannerChange:
    """What an exchange or an update changed: the attribute of DICOM, before and now; ``at`` is the first series."""

    at: datetime
    station: str
    modality: str
    attribute: str
    before: str
    now: str


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


def page(
    transaction: Transaction, now: datetime, *, station: str = "", limit: int, offset: int = 0
) -> list[ScannerBaseline]:
    """Baselines by station, those with the newest series first."""
    of = usual_baselines.c
    query = sa.select(usual_baselines, _UNUSUAL).order_by(of.station, of.last_at.desc(), of.baseline)
    query = query.where(*_of_station(station)).limit(limit).offset(offset)
    return [_baseline(row) for row in transaction.execute(query, _recent(now))]


def count(transaction: Transaction, station: str = "") -> int:
    """Number of baselines."""
    query = sa.select(sa.func.count()).select_from(usual_baselines).where(*_of_station(station))
    return transaction.execute(query).scalar_one()


def load(transaction: Transaction, baseline: str, now: datetime) -> ScannerBaseline:
    """One baseline, with what changed since the one before; NotFoundError if it does not exist."""
    query = sa.select(usual_baselines, _UNUSUAL).where(usual_baselines.c.baseline == baseline)
    row = transaction.execute(query, _recent(now)).one_or_none()
    if row is None:
        raise NotFoundError("There is no history {baseline}.", baseline=baseline)
    return _baseline(row, changes_at(transaction, _scanner(row), row.first_at))


def changes_at(transaction: Transaction, scanner: ScannerProtocol, first_at: datetime) -> tuple[ScannerChange, ...]:
    """What distinguishes a baseline from the one in its place that began last before it."""
    of = usual_baselines.c
    same = (
        of[name] == getattr(scanner, name)
        for name in ("station", "modality", "protocol", "kernel", "body_part", "view")
    )
    query = sa.select(usual_baselines).where(*same, of.first_at < first_at).order_by(of.first_at.desc()).limit(1)
    before = transaction.execute(query).one_or_none()
    if before is None:
        return ()
    return tuple(
        ScannerChange(first_at, scanner.station, scanner.modality, *change)
        for change in scanner.changes_since(_scanner(before))
    )


def scanner_changes(transaction: Transaction, station: str = "") -> list[ScannerChange]:
    """Changes of software and devices, of all protocols of a scanner together, the newest first."""
    of = usual_baselines.c
    same = (of.station, of.modality, of.device, of.serial_number, of.software)
    query = sa.select(*same, sa.func.min(of.first_at).label("first_at")).where(*_of_station(station)).group_by(*same)
    by_place: dict[tuple[str, str], list[tuple[datetime, ScannerProtocol]]] = {}
    for row in transaction.execute(query):
        scanner = ScannerProtocol(
            row.modality, row.station, row.device, row.serial_number, row.software, "", "", "", ""
        )
        by_place.setdefault((row.station, row.modality), []).append((row.first_at, scanner))
    changes = [
        ScannerChange(at, now.station, now.modality, *change)
        for history in by_place.values()
        for (_, before), (at, now) in pairwise(sorted(history, key=lambda one: one[0]))
        for change in now.changes_since(before)
    ]
    return sorted(changes, key=lambda one: one.at, reverse=True)[:MOST_CHANGES]


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
    of = usual_series.c
    uid = sa.select(instances.c.series_instance_uid).where(instances.c.digest == digest).scalar_subquery()
    query = sa.select(usual_series).where(sa.or_(of.subject == digest, of.subject == uid)).limit(1)
    row = transaction.execute(query).one_or_none()
    if row is None:
        return None
    return SeriesStanding(
        InstanceDigest(row.digest), row.at, tuple(load_unusual(row.unusual)), load(transaction, row.baseline, now)
    )


def _of_station(station: str) -> Sequence[sa.ColumnElement[bool]]:
    return [usual_baselines.c.station == station] if station else []


def _recent(now: datetime) -> dict[str, datetime]:
    return {"recent": (now - RECENT).replace(tzinfo=None)}


def _scanner(row: sa.Row[Any]) -> ScannerProtocol:
    return ScannerProtocol(**{name: getattr(row, name) for name in FIELDS})


def _baseline(row: sa.Row[Any], changes: tuple[ScannerChange, ...] = ()) -> ScannerBaseline:
    ranges = tuple(load_ranges(row.ranges))
    return ScannerBaseline(
        row.baseline, _scanner(row), row.first_at, row.last_at, row.series, row.unusual, ranges, changes
    )


NOT_ENOUGH = (LEAST_SERIES, LEAST_SPAN.days)
"""Series and days below which nothing is usual."""
