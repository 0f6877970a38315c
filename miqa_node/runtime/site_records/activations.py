"""The site's choices of model packages, current and past; running processes follow them without a restart."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.model_choice import Activation, ModelChoice, Slot
from miqa_node.errors import ConflictError
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import activations

ACTIVATED, ROLLED_BACK = "activated", "rolled back"

# Built once: every process runs it every few seconds, and building it takes several times as long as running it.
_NEWEST = (
    sa.select(activations.c.package)
    .where(activations.c.slot == sa.bindparam("slot"))
    .order_by(activations.c.activation_id.desc())
    .limit(1)
)


def choose(transaction: Transaction, slot: Slot, package: str, actor: str, comment: str, now: datetime) -> bool:
    """Record a choice; False, without a record, if it is already in force. An empty one removes the choice."""
    if _in_force(transaction, slot) == package:
        return False
    _write(transaction, slot, package, ACTIVATED, actor, comment, now)
    return True


def roll_back(transaction: Transaction, slot: Slot, actor: str, comment: str, now: datetime) -> str:
    """Return to the previous choice, and return its value; empty means "no choice".

    Raises
    ------
    ConflictError
        Nothing was chosen, or everything has been rolled back.
    """
    before = _stack(history(transaction, slot))
    if len(before) < 2:
        raise ConflictError("There is no earlier {slot} package to go back to.", slot=slot.value)
    _write(transaction, slot, before[-2], ROLLED_BACK, actor, comment, now)
    return before[-2]


def current(transaction: Transaction) -> ModelChoice:
    """The current choice."""
    return ModelChoice(_in_force(transaction, Slot.ACTIVE), _in_force(transaction, Slot.SHADOW))


def history(transaction: Transaction, slot: Slot) -> list[Activation]:
    """Every choice for a slot, oldest first."""
    query = sa.select(activations).where(activations.c.slot == slot.value).order_by(activations.c.activation_id)
    return [
        Activation(row.at, Slot(row.slot), row.package, row.action, row.actor, row.comment)
        for row in transaction.execute(query)
    ]


def _stack(events: list[Activation]) -> list[str]:
    """The choices not rolled back; the first entry is "no choice"."""
    stack = [""]
    for event in events:
        if event.action == ROLLED_BACK:
            stack.pop()
        else:
            stack.append(event.package)
    return stack


def _in_force(transaction: Transaction, slot: Slot) -> str:
    return transaction.execute(_NEWEST, {"slot": slot.value}).scalar_one_or_none() or ""


def _write(
    transaction: Transaction, slot: Slot, package: str, action: str, actor: str, comment: str, now: datetime
) -> None:
    values = {"slot": slot.value, "package": package, "action": action, "actor": actor, "comment": comment, "at": now}
    transaction.execute(sa.insert(activations).values(values))
    detail = {"slot": slot.value, "package": package, "action": action}
    records.add(transaction, AuditEntry(AuditEvent.MODEL_CHANGED, now, actor, detail=detail))
