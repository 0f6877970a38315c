"""Heartbeats of the processes that do durable work."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from miqa_node.store.database import Transaction, insert_or_ignore
from miqa_node.store.tables import executors


def beat(transaction: Transaction, name: str, now: datetime) -> None:
    """Say that ``name`` is alive."""
    if not insert_or_ignore(transaction, executors, {"name": name, "started_at": now, "heartbeat_at": now}):
        transaction.execute(sa.update(executors).where(executors.c.name == name).values(heartbeat_at=now))


def alive(transaction: Transaction, since: datetime) -> set[str]:
    """Names that were heard of since then."""
    return set(transaction.execute(sa.select(executors.c.name).where(executors.c.heartbeat_at >= since)).scalars())


def processes(transaction: Transaction) -> list[tuple[str, datetime, datetime]]:
    """(name, start, last sign of life) of every process that has not been given up."""
    columns = (executors.c.name, executors.c.started_at, executors.c.heartbeat_at)
    return [(row[0], row[1], row[2]) for row in transaction.execute(sa.select(*columns).order_by(executors.c.name))]


def silent(transaction: Transaction, since: datetime) -> set[str]:
    """Names that were heard of once, but not since then."""
    return set(transaction.execute(sa.select(executors.c.name).where(executors.c.heartbeat_at < since)).scalars())


def leave(transaction: Transaction, name: str) -> None:
    """Forget a process that fell silent and whose jobs others have."""
    transaction.execute(sa.delete(executors).where(executors.c.name == name))
