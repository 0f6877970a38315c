"""The watch over the model counts what belongs to its days, and nothing else."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from miqa_node.features.analysis.rows import measurement_weeks, rollup
from miqa_node.features.analysis.rows.census import Period
from miqa_node.features.analysis.tables import measurement_weeks as weeks
from miqa_node.features.analysis.watch import REFERENCE_WEEKS, watch
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import acquisition_findings
from tests.features.analysis.rows.test_analysis import NOON, put
from tests.runtime.store.making import NOW, digest


@pytest.mark.parametrize("first", [date(2026, 6, 29), date(2026, 7, 1), date(2026, 7, 5)])
def test_no_week_is_part_of_the_period_and_of_its_reference(database: Database, first: date) -> None:
    monday = measurement_weeks.monday(first)
    counted = range(-REFERENCE_WEEKS - 2, 3)
    rows = [
        {"week": monday + timedelta(weeks=number), "station": "", "measurement": "noise", "bin": 5, "count": 1}
        for number in counted
    ]
    with database.begin() as transaction:
        transaction.execute(sa.insert(weeks), rows)
        figures = watch(transaction, Period(first, first + timedelta(days=14)))
    [noise] = figures.drifts
    weeks_of_period = 2 if first == monday else 3
    assert (noise.drift.reference, noise.drift.current) == (REFERENCE_WEEKS, weeks_of_period)
    assert figures.reference == (monday - timedelta(weeks=REFERENCE_WEEKS), monday)


def test_a_defect_that_came_later_is_not_part_of_a_past_month(database: Database) -> None:
    with database.begin() as transaction:
        for number in range(1, 61):
            put(transaction, number, patient=number, detector_id="D7")
        of = acquisition_findings
        for number in range(1, 41):  # the others stay at one place
            transaction.execute(sa.update(of).values(x=number / 61, y=0.5).where(of.c.digest == digest(number)))
        transaction.execute(sa.update(of).values(finding="detector_overlay_artifact"))
        day = NOON.date()
        during = watch(transaction, Period(day, day + timedelta(days=1)))
        before = watch(transaction, Period(day - timedelta(days=30), day))
    assert [place.detector for place in during.recurrences] == ["D7"]
    assert before.recurrences == []


def test_findings_are_charted_over_all_images_of_the_days(database: Database) -> None:
    """Their counts were of a room, and the images of all rooms."""
    with database.begin() as transaction:
        for number in range(8):
            put(transaction, number, patient=number, station_name="ROOM1" if number < 6 else "ROOM2")
        rollup.refresh(transaction, NOW)
        day = NOON.date()
        [chart] = watch(transaction, Period(day, day + timedelta(days=1), room="ROOM2")).charts
    assert chart.chart.centre == 1.0


@pytest.mark.more
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
