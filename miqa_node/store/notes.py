"""Notes of other systems about images, kept until the images are there and then taken as the labels that they are."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from miqa_node.domain.instance import InstanceDigest, StoredInstance
from miqa_node.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.domain.note import NoteTitle, RejectionNote
from miqa_node.store import labels
from miqa_node.store.database import Transaction, insert_or_ignore
from miqa_node.store.tables import acquisitions, dispositions, instances, rejection_notes, results

MAX_AT_ONCE = 1000


def take(transaction: Transaction, note: RejectionNote | None, instance: StoredInstance, now: datetime) -> None:
    """An instance is decided: keep the note that it is, and apply those that waited for it."""
    if note is not None:
        record(transaction, note, instance.calling_ae_title, now)
    apply_waiting(transaction, now, instance.header.sop_instance_uid)


def record(transaction: Transaction, note: RejectionNote, sender: str, now: datetime) -> None:
    """Keep a note, once, and apply it to the images that are decided already.

    The node's own notes, which an archive may send on to it, are left out: the decision behind them is a label.
    """
    own = sa.select(results.c.sop_instance_uid).where(results.c.sop_instance_uid == note.sop_instance_uid)
    if transaction.execute(own).first() is not None:
        return
    for uid in note.objects:
        values = {
            "note_uid": note.sop_instance_uid,
            "sop_instance_uid": uid,
            "title": note.title.value,
            "reason": note.reason,
            "sender": sender,
            "noted_at": now,
        }
        insert_or_ignore(transaction, rejection_notes, values)
    apply_waiting(transaction, now)


def apply_waiting(transaction: Transaction, now: datetime, sop_instance_uid: str = "") -> int:
    """Apply the notes that wait for images which are decided by now, of one image or of all; how many they were."""
    query = (
        sa.select(rejection_notes, instances.c.digest.label("found"))
        .join(instances, instances.c.sop_instance_uid == rejection_notes.c.sop_instance_uid)
        .join(dispositions, dispositions.c.digest == instances.c.digest)
        .where(rejection_notes.c.digest.is_(None), ~instances.c.conflicting)
        .limit(MAX_AT_ONCE)
    )
    if sop_instance_uid:
        query = query.where(rejection_notes.c.sop_instance_uid == sop_instance_uid)
    rows = transaction.execute(query).all()
    for row in rows:
        _apply(transaction, row, InstanceDigest(row.found), now)
    return len(rows)


def _apply(transaction: Transaction, row: sa.Row[tuple[object, ...]], digest: InstanceDigest, now: datetime) -> None:
    title = NoteTitle(row.title)
    if title is NoteTitle.QUALITY:
        opinion = ReaderOpinion(
            actor=row.sender,
            origin=LabelOrigin.REJECTION_NOTE,
            bad=True,
            rejects=True,
            reason=row.reason,
            source_uid=row.note_uid,
        )
        labels.add(transaction, digest, opinion, now)
    elif title.rejects:
        transaction.execute(
            sa.update(acquisitions)
            .where(acquisitions.c.digest == digest)
            .values(rejected=True, reject_reason=row.reason or title.value, changed_at=now)
        )
    transaction.execute(
        sa.update(rejection_notes)
        .where(rejection_notes.c.note_uid == row.note_uid, rejection_notes.c.sop_instance_uid == row.sop_instance_uid)
        .values(digest=digest)
    )
