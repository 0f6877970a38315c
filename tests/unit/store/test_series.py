"""When a series is due to be judged."""

from __future__ import annotations

from datetime import timedelta

from miqa_node.store import instances, series
from miqa_node.store.database import Database
from tests.unit.store.making import NOW, digest, header, received, study


def test_a_modality_without_a_pause_of_its_own_is_due_after_the_longest(database: Database) -> None:
    """As one that a plug-in's unit brings; otherwise it would be kept and never judged."""
    pauses = {"CT": 20.0, "MR": 60.0}
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "instances/aa/b.dcm")
        series.arrive(transaction, header(1), NOW)
        assert header(1).modality not in pauses
        assert series.take_due(transaction, pauses, NOW + timedelta(seconds=21)) == []
        assert series.take_due(transaction, pauses, NOW + timedelta(seconds=61)) == [digest(1)]
