"""Reads stored images from the oldest on, some at a time, and remembers how far it came.

Retention looks every minute. With millions of images that stay, each look would read all of them again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import UtcDateTime, instances

AT_ONCE = 1000
"""Images of one query."""
QUERIES = 10
"""Longest row of queries that find nothing within one transaction."""
SHORT_ROUND_S = 1.0
"""A round that took less is cheap: each look begins at the oldest image."""

Condition = sa.ColumnElement[bool] | sa.TextClause
Choice = Callable[[Sequence[sa.Row[Any]]], Sequence[str]]


class RetentionWalk:
    """How far one kind of removal came among the images, and when it begins again."""

    def __init__(self, share: float = 0.05, clock: Callable[[], float] = time.monotonic) -> None:
        """``share`` of the time at most is spent on rounds, once a round takes longer than SHORT_ROUND_S."""
        self._share, self._clock = share, clock
        self._start_over()

    def _start_over(self) -> None:
        self._after: tuple[datetime, str] | None = None
        self._began, self._took_s = self._clock(), 0.0
        self.is_at_end = False
        """Whether the last query found no further image."""

    def begin(self) -> None:
        """Go on where the last look ended, or begin again at the oldest image: some that had to stay may go now."""
        self.is_at_end = False
        if self._took_s < SHORT_ROUND_S or self._took_s < self._share * (self._clock() - self._began):
            self._start_over()

    def choose(
        self,
        transaction: Transaction,
        age: sa.ColumnElement[datetime],
        conditions: Sequence[Condition],
        choice: Choice,
        limit: int,
    ) -> Sequence[str]:
        """Digests of images to remove, at most ``limit``, among the next that meet the conditions.

        ``choice`` picks from each query's images, at most ``limit``. There is an index on ``age`` for the conditions.
        Empty at the end, or after QUERIES queries without a candidate.
        """
        began, chosen = self._clock(), list[str]()
        for _ in range(QUERIES):
            rows = self._next(transaction, age, conditions)
            chosen = list(choice(rows)) if rows else []
            if len(chosen) == limit:  # the same images are read again, as others of them may be due
                break
            if rows:
                self._after = (rows[-1].age, rows[-1].digest)
            self.is_at_end = len(rows) < AT_ONCE
            if chosen or self.is_at_end:
                break
        self._took_s += self._clock() - began
        return chosen

    def _next(
        self, transaction: Transaction, age: sa.ColumnElement[datetime], conditions: Sequence[Condition]
    ) -> Sequence[sa.Row[Any]]:
        of = instances.c
        query = sa.select(of.digest, of.study_instance_uid, sa.type_coerce(age, UtcDateTime()).label("age"))
        if self._after is not None:
            at, digest = self._after
            place = sa.tuple_(sa.literal(at, UtcDateTime()), sa.literal(digest, of.digest.type))
            query = query.where(sa.tuple_(age, of.digest) > place)
        return transaction.execute(query.where(*conditions).order_by(age, of.digest).limit(AT_ONCE)).all()
