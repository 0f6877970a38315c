"""When a series is due to be judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from miqa_node.runtime.store.database import ARRIVALS, Database
from miqa_node.stages.units.rows import instances, series
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


def test_the_last_of_the_announced_images_wakes_who_waits_for_the_series(database: Database) -> None:
    """So it is judged at once, not at the next look; the first image wakes, too, for a look each second."""
    rung: list[str] = []
    counts = []
    database.on_commit(ARRIVALS, lambda: rung.append(ARRIVALS))
    for number in (1, 2, 3, 4):
        with database.begin() as transaction:
            image = replace(header(number), series_instance_uid=header(1).series_instance_uid, series_images=3)
            instances.record(transaction, image, study(), received(digest(number)), f"instances/aa/{number}.dcm")
            series.arrive(transaction, image, NOW)
        counts.append(len(rung))
    assert counts == [1, 1, 2, 2], "a fourth of three is inconsistent: only quiet shows that it is complete"
