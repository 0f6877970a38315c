"""When a series is due to be judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from miqa_node.core.domain.instance import SeriesInstanceUid
from miqa_node.runtime.store.database import ARRIVALS, Database
from miqa_node.stages.units.rows import instances, series
from tests.runtime.store.making import NOW, digest, header, received, study


def test_a_modality_without_a_pause_of_its_own_is_due_after_the_longest(database: Database) -> None:
    """As one that a plug-in's unit brings; otherwise it would be kept and never judged."""
    pauses = series.QuietTimes({"CT": 20.0, "MR": 60.0})
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "instances/aa/b.dcm")
        series.arrive(transaction, header(1), NOW)
        assert header(1).modality not in pauses.by_modality
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


def test_a_sender_may_have_a_pause_of_its_own(database: Database) -> None:
    """A slow gateway is not the scanner: what it sends waits longer, and a fast scanner shorter than its modality."""
    times = series.QuietTimes({"CT": 20.0, "MR": 60.0}, {"SLOW": 90.0, "FAST": 5.0})
    senders = {1: ("CT", "FAST"), 2: ("CT", "SLOW"), 3: ("CT", "OTHER"), 4: ("MR", "FAST")}
    with database.begin() as transaction:
        for number, (modality, title) in senders.items():
            image = replace(header(number), modality=modality, series_instance_uid=SeriesInstanceUid(f"1.2.{number}"))
            sent = replace(received(digest(number)), calling_ae_title=title)
            instances.record(transaction, image, study(), sent, f"instances/aa/{number}.dcm")
            series.arrive(transaction, image, NOW)

        def due(after_s: float) -> list[str]:
            return sorted(series.take_due(transaction, times, NOW + timedelta(seconds=after_s)))

        assert due(4.0) == []
        assert due(6.0) == sorted([digest(1), digest(4)])
        assert due(21.0) == [digest(3)]
        assert due(89.0) == []
        assert due(91.0) == [digest(2)]


def test_a_series_of_two_senders_waits_for_the_slower_and_a_capture_for_its_sender(database: Database) -> None:
    times = series.QuietTimes({"CT": 20.0}, {"SLOW": 90.0, "FAST": 5.0})
    capture = replace(header(9), modality="CT", series_instance_uid=SeriesInstanceUid("1.2.9"))
    with database.begin() as transaction:
        for number, title in ((1, "FAST"), (2, "SLOW")):
            image = replace(header(number), modality="CT", series_instance_uid=SeriesInstanceUid("1.2.1"))
            sent = replace(received(digest(number)), calling_ae_title=title)
            instances.record(transaction, image, study(), sent, f"instances/aa/{number}.dcm")
            series.arrive(transaction, image, NOW)
        sent = replace(received(digest(9)), calling_ae_title="SLOW")
        instances.record(transaction, capture, study(), sent, "instances/aa/9.dcm")
        series.arrive(transaction, capture, NOW, alone=True)
        assert series.take_due(transaction, times, NOW + timedelta(seconds=30)) == []
        assert len(series.take_due(transaction, times, NOW + timedelta(seconds=91))) == 2
