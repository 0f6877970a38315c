"""Heartbeats and names of the processes that do durable work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import executors


@dataclass(frozen=True, slots=True)
class NameHolder:
    """The process that holds a name; ``holder`` is empty if it was released."""

    holder: str
    heartbeat_at: datetime


def beat(transaction: Transaction, name: str, now: datetime, holder: str) -> bool:
    """Record that ``name`` is alive; False if another process has the name."""
    values = {"name": name, "started_at": now, "heartbeat_at": now, "holder": holder}
    if insert_or_ignore(transaction, executors, values):
        return True
    mine = sa.or_(executors.c.holder == holder, executors.c.holder.is_(None))
    beaten = sa.update(executors).where(executors.c.name == name, mine).values(heartbeat_at=now, holder=holder)
    return transaction.execute(beaten.returning(executors.c.name)).first() is not None


def held(transaction: Transaction, name: str, holder: str, now: datetime) -> NameHolder | None:
    """The holder of the name, locked until the transaction ends; None if it was free and ``holder`` has it now."""
    values = {"name": name, "started_at": now, "heartbeat_at": now, "holder": holder}
    if insert_or_ignore(transaction, executors, values):
        return None
    query = sa.select(executors.c.holder, executors.c.heartbeat_at).where(executors.c.name == name).with_for_update()
    row = transaction.execute(query).one()
    return NameHolder(row.holder or "", row.heartbeat_at)


def take(transaction: Transaction, name: str, holder: str, now: datetime) -> None:
    """Assign a known name to a process."""
    values = {"holder": holder, "started_at": now, "heartbeat_at": now}
    transaction.execute(sa.update(executors).where(executors.c.name == name).values(values))


def release(transaction: Transaction, name: str, holder: str) -> None:
    """Release the name; the heartbeats stay, because of jobs that the process may have left."""
    mine = (executors.c.name == name, executors.c.holder == holder)
    transaction.execute(sa.update(executors).where(*mine).values(holder=None))


def processes(transaction: Transaction) -> list[tuple[str, datetime, datetime]]:
    """(name, start, last heartbeat) of every process that has not been given up."""
    columns = (executors.c.name, executors.c.started_at, executors.c.heartbeat_at)
    return [(row[0], row[1], row[2]) for row in transaction.execute(sa.select(*columns).order_by(executors.c.name))]


def silent(transaction: Transaction, since: datetime) -> set[str]:
    """Names without a heartbeat since then."""
    return set(transaction.execute(sa.select(executors.c.name).where(executors.c.heartbeat_at < since)).scalars())


def leave(transaction: Transaction, name: str) -> None:
    """Delete a silent process whose jobs others have taken."""
    transaction.execute(sa.delete(executors).where(executors.c.name == name))
