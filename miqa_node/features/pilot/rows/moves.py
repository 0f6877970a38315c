"""The C-MOVEs that pilots wait for, from before they are asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.instance import MoveOrigin
from miqa_node.features.pilot.tables import pilot_moves
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import instances

LONGEST = timedelta(minutes=15)
"""A C-MOVE of one image takes no longer, if the answer is lost, too; what comes by it later is an ordinary image."""
_of = pilot_moves.c


def expect(transaction: Transaction, origin: MoveOrigin) -> None:
    """From now on what comes by it is a pilot's."""
    now = datetime.now(UTC)
    transaction.execute(sa.delete(pilot_moves).where(sa.or_(sa.and_(*_is(origin)), _of.until < now)))
    row = {"originator": origin.ae_title, "message_id": origin.message_id, "until": now + LONGEST}
    transaction.execute(sa.insert(pilot_moves).values(row))


def waits(transaction: Transaction, origin: MoveOrigin) -> bool:
    """Whether a pilot waits for it."""
    is_due = sa.exists().where(*_is(origin), _of.until > datetime.now(UTC))
    return bool(transaction.execute(sa.select(is_due)).scalar_one())


def is_received(transaction: Transaction, sop_instance_uid: str) -> bool:
    """Whether the node has received the image by an ordinary way."""
    has_it = sa.exists().where(instances.c.sop_instance_uid == sop_instance_uid)
    return bool(transaction.execute(sa.select(has_it)).scalar_one())


def _is(origin: MoveOrigin) -> tuple[sa.ColumnElement[bool], ...]:
    return _of.originator == origin.ae_title, _of.message_id == origin.message_id
