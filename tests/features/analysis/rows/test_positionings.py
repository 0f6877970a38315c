"""What is usual is that of the same room and kind of patient, and each exposure counts once, as it was judged last."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.analysis.rows import acquisitions, positionings
from miqa_node.features.analysis.rows.census import Period
from miqa_node.features.analysis.rows.positionings import ENOUGH
from miqa_node.features.analysis.tables import positionings as table
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.stages.units.rows import instances
from tests.features.analysis.rows.test_analysis import NOON, RULES, decide
from tests.runtime.store.making import NOW

ALL = Period(date(2025, 1, 1), date(2027, 1, 1))


def put(transaction: Transaction, number: int, rotation: float, days: int = 0, **values: object) -> InstanceDigest:
    """An accepted chest of a patient of its own, rotated by so much."""
    it = decide(transaction, number, NOON + timedelta(days=days), Verdict.ACCEPT, number, "", None, **values)
    judge(transaction, it, rotation)
    return it


def judge(transaction: Transaction, it: InstanceDigest, rotation: float | None) -> None:
    instance, assessment = instances.load(transaction, it), instances.load_assessment(transaction, it)
    disposition = instances.load_disposition(transaction, it)
    assert assessment is not None
    assert disposition is not None
    turned = () if rotation is None else (Measurement("rotation_percent", rotation, "%"),)
    measured = (*turned, Measurement("ribs_above_dome", 9.0, "1"))
    judgement = Judgement(instance, replace(assessment, measurements=measured), disposition)
    if not acquisitions.follow(transaction, judgement, assessment, NOW):
        acquisitions.record(transaction, judgement, RULES, NOW)


def test_the_usual_is_that_of_the_room_for_patients_of_the_same_kind(database: Database) -> None:
    with database.begin() as transaction:
        for number in range(ENOUGH):
            put(transaction, number, 10.0 if number % 2 else -20.0)
            put(transaction, 100 + number, 30.0, view_position="AP")
            put(transaction, 200 + number, 50.0, station_name="ROOM2")
            put(transaction, 300 + number, 70.0, age_years=4)
        own = put(transaction, 400, 99.0)
        usual = positionings.usual(transaction, own)
        few = positionings.usual(transaction, put(transaction, 401, 5.0, station_name="ROOM3"))
        bedside = positionings.usual(transaction, put(transaction, 402, 5.0, view_position="AP"))
    assert (usual.images, usual.values) == (ENOUGH, {"rotation": 15.0, "breath": 9.0})
    assert bedside.values["rotation"] == 30.0
    assert (few.images, dict(few.values)) == (0, {})


def test_rooms_and_months_count_what_is_beyond_the_limit_of_its_kind(database: Database) -> None:
    with database.begin() as transaction:
        for number, rotation in enumerate((19.0, -25.0, 3.0, 5.0)):
            put(transaction, number, rotation)
            put(transaction, 10 + number, rotation, view_position="AP", days=40)
        rows = positionings.by_room_and_month(transaction, ALL)
        later = positionings.by_room_and_month(transaction, replace(ALL, since=date(2026, 2, 1), room="Thorax 1"))
        none = positionings.by_room_and_month(transaction, replace(ALL, room="Thorax 2"))
    assert [(one.room, one.month, one.kind, one.images) for one in rows] == [
        ("Thorax 1", "2026-02", "AP", 4), ("Thorax 1", "2026-01", "PA", 4),
    ]  # fmt: skip
    bedside, upright = ({one.habit: (one.beyond, one.mean) for one in row.habits} for row in rows)
    assert (upright["rotation"], upright["breath"]) == ((2, 13.0), (0, 9.0))
    assert (bedside["rotation"], bedside["breath"]) == ((1, 13.0), (None, None)), "19 % is usual at the bedside"
    assert (later, none) == (rows[:1], [])


def test_a_later_judgement_replaces_the_row_and_an_image_without_points_has_none(database: Database) -> None:
    with database.begin() as transaction:
        it = put(transaction, 1, 40.0)
        judge(transaction, it, -12.0)
        assert transaction.execute(sa.select(table.c.rotation)).scalars().all() == [12.0]
        judge(transaction, it, None)
        assert transaction.execute(sa.select(table.c.digest)).all() == []
