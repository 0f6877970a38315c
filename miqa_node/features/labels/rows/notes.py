"""Rejection notes of other systems, stored until their images arrive and then added as labels."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.note import NoteTitle, RejectionNote
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import acquisitions, dispositions, instances, rejection_notes, results

MAX_AT_ONCE = 1000
REVOCATION = "REVOCATION"
"""In place of a title of the standard."""
SUPERSEDED = "SUPERSEDED"
"""The same, of a note that another one takes the place of; it may come later."""
_of = rejection_notes.c


def take(transaction: Transaction, note: RejectionNote | None, instance: StoredInstance, now: datetime) -> None:
    """Called after the verdict on an instance: store it if it is a note, and apply the notes that waited for it."""
    if note is not None:
        record(transaction, note, instance.calling_ae_title, now)
    apply_waiting(transaction, now, instance.header.sop_instance_uid)


def record(transaction: Transaction, note: RejectionNote, sender: str, now: datetime) -> None:
    """Store a note once, and apply it to images that already have a verdict; or take earlier ones back.

    The node's own notes, which an archive may forward, are skipped: their decision is already a label.
    """
    own = sa.select(results.c.sop_instance_uid).where(results.c.sop_instance_uid == note.sop_instance_uid)
    if transaction.execute(own).first() is not None:
        return
    _revoke(transaction, note, now)
    # A revocation is recorded for notes that come after it; it waits for no image.
    title = note.title.value if note.title else REVOCATION
    taken_back = set(note.objects) if note.title is None else _taken_back(transaction, note)
    for uid in _new(transaction, note):
        values = {
            "note_uid": note.sop_instance_uid,
            "sop_instance_uid": uid,
            "title": title,
            "reason": note.reason,
            "sender": sender,
            "noted_at": now,
            "made_at": note.made_at,
            "digest": None if note.title else "",
            "revoked_at": now if uid in taken_back else None,
        }
        insert_or_ignore(transaction, rejection_notes, values)
    apply_waiting(transaction, now)


def _new(transaction: Transaction, note: RejectionNote) -> list[str]:
    """The objects of a note, without those of which an identical document was recorded."""
    query = sa.select(_of.sop_instance_uid).where(_of.note_uid.in_(note.twins), _of.title == note.title)
    others = set(transaction.execute(query).scalars()) if note.twins else set()
    return [uid for uid in note.objects if uid not in others]


def _revoke(transaction: Transaction, note: RejectionNote, now: datetime) -> None:
    """Take back what a revocation names, and the notes that a later one takes the place of."""
    query = sa.select(_of.note_uid).where(_of.note_uid == note.sop_instance_uid, _of.title != SUPERSEDED).limit(1)
    if transaction.execute(query).first() is not None:
        return  # it came before
    for uid in note.predecessors:
        values = {"note_uid": uid, "sop_instance_uid": "", "title": SUPERSEDED, "reason": "", "sender": ""}
        insert_or_ignore(transaction, rejection_notes, {**values, "noted_at": now, "digest": "", "revoked_at": now})
    taken_back = note.objects if note.title is None else ()
    earlier = sa.func.coalesce(_of.made_at, "") <= note.made_at if note.made_at else sa.true()
    for column, uids, which in (
        (_of.sop_instance_uid, taken_back, earlier),
        (_of.note_uid, note.predecessors, sa.true()),
    ):
        for start in range(0, len(uids), MAX_AT_ONCE):
            some = column.in_(uids[start : start + MAX_AT_ONCE])
            change = sa.update(rejection_notes).where(some, which, _of.revoked_at.is_(None)).values(revoked_at=now)
            for digest in filter(None, {*transaction.execute(change.returning(_of.digest)).scalars()}):
                labels.recount(transaction, InstanceDigest(digest), now)


def _taken_back(transaction: Transaction, note: RejectionNote) -> set[str]:
    """The objects for which this note was taken back before it came.

    A revocation is about notes that were made before it. If one of them does not say when, it is about the first note
    that comes, unless it had one to take back.
    """
    superseded = sa.select(_of.note_uid).where(_of.note_uid == note.sop_instance_uid, _of.title == SUPERSEDED)
    if transaction.execute(superseded).first() is not None:
        return set(note.objects)
    taken_back = set()
    for start in range(0, len(note.objects), MAX_AT_ONCE):
        some = _of.sop_instance_uid.in_(note.objects[start : start + MAX_AT_ONCE])
        rows = transaction.execute(sa.select(rejection_notes).where(some)).all()
        revoked: dict[str, datetime] = {}
        for row in rows:
            if row.title != REVOCATION and row.revoked_at is not None:
                revoked[row.sop_instance_uid] = max(row.revoked_at, revoked.get(row.sop_instance_uid, row.revoked_at))
        for row in rows:
            if row.title == REVOCATION and _is_about(row, note, revoked.get(row.sop_instance_uid)):
                taken_back.add(row.sop_instance_uid)
    return taken_back


def _is_about(revocation: Any, note: RejectionNote, last_revoked_at: datetime | None) -> bool:
    if revocation.made_at and note.made_at:
        return bool(note.made_at <= revocation.made_at)
    return last_revoked_at is None or last_revoked_at < revocation.noted_at


def apply_waiting(transaction: Transaction, now: datetime, sop_instance_uid: str = "") -> int:
    """Apply the notes that waited for images with a verdict now, of one image or of all; returns their number."""
    uid = sop_instance_uid
    rows = _WAITING_FOR.all(transaction, {"uid": uid}) if uid else _WAITING.all(transaction, {})
    for row in rows:
        _apply(transaction, row, InstanceDigest(row.found), now)
    return len(rows)


def _waiting(*condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(rejection_notes, instances.c.digest.label("found"))
        .join(instances, instances.c.sop_instance_uid == rejection_notes.c.sop_instance_uid)
        .join(dispositions, dispositions.c.digest == instances.c.digest)
        .where(_of.digest.is_(None), _of.revoked_at.is_(None), ~instances.c.conflicting, *condition)
        .limit(MAX_AT_ONCE)
    )


_WAITING = DriverStatement(lambda _dialect: _waiting())
_WAITING_FOR = DriverStatement(lambda _dialect: _waiting(rejection_notes.c.sop_instance_uid == sa.bindparam("uid")))


def _apply(transaction: Transaction, row: Any, digest: InstanceDigest, now: datetime) -> None:
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
