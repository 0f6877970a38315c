"""What notices tell of besides studies: rooms, machines, tokens that end soon; looked up again when a mail is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.access import Role
from miqa_node.runtime.people.tokens import Token
from miqa_node.runtime.site_records import machine_concerns
from miqa_node.runtime.site_records import rooms as known_rooms
from miqa_node.runtime.site_records.machine_concerns import MachineConcern
from miqa_node.runtime.site_records.rooms import Room
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import users


def rooms_since(transaction: Transaction, since: datetime, rooms: Sequence[str]) -> list[Room]:
    """Rooms that were told at a time, and of which nobody has seen it yet; empty ``rooms`` means all."""
    every = [one for one in known_rooms.unseen(transaction) if one.whole.since == since]
    return [one for one in every if not rooms or one.place.room in rooms]


def machines_since(transaction: Transaction, since: datetime) -> list[MachineConcern]:
    """What is told of machines since a time and still stands."""
    return [one for one in machine_concerns.standing(transaction) if one.since == since]


def tokens_for(transaction: Transaction, account: str, ending: Sequence[Token]) -> dict[str, list[Token]]:
    """Of tokens that end soon, by the day (ISO 8601, UTC): all for an administrator, else the account's own."""
    by_day: dict[str, list[Token]] = {}
    if ending:
        role = transaction.execute(sa.select(users.c.role).where(users.c.name == account)).scalar_one()
        for token in ending:
            if token.expires_at is not None and (role == Role.ADMIN or token.name == account):
                by_day.setdefault(token.expires_at.date().isoformat(), []).append(token)
    return by_day
