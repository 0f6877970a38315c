"""How patients were positioned, one narrow row for each exposure, and what is usual in a room and month."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.features.analysis.coaching import HABITS, Habit, Usual, coached, positioning_of, sentences
from miqa_node.features.analysis.rows.census import Period, of_period
from miqa_node.features.analysis.tables import positionings
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import acquisitions, assessments, dispositions

NEWEST, ENOUGH = 300, 30
"""Images of a room and kind of patient of which the usual is the mean, at most and at least."""
MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class HabitCount:
    """How many images are beyond the limit of a habit, and the mean; None where nobody is coached."""

    habit: str
    beyond: int | None
    mean: float | None


@dataclass(frozen=True, slots=True)
class RoomMonth:
    """The positioning of one kind of patient in a room and a month, as 2026-10."""

    room: str
    month: str
    kind: str
    images: int
    habits: tuple[HabitCount, ...]


def record(transaction: Transaction, assessment: Assessment) -> None:
    """Write the row of an exposure that has none."""
    positioning = positioning_of(assessment)
    if positioning is not None:
        values = {habit.name: positioning.values.get(habit.name) for habit in HABITS}
        row = {"digest": assessment.digest, "kind": positioning.kind, **values}
        _ADD.run(transaction, row)


_ADD = DriverStatement(lambda _dialect: sa.insert(positionings))


def forget(transaction: Transaction, digest: InstanceDigest) -> None:
    """Delete the row of an image that stands for no exposure."""
    transaction.execute(sa.delete(positionings).where(positionings.c.digest == digest))


def coaching(transaction: Transaction, assessment: Assessment, disposition: Disposition) -> list[str]:
    """What could be better next time, in the language that is spoken now; mostly nothing."""
    positioning = positioning_of(assessment)
    habits = [] if positioning is None else coached(positioning, disposition)
    if positioning is None or not habits:
        return []
    return sentences(positioning, habits, usual(transaction, assessment.digest))


def coaching_of(transaction: Transaction, digests: Collection[InstanceDigest]) -> dict[InstanceDigest, list[str]]:
    """The same of images that have a verdict."""
    query = (
        sa.select(assessments.c.document, dispositions.c.verdict, dispositions.c.reasons)
        .join(dispositions, dispositions.c.digest == assessments.c.digest)
        .where(assessments.c.digest.in_(digests))
    )
    texts = {}
    for row in transaction.execute(query).all() if digests else ():
        disposition = Disposition(Verdict(row.verdict), documents.load_reasons(row.reasons), "", "")
        assessment = documents.load_assessment(row.document)
        texts[assessment.digest] = coaching(transaction, assessment, disposition)
    return texts


def usual(transaction: Transaction, digest: InstanceDigest) -> Usual:
    """What is usual in the room of an image, for patients of its kind."""
    own = (
        sa.select(acquisitions.c.room, positionings.c.kind)
        .join(positionings, positionings.c.digest == acquisitions.c.digest)
        .where(acquisitions.c.digest == digest)
        .subquery()
    )
    newest = (
        sa.select(positionings)
        .join(acquisitions, acquisitions.c.digest == positionings.c.digest)
        .join(own, sa.and_(own.c.room == acquisitions.c.room, own.c.kind == positionings.c.kind))
        .where(positionings.c.digest != digest)
        .order_by(acquisitions.c.day.desc(), acquisitions.c.digest)
        .limit(NEWEST)
        .subquery()
    )
    means = [sa.func.avg(newest.c[habit.name]).label(habit.name) for habit in HABITS]
    row = transaction.execute(sa.select(sa.func.count().label("images"), *means).select_from(newest)).one()
    if row.images < ENOUGH:
        return Usual()
    values = {habit.name: getattr(row, habit.name) for habit in HABITS}
    return Usual(row.images, {name: float(value) for name, value in values.items() if value is not None})


def by_room_and_month(transaction: Transaction, period: Period) -> list[RoomMonth]:
    """The rooms with their months, the newest month first; all images, also those that are flagged."""
    year, month = (sa.extract(part, acquisitions.c.day) for part in ("year", "month"))
    keys = (acquisitions.c.room, year.label("year"), month.label("month"), positionings.c.kind)
    figures = [
        column
        for habit in HABITS
        for column in (
            sa.func.avg(positionings.c[habit.name]).label(habit.name),
            sa.func.count(sa.case((_beyond(habit), 1))).label(f"{habit.name}_beyond"),
        )
    ]
    query = (
        sa.select(*keys, sa.func.count().label("images"), *figures)
        .join(positionings, positionings.c.digest == acquisitions.c.digest)
        .where(*of_period(period))
        .group_by(acquisitions.c.room, year, month, positionings.c.kind)
        .order_by(acquisitions.c.room, year.desc(), month.desc(), positionings.c.kind.desc())
        .limit(MOST_ROWS)
    )
    return [_room_month(row) for row in transaction.execute(query)]


def _beyond(habit: Habit) -> sa.ColumnElement[bool]:
    value = positionings.c[habit.name]
    return sa.or_(
        *(
            sa.and_(positionings.c.kind == kind, value < limit if habit.least_is_worst else value > limit)
            for kind, limit in habit.limits.items()
        )
    )


def _room_month(row: Any) -> RoomMonth:
    counts = [
        HabitCount(
            habit.name,
            getattr(row, f"{habit.name}_beyond") if row.kind in habit.limits else None,
            getattr(row, habit.name) if row.kind in habit.limits else None,
        )
        for habit in HABITS
    ]
    return RoomMonth(row.room, f"{int(row.year):04}-{int(row.month):02}", row.kind, row.images, tuple(counts))
