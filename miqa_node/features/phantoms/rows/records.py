"""What people record beside the values of phantoms: signatures, the site's limits, and changes of machines."""

from __future__ import annotations

from datetime import date, datetime
from math import isfinite

import sqlalchemy as sa

from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.phantoms.history import DUE, ScanKey, ValueLimits
from miqa_node.features.phantoms.rows import log
from miqa_node.features.phantoms.tables import phantom_changes, phantom_limits, phantom_signatures
from miqa_node.runtime.store.database import Transaction


def sign(
    transaction: Transaction,
    key: ScanKey,
    actor: str,
    comment: str,
    now: datetime,
    *,
    looked_at: datetime | None = None,
) -> None:
    """Record that a person looked at the values of a scan, as they are now; NotFoundError if it has none in force.

    ``looked_at`` says when those were measured that the person saw: ConflictError if they were measured again since.
    """
    measured_at = log.row_of(transaction, key).measured_at
    if looked_at is not None and looked_at != measured_at:
        raise ConflictError("The scan was measured again since you looked at it. Look at its values again.")
    row = {
        "study_instance_uid": key.study_instance_uid,
        "series_instance_uid": key.series_instance_uid,
        "stack": key.stack,
        "actor": actor,
        "at": now,
        "measured_at": measured_at,
        "comment": comment,
    }
    transaction.execute(sa.insert(phantom_signatures).values(row))


def set_limits(transaction: Transaction, limits: ValueLimits) -> None:
    """Put limits in place of those for the same value; empty ones take them away.

    Raises
    ------
    NotFoundError
        No phantom of the kind has such a value.
    ConflictError
        No value could lie within them.
    """
    of = phantom_limits.c
    same = of.kind == limits.kind, of.history == limits.history, of.name == limits.name
    transaction.execute(sa.delete(phantom_limits).where(*same))
    if not limits.is_empty:
        _check(transaction, limits)
        row = {name: getattr(limits, name) for name in phantom_limits.c.keys()}  # noqa: SIM118 - a collection of columns
        transaction.execute(sa.insert(phantom_limits).values(row))


def _check(transaction: Transaction, limits: ValueLimits) -> None:
    numbers = limits.numbers
    if not all(one is None or isfinite(one) for one in numbers):
        raise ConflictError("A limit must be a finite number.")
    if any(one is not None and one < 0.0 for one in numbers[2:]):
        raise ConflictError("A distance from the baseline cannot be negative.")
    if limits.low is not None and limits.high is not None and limits.low > limits.high:
        raise ConflictError("The lower limit is above the upper one, so every value would fail.")
    if limits.name != DUE and not log.has_value(transaction, limits.kind, limits.name):
        raise NotFoundError("No value of this phantom is named {name}.", name=limits.name)


def note_change(transaction: Transaction, machine: str, on_day: date, what: str, actor: str, now: datetime) -> None:
    """Record that something was changed at a machine: its baselines begin anew with the first scan from that day.

    ConflictError if nobody says what.
    """
    if not what.strip():
        raise ConflictError("Say what was changed.")
    row = {"machine": machine, "on_day": on_day, "what": what.strip(), "actor": actor, "at": now}
    transaction.execute(sa.insert(phantom_changes).values(row))


def forget_change(transaction: Transaction, machine: str, change_id: int) -> None:
    """Take a change back, which was recorded in error; NotFoundError if the machine has none of that number."""
    of = phantom_changes.c
    if not transaction.execute(
        sa.delete(phantom_changes).where(of.machine == machine, of.change_id == change_id)
    ).rowcount:
        raise NotFoundError("The machine has no such change.")
