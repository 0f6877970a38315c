"""Words for body parts and views that no table knows, among the newest radiographs: images that were not judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.taxonomy.anatomy import Anatomy
from miqa_node.core.taxonomy.anatomy.vocabulary import Vocabulary
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import instances

SPAN = timedelta(days=30)
NEWEST = 5000
"""Number of newest radiographs to look at, so that the query is fast at every site."""
MOST = 10


@dataclass(frozen=True, slots=True)
class UnknownSpelling:
    """A word of headers that means nothing to the node; ``setting`` is the table that can map it."""

    setting: str
    written: str
    images: int

    @property
    def line(self) -> str:
        """What to add to the settings, with the target left to a person."""
        return f'{self.setting} = {{ "{self.written}" = "…" }}'


def unknown_spellings(
    transaction: Transaction, anatomy: Anatomy, modalities: Iterable[str], now: datetime
) -> list[UnknownSpelling]:
    """The most frequent ones of the last 30 days in images of ``modalities``; views only of known body parts."""
    newest = (
        sa.select(instances.c.body_part, instances.c.view)
        .where(instances.c.modality.in_(sorted(modalities)), instances.c.received_at >= now - SPAN)
        .order_by(instances.c.received_at.desc())
        .limit(NEWEST)
        .subquery()
    )
    query = sa.select(newest.c.body_part, newest.c.view, sa.func.count().label("images")).group_by(
        newest.c.body_part, newest.c.view
    )
    rows = [(row.body_part, row.view, row.images) for row in transaction.execute(query)]
    parts = _unknown("imaging.body_parts", anatomy.body_parts, ((part, images) for part, _, images in rows))
    of_known_parts = ((view, images) for part, view, images in rows if anatomy.body_parts.term(part))
    views = _unknown("imaging.views", anatomy.views, of_known_parts)
    return sorted([*parts, *views], key=lambda one: (-one.images, one.setting, one.written))[:MOST]


def _unknown(setting: str, vocabulary: Vocabulary, counted: Iterable[tuple[str, int]]) -> list[UnknownSpelling]:
    sums: dict[str, int] = {}
    for written, images in counted:
        if written and not vocabulary.term(written):
            sums[written] = sums.get(written, 0) + images
    return [UnknownSpelling(setting, written, images) for written, images in sums.items()]
