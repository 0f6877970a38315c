"""A clock that is set back by two hours: nothing waits for two hours, whichever table it waits in."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.object_store import DiskSpace
from miqa_node.core.settings import load_settings
from miqa_node.features.accounts.rows import attempts
from miqa_node.runtime.people import accounts
from miqa_node.runtime.store import upkeep
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import audit_marks, commitment_requests, executors, metadata, notices
from miqa_node.runtime.store.tables import deliveries as deliveries_table
from miqa_node.runtime.work import clock, recovery
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances, series
from tests.runtime.store.making import NOW, digest, header, received, study

STEP = timedelta(hours=2)
LATER = NOW - STEP + timedelta(seconds=1)
LONGEST = timedelta(seconds=300)
ACCESS, CLIENT = load_settings().access, attempts.Client("192.0.2.1")


def queue(database: Database, number: int, delay_s: float = 0.0) -> None:
    of = digest(number)
    result = ResultObject(f"2.25.{number}", "1.2.840.10008.5.1.4.1.1.88.34", ResultKind("SR"), f"results/{number}.dcm")
    with database.begin() as transaction:
        instances.record(transaction, header(number), study(), received(of), "instances/aa/b.dcm")
        deliveries.record_result(transaction, of, result, NOW)
        deliveries.queue(transaction, result, "PACS", NOW, delay_s)


def due_in(database: Database) -> list[timedelta]:
    with database.begin() as transaction:
        rows = transaction.execute(
            sa.select(deliveries_table.c.next_attempt_at).order_by(deliveries_table.c.delivery_id)
        )
        return [row.next_attempt_at - LATER for row in rows]


def mend(database: Database) -> int:
    with database.begin() as transaction:
        return clock.mend(transaction, LATER, LONGEST)


def test_what_was_queued_just_before_is_due_and_a_delay_begins_anew(database: Database) -> None:
    queue(database, 1)
    queue(database, 2, delay_s=900.0)
    assert due_in(database)[0] > timedelta(hours=1)
    assert mend(database) == 2
    assert due_in(database) == [timedelta(0), timedelta(seconds=900)]
    assert mend(database) == 0


def test_pauses_and_leases_end(database: Database) -> None:
    queue(database, 1)
    with database.begin() as transaction:
        transaction.execute(sa.update(deliveries_table).values(queued_at=NOW - timedelta(days=1)))
        [claimed] = deliveries.claim(transaction, "PACS", 1, NOW, lease_s=60)
        deliveries.failed(transaction, claimed.delivery_id, "away", NOW + LONGEST, NOW)
        deliveries.release(transaction, [claimed.delivery_id])
        deliveries.claim(transaction, "PACS", 1, NOW + LONGEST, lease_s=60)
    assert mend(database) == 2
    with database.begin() as transaction:
        assert deliveries.is_due(transaction, "PACS", LATER)


def test_a_series_that_arrived_just_before_is_judged(database: Database) -> None:
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "instances/aa/b.dcm")
        series.arrive(transaction, header(1), NOW)
    assert mend(database) == 1
    with database.begin() as transaction:
        quiet = LATER + timedelta(seconds=21)
        assert series.take_due(transaction, series.QuietTimes({header(1).modality: 20.0}), quiet) == [digest(1)]


def test_what_waits_as_it_should_is_left_alone(database: Database) -> None:
    queue(database, 1, delay_s=900.0)
    add(database, notices, **NOTICE, made_at=NOW, next_attempt_at=NOW + timedelta(hours=9))
    add(database, executors, name="a", started_at=NOW, heartbeat_at=NOW)
    with database.begin() as transaction:
        assert clock.mend(transaction, NOW, LONGEST) == 0


NOTICE: dict[str, Any] = {
    "account": "mara", "kind": "digest", "subject": "a", "since": NOW, "until": NOW, "state": "WAITING", "attempts": 0,
    "last_error": "",
}  # fmt: skip
REQUEST: dict[str, Any] = {
    "transaction_uid": "1.2", "calling_ae_title": "CT", "called_ae_title": "MIQA", "peer_address": "", "objects": [],
    "requested_at": LATER, "attempts": 1, "last_error": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "name", "values"),
    [
        (commitment_requests, "next_attempt_at", REQUEST),
        (audit_marks, "lease_until", {"name": "syslog a", "number": 0, "sha256": "", "document": "{}"}),
        (executors, "heartbeat_at", {"name": "a", "started_at": LATER}),
        (notices, "next_attempt_at", NOTICE | {"made_at": NOW}),
        (notices, "next_attempt_at", NOTICE | {"made_at": LATER, "last_error": "away"}),
    ],
)
def test_each_table_that_waits_goes_on(database: Database, table: sa.Table, name: str, values: dict[str, Any]) -> None:
    add(database, table, **values, **{name: NOW + LONGEST})
    assert mend(database) == 1
    with database.begin() as transaction:
        assert transaction.execute(sa.select(table.c[name])).scalar_one() == LATER
    assert mend(database) == 0


def test_wrong_passwords_of_a_former_time_count_no_longer_than_others(database: Database) -> None:
    with database.begin() as transaction:
        for _ in range(ACCESS.sign_in_failures_per_address):
            attempts.note(transaction, "", CLIENT, "password", attempts.SignInOutcome.REFUSED, NOW)
    assert mend(database) == ACCESS.sign_in_failures_per_address
    with database.begin() as transaction:
        for minutes, allowed in ((0, False), (16, True)):
            now = LATER + timedelta(minutes=minutes)
            assert attempts.begin(transaction, "", CLIENT, "password", ACCESS, now)[1] is allowed
    assert mend(database) == 1


def test_the_disk_is_measured_again(database: Database) -> None:
    with database.begin() as transaction:
        upkeep.sample_disk(transaction, "a", DiskSpace(100, 90), NOW)
    assert mend(database) == 1
    with database.begin() as transaction:
        upkeep.sample_disk(transaction, "a", DiskSpace(100, 10), LATER)
        assert upkeep.disks(transaction, LATER - timedelta(hours=1)) == [("a", LATER, DiskSpace(100, 10))]


def test_no_column_that_waits_is_forgotten(database: Database) -> None:
    """By the names of columns, so that a new table is told."""
    statements: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    mend(database)
    repaired = {(words.split()[1], name) for words in statements for name in re.findall(r"\b(\w+)=", words)}
    names = re.compile(r"next_\w+_at|look_at|commit_at|heartbeat_at|lease_until")
    waits = {(table.name, column.name) for table in metadata.sorted_tables for column in table.c}
    waits = {one for one in waits if names.fullmatch(one[1])}
    assert len(waits) >= 8
    assert waits <= repaired


def add(database: Database, table: sa.Table, **values: object) -> None:
    """A row, and the account that a notice is for."""
    with database.begin() as transaction:
        if table is notices:
            accounts.add(transaction, "mara", Role.VIEWER, "test", NOW)
        transaction.execute(sa.insert(table).values(**values))


def test_what_is_committed_after_the_repair_is_repaired_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction of another thread read the clock before the step, and is committed after the repair."""
    monotonic_s, ahead_s = 100.0, 1e9
    clocks = SimpleNamespace(monotonic=lambda: monotonic_s, time=lambda: monotonic_s + ahead_s)
    monkeypatch.setattr("miqa_node.runtime.work.recovery.time", clocks)
    wall = recovery.WallClock()
    assert wall.may_have_been_set_back()
    wall.noted()
    assert not wall.may_have_been_set_back()
    ahead_s -= STEP.total_seconds()
    repairs = []
    for _ in range(600):
        if wall.may_have_been_set_back():
            repairs.append(monotonic_s - 100.0)
            wall.noted()
        monotonic_s += 1.0
    assert repairs == [0.0, *clock.AGAIN_AFTER_S]


def test_a_clock_that_is_set_ahead_and_back_between_two_repairs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was queued in between waits for the former time, as after any other step."""
    ahead_s = 1e9
    clocks = SimpleNamespace(monotonic=lambda: 100.0, time=lambda: 100.0 + ahead_s)
    monkeypatch.setattr("miqa_node.runtime.work.recovery.time", clocks)
    wall = recovery.WallClock()
    wall.noted()
    ahead_s += STEP.total_seconds()
    wall.look()
    assert not wall.may_have_been_set_back()
    ahead_s -= STEP.total_seconds()
    assert wall.may_have_been_set_back()
