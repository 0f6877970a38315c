"""Reads and writes notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.errors import NotFoundError
from miqa_node.features.sticky_notes.tables import sticky_notes
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import studies

MAX_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class StickyNote:
    """What a person left on a study."""

    note_id: int
    study_instance_uid: str
    actor: str
    text: str
    at: datetime


def leave(transaction: Transaction, study_uid: str, text: str, actor: str, now: datetime) -> StickyNote:
    """Leave a note; NotFoundError if the node has nothing of the study."""
    study = sa.select(studies.c.study_instance_uid).where(studies.c.study_instance_uid == study_uid)
    if transaction.execute(study).first() is None:
        raise NotFoundError("Nothing was received of study {uid}.", uid=study_uid)
    values = {"study_instance_uid": study_uid, "actor": actor, "text": text, "at": now}
    number = transaction.execute(sa.insert(sticky_notes).values(values)).inserted_primary_key[0]
    entry = AuditEntry(AuditEvent.DECIDED, now, actor, study=study_uid, detail={"what": "sticky note"})
    records.add(transaction, entry)
    return StickyNote(number, **values)


def of_studies(transaction: Transaction, uids: Sequence[str]) -> Mapping[str, Sequence[StickyNote]]:
    """The notes of several studies, oldest first, in one statement."""
    of = sticky_notes.c
    notes: dict[str, list[StickyNote]] = {}
    query = sa.select(sticky_notes).where(of.study_instance_uid.in_(uids)).order_by(of.note_id)
    for row in transaction.execute(query).mappings():
        notes.setdefault(row["study_instance_uid"], []).append(StickyNote(**row))
    return notes


def newest(transaction: Transaction, limit: int) -> list[StickyNote]:
    """The newest notes of all studies."""
    query = sa.select(sticky_notes).order_by(sticky_notes.c.note_id.desc()).limit(limit)
    return [StickyNote(**row) for row in transaction.execute(query).mappings()]
