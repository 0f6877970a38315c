"""Imported reject logs of modalities: stored as a whole, counted once, removed as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.reject_log import LoggedReject, RejectLog
from miqa_node.errors import NotFoundError
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction, insert_missing
from miqa_node.runtime.store.tables import acquisitions, logged_rejects, reject_logs

ROWS_AT_ONCE = 500
"""SQLite allows at most 32,766 values per statement."""


def known(transaction: Transaction, rejects: Sequence[LoggedReject]) -> int:
    """Number of rejects known from earlier imports."""
    keys = sa.select(sa.func.count()).select_from(logged_rejects)
    parts = ([one.key for one in part] for part in _parts(rejects))
    return sum(transaction.execute(keys.where(logged_rejects.c.key.in_(part))).scalar_one() for part in parts)


def rooms_with_images(transaction: Transaction, rooms: Sequence[str]) -> set[str]:
    """The rooms among these that occur in images of this node."""
    query = sa.select(acquisitions.c.room).where(acquisitions.c.room.in_(rooms)).distinct()
    return set(transaction.execute(query).scalars())


def keep(
    transaction: Transaction, rejects: Sequence[LoggedReject], mapping: str, actor: str, now: datetime
) -> RejectLog | None:
    """Store the new rejects, and record who imported them; None if all were known."""
    values = {"mapping": mapping, "imported_at": now, "imported_by": actor, "known": 0}
    insert = sa.insert(reject_logs).values(values).returning(reject_logs.c.log_id)
    log_id = int(transaction.execute(insert).scalar_one())
    this = logged_rejects.c.log_id == log_id
    for part in _parts(rejects):
        insert_missing(transaction, logged_rejects, [_row(log_id, one) for one in part])
    new = transaction.execute(sa.select(sa.func.count()).where(this)).scalar_one()
    if not new:
        transaction.execute(sa.delete(reject_logs).where(reject_logs.c.log_id == log_id))
        return None
    duplicates = len(rejects) - new
    transaction.execute(sa.update(reject_logs).where(reject_logs.c.log_id == log_id).values(known=duplicates))
    log = load(transaction, log_id)
    detail = {
        "what": "reject log", "log": log_id, "mapping": mapping, "rooms": list(log.rooms), "since": str(log.since),
        "until": str(log.until), "rejects": new, "known": duplicates,
    }  # fmt: skip
    records.add(transaction, AuditEntry(AuditEvent.IMPORTED, now, actor, detail=detail))
    return log


def listed(transaction: Transaction, *, limit: int = 200) -> list[RejectLog]:
    """The imports, the newest first."""
    return _logs(transaction, limit=limit)


def load(transaction: Transaction, log_id: int) -> RejectLog:
    """One import; NotFoundError if there is none."""
    logs = _logs(transaction, reject_logs.c.log_id == log_id)
    if not logs:
        raise NotFoundError("There is no imported reject log of that number.")
    return logs[0]


def remove(transaction: Transaction, log_id: int, actor: str, now: datetime) -> RejectLog:
    """Remove an import with all its rows; NotFoundError if there is none."""
    log = load(transaction, log_id)
    transaction.execute(sa.delete(logged_rejects).where(logged_rejects.c.log_id == log_id))
    transaction.execute(sa.delete(reject_logs).where(reject_logs.c.log_id == log_id))
    detail = {"what": "reject log", "log": log_id, "mapping": log.mapping, "taken_back": log.rejects}
    records.add(transaction, AuditEntry(AuditEvent.IMPORTED, now, actor, detail=detail))
    return log


def _logs(transaction: Transaction, *conditions: sa.ColumnElement[bool], limit: int = 1) -> list[RejectLog]:
    of = logged_rejects.c
    counts = sa.func.min(of.day).label("first"), sa.func.max(of.day).label("last"), sa.func.count().label("new")
    query = (
        sa.select(reject_logs, *counts)
        .join(logged_rejects, of.log_id == reject_logs.c.log_id)
        .where(*conditions)
        .group_by(reject_logs.c.log_id)
        .order_by(reject_logs.c.log_id.desc())
        .limit(limit)
    )
    logs = []
    for row in transaction.execute(query).all():
        rooms = sa.select(of.room).where(of.log_id == row.log_id).distinct().order_by(of.room)
        names = tuple(transaction.execute(rooms).scalars())
        of_log = (row.log_id, row.mapping, row.imported_at, row.imported_by, names, row.first, row.last)
        logs.append(RejectLog(*of_log, row.new, row.known))
    return logs


def _row(log_id: int, reject: LoggedReject) -> dict[str, Any]:
    values = asdict(reject)
    error = timedelta(seconds=values.pop("clock_error_s"))
    times = {"day": reject.at.date(), "match_from": reject.at - error, "match_until": reject.at + error}
    return {**values, **times, "log_id": log_id}


def _parts(rejects: Sequence[LoggedReject]) -> Iterator[Sequence[LoggedReject]]:
    for start in range(0, len(rejects), ROWS_AT_ONCE):
        yield rejects[start : start + ROWS_AT_ONCE]
