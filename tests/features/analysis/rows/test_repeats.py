"""Repeats: found by whichever process records them, and across the hours that a clock shows twice or leaves out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import acquisitions as table
from tests.features.analysis.rows.test_analysis import NOON, RULES, count, decide, put, row
from tests.waiting import delay

PAIRS = 24
BERLIN = replace(RULES, zone=ZoneInfo("Europe/Berlin"))


def clock(text: str) -> datetime:
    """A time on the clock of a scanner."""
    return datetime.fromisoformat(text)


def test_two_exposures_that_two_processes_record_at_once_do_not_miss_each_other(database: Database) -> None:
    with database.begin() as transaction:
        pairs = [
            [decide(transaction, 100 * n + patient, NOON + timedelta(minutes=n), patient=patient) for n in (1, 5)]
            for patient in range(PAIRS)
        ]
    at_once = threading.Barrier(2)

    def work(its: Database, images: list[InstanceDigest]) -> None:
        for image in images:
            at_once.wait(60.0)
            with its.begin() as transaction:
                count(transaction, image)
                delay(0.01)  # the other has begun

    assert _found(database, work, [first for first, _ in pairs], [second for _, second in pairs]) == PAIRS


def test_processes_that_record_many_patients_in_any_order_never_wait_for_each_other(database: Database) -> None:
    with database.begin() as transaction:
        images = [
            [decide(transaction, 100 * n + patient, NOON + timedelta(minutes=n), patient=patient) for n in (1, 5)]
            for patient in range(PAIRS)
        ]

    def work(its: Database, images: list[InstanceDigest]) -> None:
        for image in images:
            with its.begin() as transaction:
                count(transaction, image)

    assert _found(database, work, [first for first, _ in images], [second for _, second in images[::-1]]) == PAIRS


def _found(
    database: Database,
    work: Callable[[Database, list[InstanceDigest]], None],
    mine: list[InstanceDigest],
    others: list[InstanceDigest],
) -> int:
    """The number of repeated exposures, after two processes have recorded them."""
    other = Database(database.url.render_as_string(hide_password=False), pool_size=1)
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(work, database, mine), threads.submit(work, other, others)]:
            done.result()
    other.close()
    with database.begin() as transaction:
        return transaction.execute(sa.select(sa.func.count()).where(table.c.repeated)).scalar_one()


@pytest.mark.parametrize(
    ("first", "second", "later"),
    [
        ("2026-10-25T02:55", "2026-10-25T02:05", "2026-10-25T01:06"),  # 10 minutes, over the repeated hour
        ("2026-10-25T02:55", "2026-10-25T02:05", "2026-10-27T12:00"),  # the same, received long after
        ("2026-03-29T01:58", "2026-03-29T03:03", "2026-03-29T01:04"),  # 5 minutes, over the hour left out
    ],
)
def test_a_repeat_across_a_change_of_the_clock_is_one(database: Database, first: str, second: str, later: str) -> None:
    arrived = clock(later).replace(tzinfo=UTC)
    early = arrived if arrived.day > 26 and arrived.month == 10 else arrived - timedelta(minutes=9)
    with database.begin() as transaction:
        a = put(transaction, 1, clock(first), rules=BERLIN, arrived=early)
        b = put(transaction, 2, clock(second), rules=BERLIN, arrived=arrived)
        assert (row(transaction, a).repeated, row(transaction, b).repeated) == (True, False)
        assert row(transaction, a).acquired_at == clock(first)


def test_times_of_the_clock_that_look_near_but_are_an_hour_apart_are_no_repeats(database: Database) -> None:
    arrivals = [datetime(2026, 10, 25, 0, 31, tzinfo=UTC), datetime(2026, 10, 25, 1, 36, tzinfo=UTC)]
    with database.begin() as transaction:
        a = put(transaction, 1, clock("2026-10-25T02:30"), rules=BERLIN, arrived=arrivals[0])
        b = put(transaction, 2, clock("2026-10-25T02:35"), rules=BERLIN, arrived=arrivals[1])
        assert not row(transaction, a).repeated
        assert row(transaction, b).moment - row(transaction, a).moment == timedelta(minutes=65)


def test_an_offset_in_the_header_says_when_it_was(database: Database) -> None:
    """A scanner in UTC and one on the hospital's clock."""
    with database.begin() as transaction:
        utc = put(transaction, 1, clock("2025-11-10T23:30"), rules=BERLIN, utc_offset_s=0)
        local = put(transaction, 2, clock("2025-11-11T00:35"), rules=BERLIN)
        exposure = row(transaction, utc)
        assert (exposure.acquired_at, exposure.day) == (clock("2025-11-11T00:30"), clock("2025-11-11").date())
        assert exposure.shift == "night"
        assert exposure.repeated
        assert not row(transaction, local).repeated


def test_rows_of_earlier_versions_are_repeated_by_new_ones(database: Database) -> None:
    with database.begin() as transaction:
        a = put(transaction, 1)
        transaction.execute(sa.update(table).values(moment=None))
        put(transaction, 2, NOON + timedelta(minutes=5))
        assert row(transaction, a).repeated
