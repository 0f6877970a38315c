"""A clock that is set back by two hours: nothing waits for two hours."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import deliveries as table
from miqa_node.runtime.work import clock
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances, series
from tests.runtime.store.making import NOW, digest, header, received, study

STEP = timedelta(hours=2)
LATER = NOW - STEP + timedelta(seconds=1)
LONGEST = timedelta(seconds=300)


def queue(database: Database, number: int, delay_s: float = 0.0) -> None:
    of = digest(number)
    result = ResultObject(f"2.25.{number}", "1.2.840.10008.5.1.4.1.1.88.34", ResultKind("SR"), f"results/{number}.dcm")
    with database.begin() as transaction:
        instances.record(transaction, header(number), study(), received(of), "instances/aa/b.dcm")
        deliveries.record_result(transaction, of, result, NOW)
        deliveries.queue(transaction, result, "PACS", NOW, delay_s)


def due_in(database: Database) -> list[timedelta]:
    with database.begin() as transaction:
        rows = transaction.execute(sa.select(table.c.next_attempt_at).order_by(table.c.delivery_id))
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
        transaction.execute(sa.update(table).values(queued_at=NOW - timedelta(days=1)))
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
    with database.begin() as transaction:
        assert clock.mend(transaction, NOW, LONGEST) == 0
