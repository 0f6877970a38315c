"""The outbox: claims, leases, outcomes, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from datetime import timedelta

from making import NOW, digest, header, received, study

from miqa_node.domain.delivery import DeliveryId, DeliveryState, ResultKind, ResultObject
from miqa_node.store import deliveries, instances
from miqa_node.store.database import Database


def queue(database: Database, number: int, *destinations: str) -> ResultObject:
    of = digest(number)
    result = ResultObject(f"2.25.{number}", "1.2.840.10008.5.1.4.1.1.88.34", ResultKind.SR, f"results/aa/{number}.dcm")
    with database.begin() as transaction:
        instances.record(transaction, header(number), study(), received(of), "instances/aa/b.dcm")
        deliveries.record_result(transaction, of, result, NOW)
        for destination in destinations:
            deliveries.queue(transaction, result, destination, NOW)
    return result


def states(database: Database, number: int) -> list[tuple[str, DeliveryState, int, str]]:
    with database.begin() as transaction:
        rows = deliveries.of_instance(transaction, digest(number))
    return [(row.destination, row.state, row.attempts, row.last_error) for row in rows]


def test_asking_twice_is_asking_once(database: Database) -> None:
    queue(database, 1, "PACS", "PACS")
    queue(database, 1, "PACS")
    assert states(database, 1) == [("PACS", DeliveryState.QUEUED, 0, "")]


def test_a_claimed_delivery_is_nobody_elses_until_the_lease_runs_out(database: Database) -> None:
    result = queue(database, 1, "PACS", "ARCHIVE")
    later = NOW + timedelta(seconds=61)
    with database.begin() as transaction:
        assert deliveries.is_due(transaction, "PACS", NOW)
        claimed = deliveries.claim(transaction, "PACS", 10, NOW, lease_s=60)
        assert [(c.destination, c.result) for c in claimed] == [("PACS", result)]
        assert not deliveries.is_due(transaction, "PACS", NOW)
        assert deliveries.claim(transaction, "PACS", 10, NOW, lease_s=60) == []
        assert len(deliveries.claim(transaction, "PACS", 10, later, lease_s=60)) == 1
        deliveries.release(transaction, [claimed[0].delivery_id])
        assert deliveries.is_due(transaction, "PACS", NOW)


def test_outcomes(database: Database) -> None:
    queue(database, 1, "A", "B", "C")
    with database.begin() as transaction:
        ids = {d.destination: d.delivery_id for d in deliveries.of_instance(transaction, digest(1))}
        deliveries.sent(transaction, [ids["A"]], NOW)
        deliveries.failed(transaction, ids["B"], "no route", NOW + timedelta(seconds=5))
        deliveries.failed(transaction, ids["C"], "SOP class refused", None)
    assert sorted(states(database, 1)) == [
        ("A", DeliveryState.SENT, 1, ""),
        ("B", DeliveryState.QUEUED, 1, "no route"),
        ("C", DeliveryState.FAILED, 1, "SOP class refused"),
    ]
    with database.begin() as transaction:
        assert not deliveries.is_due(transaction, "B", NOW + timedelta(seconds=4))
        assert deliveries.is_due(transaction, "B", NOW + timedelta(seconds=5))
        assert not deliveries.is_due(transaction, "C", NOW + timedelta(days=9))
        assert deliveries.resend(transaction, "2.25.1", NOW, "C") == 1
        assert deliveries.is_due(transaction, "C", NOW)
        assert deliveries.count_by_state(transaction)["A", "SENT"] == 1


def test_two_lanes_at_once_never_take_the_same_delivery(database: Database) -> None:
    for number in range(40):
        queue(database, number, "PACS")
    taken: list[DeliveryId] = []

    def lane() -> None:
        while True:
            with database.begin() as transaction:
                claimed = deliveries.claim(transaction, "PACS", 3, NOW, lease_s=600)
            if not claimed:
                return
            taken.extend(c.delivery_id for c in claimed)

    lanes = [threading.Thread(target=lane) for _ in range(4)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    assert len(taken) == len(set(taken)) == 40
