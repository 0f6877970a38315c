"""What an archive says of an object that it took in another way than usual stands with the delivery."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.features.worklist.rows import history
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.stages.deliver.rows import deliveries, delivery_jobs
from miqa_node.stages.deliver.rows.delivery_jobs import DeliveryFilter
from miqa_node.stages.deliver.rows.outbox import DatabaseOutbox
from miqa_node.stages.deliver.statuses import note_of
from tests.runtime.store.making import digest
from tests.stages.deliver.test_outbox import queue

NOTE = "The archive had it already: it answered 0x0111: duplicate SOP instance."


@pytest.mark.parametrize(
    ("status", "begins"),
    [(0x0000, None), (0x0111, "The archive had it already"), (0xB000, "It arrived with the warning 0xB000")],
)
def test_only_unusual_arrivals_have_a_note(status: int, begins: str | None) -> None:
    note = note_of(status)
    assert note is None if begins is None else note is not None and note.startswith(begins)


def test_a_note_is_of_the_last_arrival_and_stands_with_its_delivery(database: Database, tmp_path: Path) -> None:
    queue(database, 1, "A", "B")
    with database.begin() as transaction:
        ids = {one.destination: one.delivery_id for one in deliveries.of_instance(transaction, digest(1))}
    outbox = DatabaseOutbox(database, DiskObjects(tmp_path))
    outbox.sent({ids["A"]: NOTE, ids["B"]: ""})
    with database.begin() as transaction:
        jobs = {job.destination: job for job in delivery_jobs.select(transaction, DeliveryFilter(), limit=9)}
        [result] = history.of_instance(transaction, digest(1)).results
    assert {name: (job.state, job.note) for name, job in jobs.items()} == {
        "A": (DeliveryState.SENT, NOTE),
        "B": (DeliveryState.SENT, ""),
    }
    assert {one.destination: one.note for one in result.deliveries} == {"A": NOTE, "B": ""}
    outbox.sent({ids["A"]: ""})
    with database.begin() as transaction:
        assert not any(job.note for job in delivery_jobs.select(transaction, DeliveryFilter(), limit=9))
