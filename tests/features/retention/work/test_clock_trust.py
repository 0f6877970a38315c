"""Nothing is removed by age while the clock cannot be believed; it goes on by itself or when a person says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from miqa_node.core.settings import load_settings
from miqa_node.features.retention.work import retention as work_retention
from miqa_node.features.retention.work.retention import Retention
from miqa_node.runtime.site_records import retention_clock
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.work import clock_trust
from miqa_node.runtime.work.clock_trust import ClockTrust
from tests.features.retention.rows.test_retention import Shelf
from tests.runtime.store.making import NOW

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SHIFT = timedelta(days=60)


class Clock:
    """The clock of a machine: time passes, and somebody sets it."""

    def __init__(self) -> None:
        self.at, self.running_s = NOW + HOUR, 1000.0

    def now(self, _zone: object = None) -> datetime:
        return self.at

    def passes(self, span: timedelta) -> None:
        self.at, self.running_s = self.at + span, self.running_s + span.total_seconds()

    def is_set(self, step: timedelta) -> None:
        self.at += step


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (clock_trust, work_retention):
        monkeypatch.setattr(module, "datetime", type("Time", (datetime,), {"now": staticmethod(clock.now)}))
    monkeypatch.setattr(clock_trust, "running_time_s", lambda: clock.running_s)
    return clock


@pytest.fixture
def start(database: Database) -> Callable[[], ClockTrust]:
    """Starts the process anew."""
    return lambda: ClockTrust(database, DAY)


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(database, open_objects("", tmp_path / "objects", 0, 1 << 20), tmp_path)


def waits(database: Database) -> str:
    with database.begin() as transaction:
        return "".join(alarm.text for alarm in retention_clock.alarms(transaction))


def test_a_process_that_starts_at_another_time_waits_too(
    database: Database, clock: Clock, start: Callable[[], ClockTrust]
) -> None:
    assert start().now() == clock.at
    clock.is_set(SHIFT)
    assert start().now() is None
    assert waits(database)
    clock.is_set(-SHIFT)
    assert start().now() == clock.at
    assert not waits(database)


def test_images_of_the_wrong_time_do_not_prove_it(shelf: Shelf, clock: Clock, start: Callable[[], ClockTrust]) -> None:
    shelf.arrive(1)
    assert start().now() is not None  # there is no record yet: the newest image is an hour old
    clock.is_set(SHIFT)
    with shelf.database.begin() as transaction:
        transaction.exec_driver_sql("UPDATE instances SET received_at = '2026-03-03 03:04:05.000000'")
    assert start().now() is None


def test_an_update_after_a_long_time_waits_as_well(shelf: Shelf, clock: Clock, start: Callable[[], ClockTrust]) -> None:
    shelf.arrive(1)
    clock.passes(2 * DAY)
    assert start().now() is None


def test_a_person_confirms_the_clock_of_a_node_that_was_off(
    database: Database, clock: Clock, start: Callable[[], ClockTrust]
) -> None:
    start().now()
    clock.passes(timedelta(weeks=3))
    trust = start()
    assert trust.now() is None
    assert "by 21 days" in waits(database)
    with database.begin() as transaction:
        retention_clock.confirm(transaction, clock.at)
    assert not waits(database)
    clock.passes(MINUTE)
    assert trust.now() == clock.at
    assert start().now() == clock.at


def test_a_confirmation_counts_for_the_running_process_once(
    database: Database, clock: Clock, start: Callable[[], ClockTrust]
) -> None:
    trust = start()
    trust.now()
    clock.is_set(SHIFT)
    assert trust.now() is None
    with database.begin() as transaction:
        retention_clock.confirm(transaction, clock.at)
    assert trust.now() == clock.at
    clock.is_set(SHIFT)
    assert trust.now() is None


def test_a_sleeping_or_busy_process_is_no_step(clock: Clock, start: Callable[[], ClockTrust]) -> None:
    trust = start()
    trust.now()
    clock.passes(timedelta(days=9))
    assert trust.now() == clock.at


def test_steps_of_hours_add_up(clock: Clock, start: Callable[[], ClockTrust]) -> None:
    trust = start()
    trust.now()
    for _ in range(2):
        clock.is_set(23 * HOUR)
        clock.passes(MINUTE)
        moments = trust.now()
    assert moments is None


def test_a_clock_that_was_behind_at_the_start_may_be_set_right(clock: Clock, start: Callable[[], ClockTrust]) -> None:
    """A battery was empty: the node starts in the past, and the time server sets it right."""
    start().now()
    clock.is_set(-20 * 365 * DAY)
    trust = start()
    assert trust.now() == clock.at
    clock.is_set(20 * 365 * DAY)
    assert trust.now() == clock.at


def test_the_time_is_that_of_this_machine() -> None:
    database = Database.in_memory()
    before = datetime.now(UTC)
    now = ClockTrust(database, DAY).now()
    assert now is not None
    assert before <= now <= datetime.now(UTC)
    database.close()


@pytest.mark.more
def test_a_step_ahead_removes_nothing_until_the_clock_is_right_again(
    shelf: Shelf, clock: Clock, tmp_path: Path
) -> None:
    files = [shelf.decide(number) for number in range(3)]
    settings = load_settings(node={"data_dir": tmp_path}, retention={"enabled": True, "min_free_percent": 0})
    retention = Retention(shelf.database, shelf.objects, settings)
    retention.look()
    clock.is_set(SHIFT)
    with capture_logs() as lines:
        for _ in range(3):
            clock.passes(MINUTE)
            retention.look()
    assert [line["event"] for line in lines] == ["nothing is removed by age: the clock made a step"]
    assert shelf.has(*files) == [True] * 3
    assert "set ahead by 60 days" in waits(shelf.database)
    clock.is_set(-SHIFT)
    retention.look()
    assert (shelf.has(*files), waits(shelf.database)) == ([True] * 3, "")
    for _ in range(31):  # real days
        clock.passes(DAY - HOUR)
        retention.look()
        clock.passes(HOUR)
    retention.look()
    assert shelf.has(*files) == [False] * 3
