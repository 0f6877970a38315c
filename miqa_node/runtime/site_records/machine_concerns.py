"""What features tell of machines and stands now: quality control that fails or is overdue. Notices by e-mail ask it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.runtime.store.database import Transaction, insert_missing
from miqa_node.runtime.store.phrase_columns import loaded, stored
from miqa_node.runtime.store.tables import machine_concerns

_OF = machine_concerns.c


@dataclass(frozen=True, slots=True)
class MachineConcern:
    """One matter; ``subject`` names it among those of its source, ``text`` is a phrase and ``path`` a page."""

    subject: str
    text: str
    path: str
    since: datetime


def state(transaction: Transaction, source: str, concerns: Iterable[MachineConcern]) -> None:
    """These stand now, and no other of this source; one that stood before keeps its text and the time since when."""
    rows = [
        {"source": source, "subject": one.subject, "path": one.path, "since": one.since, **stored(text=one.text)}
        for one in concerns
    ]
    gone = _OF.source == source, _OF.subject.not_in([row["subject"] for row in rows])
    transaction.execute(sa.delete(machine_concerns).where(*gone))
    insert_missing(transaction, machine_concerns, rows)


def standing(transaction: Transaction) -> list[MachineConcern]:
    """Those of all sources, the oldest first."""
    rows = transaction.execute(sa.select(machine_concerns).order_by(_OF.since, _OF.source, _OF.subject))
    return [MachineConcern(row.subject, loaded(row.text, row.text_phrase), row.path, row.since) for row in rows.all()]
