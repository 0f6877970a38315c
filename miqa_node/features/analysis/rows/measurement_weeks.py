"""Counts measurements by week and station in fine bins, each image once, for comparing any two periods."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.features.analysis.tables import measurement_weeks
from miqa_node.libraries.plain_statistics.bins import bin_of
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_into
from miqa_node.runtime.store.tables import acquisitions, assessments

ROWS_AT_ONCE = 1000
ALL_STATIONS = ""
"""Name for the counts of all stations together, so that few rows cover a whole site."""


def monday(day: date) -> date:
    """The first day of the ISO week."""
    return day - timedelta(days=day.weekday())


def count(transaction: Transaction, *, limit: int) -> int:
    """Count the measurements of new exposures, up to a limit; returns the number of exposures."""
    query = (
        sa.select(acquisitions.c.digest, acquisitions.c.day, acquisitions.c.station, assessments.c.document)
        .join(assessments, assessments.c.digest == acquisitions.c.digest)
        .where(~acquisitions.c.binned)
        .limit(limit)
        .with_for_update(of=acquisitions, skip_locked=True)  # another process counts others
    )
    rows = transaction.execute(query).all()
    counts: Counter[tuple[date, str, str, int]] = Counter()
    for row in rows:
        counts.update(_bins(row.day, row.station, documents.load_assessment(row.document)))
    # In a fixed order, so that two processes cannot deadlock.
    keyed = sorted(counts.items())
    for start in range(0, len(keyed), ROWS_AT_ONCE):
        _add(transaction, keyed[start : start + ROWS_AT_ONCE])
    if rows:
        # "binned" does not concern the roll-up: changed_at stays.
        transaction.execute(
            sa.update(acquisitions).where(acquisitions.c.digest.in_([row.digest for row in rows])).values(binned=True)
        )
    return len(rows)


def take_back(transaction: Transaction, day: date, station: str, replaced: Assessment) -> None:
    """Remove the counts of an exposure whose assessment was replaced."""
    for week, name, measurement, number in sorted(_bins(day, station, replaced)):
        table = measurement_weeks
        keys = (table.c.week == week, table.c.station == name, table.c.measurement == measurement)
        transaction.execute(sa.update(table).where(*keys, table.c.bin == number).values(count=table.c.count - 1))


def _bins(day: date, station: str, assessment: Assessment) -> Counter[tuple[date, str, str, int]]:
    counts: Counter[tuple[date, str, str, int]] = Counter()
    for measurement in assessment.measurements:
        for name in {station, ALL_STATIONS}:
            counts[monday(day), name, measurement.name[:64], bin_of(measurement.value)] += 1
    return counts


def histograms(transaction: Transaction, since: date, until: date) -> dict[str, dict[int, int]]:
    """Measurement → bin → count of all stations, for weeks that begin in the period."""
    table = measurement_weeks
    query = (
        sa.select(table.c.measurement, table.c.bin, sa.func.sum(table.c.count))
        .where(table.c.week.in_(_mondays(since, until)), table.c.station == ALL_STATIONS)
        .group_by(table.c.measurement, table.c.bin)
    )
    counts: dict[str, dict[int, int]] = {}
    for name, number, total in transaction.execute(query):
        counts.setdefault(name, {})[number] = int(total)
    return counts


def _mondays(since: date, until: date) -> list[date]:
    """The Mondays as a list, so that week and station can use the beginning of the key."""
    first = monday(since + timedelta(days=6))
    return [first + timedelta(weeks=number) for number in range(max((until - first).days + 6, 0) // 7)]


def _add(transaction: Transaction, keyed: list[tuple[tuple[date, str, str, int], int]]) -> None:
    insert = insert_into(transaction, measurement_weeks).values(
        [
            {"week": week, "station": station, "measurement": name, "bin": number, "count": total}
            for (week, station, name, number), total in keyed
        ]
    )
    transaction.execute(
        insert.on_conflict_do_update(
            index_elements=["week", "station", "measurement", "bin"],
            set_={"count": measurement_weeks.c.count + insert.excluded["count"]},
        )
    )
