"""The numbers of a history as a curve shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.features.usual_ranges.tables import usual_series
from miqa_node.runtime.store.database import Transaction

MOST_POINTS = 300
"""The newest series; more are a smear in a drawing."""

Key = tuple[str, str]
"""Measurement and unit."""


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """A series of a history: its numbers, and those that were outside the ranges of then."""

    at: datetime
    numbers: Mapping[Key, float]
    unusual: frozenset[Key]


def newest_points(
    transaction: Transaction, baseline: str, most: int = MOST_POINTS, until: datetime | None = None
) -> list[SeriesPoint]:
    """The newest series of a history, or the newest of those until then, in order of time."""
    of = usual_series.c
    query = sa.select(of.at, of.numbers, of.unusual).where(of.baseline == baseline)
    query = query if until is None else query.where(of.at <= until)
    rows = transaction.execute(query.order_by(of.at.desc(), of.subject).limit(most)).all()
    return [
        SeriesPoint(
            row.at,
            {(name, unit): number for name, unit, number in row.numbers},
            frozenset((one["measurement"], one["unit"]) for one in row.unusual),
        )
        for row in reversed(rows)
    ]
