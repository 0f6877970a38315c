"""A person lets all rooms learn anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.room import RoomState
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.store.database import Transaction


def learn_anew(transaction: Transaction, settings: PolicySettings, actor: str, comment: str, now: datetime) -> None:
    """All rooms learn anew, also those of a node that an earlier version began; limits in force stay until then.

    A room that took limits of more rooms keeps them until it has enough images: it learns all the time. InputError if
    rooms learn from no images.
    """
    settings.images_to_learn()
    every = rooms.locked(transaction)
    rooms.let_learn(transaction)
    for room in every.values():
        if room.is_open:
            continue
        anew = replace(room, so_far=0, waiting_set=None, looked_at=None)
        if room.state is not RoomState.LEARNING:
            anew = replace(anew, state=RoomState.EXPIRED, changed_at=now, began_at=now)
        rooms.change(transaction, room, anew)
    detail = {"action": "rooms learn", "comment": comment}
    records.add(transaction, AuditEntry(AuditEvent.POLICY_CHANGED, now, actor, detail=detail))
