"""What people record beside the values of phantoms: signatures, the site's limits, and changes of machines."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa

from miqa_node.errors import NotFoundError
from miqa_node.features.phantoms.history import ScanKey, ValueLimits
from miqa_node.features.phantoms.rows.log import row_of
from miqa_node.features.phantoms.tables import phantom_changes, phantom_limits, phantom_signatures
from miqa_node.runtime.store.database import Transaction


def sign(transaction: Transaction, key: ScanKey, actor: str, comment: str, now: datetime) -> None:
    """Record that a person looked at the values of a scan, as they are now; NotFoundError if it has none in force."""
    row = {
        "study_instance_uid": key.study_instance_uid,
        "series_instance_uid": key.series_instance_uid,
        "stack": key.stack,
        "actor": actor,
        "at": now,
        "measured_at": row_of(transaction, key).measured_at,
        "comment": comment,
    }
    transaction.execute(sa.insert(phantom_signatures).values(row))


def set_limits(transaction: Transaction, limits: ValueLimits) -> None:
    """Put limits in place of those for the same value; empty ones take them away."""
    of = phantom_limits.c
    same = of.kind == limits.kind, of.history == limits.history, of.name == limits.name
    transaction.execute(sa.delete(phantom_limits).where(*same))
    if not limits.is_empty:
        row = {name: getattr(limits, name) for name in phantom_limits.c.keys()}  # noqa: SIM118 - a collection of columns
        transaction.execute(sa.insert(phantom_limits).values(row))


def note_change(transaction: Transaction, machine: str, on_day: date, what: str, actor: str, now: datetime) -> None:
    """Record that something was changed at a machine: its baselines begin anew with the first scan from that day."""
    row = {"machine": machine, "on_day": on_day, "what": what, "actor": actor, "at": now}
    transaction.execute(sa.insert(phantom_changes).values(row))


def forget_change(transaction: Transaction, machine: str, change_id: int) -> None:
    """Take a change back, which was recorded in error; NotFoundError if the machine has none of that number."""
    of = phantom_changes.c
    if not transaction.execute(
        sa.delete(phantom_changes).where(of.machine == machine, of.change_id == change_id)
    ).rowcount:
        raise NotFoundError("The machine has no such change.")
