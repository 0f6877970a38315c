"""The watch over the model counts what belongs to its days, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from miqa_node.features.analysis.rows import rollup
from miqa_node.features.analysis.rows.census import Period
from miqa_node.features.analysis.watch import watch
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import acquisition_findings
from tests.features.analysis.rows.test_analysis import NOON, put
from tests.runtime.store.making import NOW, digest


def test_a_room_that_is_noisy_in_most_images_is_named(database: Database) -> None:
    """Its own limits hide it: they compare the room with itself."""
    with database.begin() as transaction:
        for number in range(1, 101):
            put(transaction, number, patient=number, station_name="GRAINY" if number <= 50 else "ROOM2")
        of = acquisition_findings
        transaction.execute(sa.update(of).values(finding="unsharp"))
        for number in (*range(1, 31), *range(51, 61)):
            transaction.execute(sa.update(of).values(finding="noise").where(of.c.digest == digest(number)))
        rollup.refresh(transaction, NOW)
        day = NOON.date()
        [room] = watch(transaction, Period(day, day + timedelta(days=1))).noisy_rooms
        earlier = watch(transaction, Period(day - timedelta(days=9), day)).noisy_rooms
    assert (room.room, room.noisy.count, room.noisy.total) == ("GRAINY", 30, 50)
    assert earlier == []
