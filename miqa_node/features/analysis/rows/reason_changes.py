"""Whether reasons of the shipped policy got other codes within a period, so that counts by reason have two meanings."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import sqlalchemy as sa

from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import dispositions

CHANGED_WITH = "2026-11-28.3"
"""The shipped policy that codes missing, repeated and disordered slices as 111220, not as 111209 Positioning."""
_SHIPPED = re.compile(r"\d{4}-\d\d-\d\d(?:\.\d+)?")


def codes_changed(transaction: Transaction, since: datetime, until: datetime) -> bool:
    """Whether the first image of the period was decided before the change, and the last one after it.

    Only versions of the shipped policy are compared: those of a site have its own codes, which nobody changed.
    """
    of = dispositions.c
    within = sa.and_(of.decided_at >= since.astimezone(UTC), of.decided_at < until.astimezone(UTC))
    ends = (of.decided_at.asc(), of.decided_at.desc())
    chosen = [sa.select(of.policy_version).where(within).order_by(end).limit(1) for end in ends]
    before, after = (_number(transaction.execute(query).scalar() or "") for query in chosen)
    return bool(before[0] and after[0]) and before < _number(CHANGED_WITH) <= after


def _number(version: str) -> tuple[str, int]:
    """The day and the number of a shipped version; empty for another policy."""
    match = _SHIPPED.match(version)
    day, _, number = match[0].partition(".") if match else ("", "", "")
    return (day, int(number or 0)) if day else ("", 0)
