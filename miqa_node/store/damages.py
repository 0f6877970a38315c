"""Stored objects that were found lost or damaged, until they are mended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from miqa_node.domain.instance import InstanceDigest
from miqa_node.store.artifacts import ORIGINALS
from miqa_node.store.database import Transaction, insert_of
from miqa_node.store.tables import damages
from miqa_node.store.verification import Soundness

_of = damages.c


def note(transaction: Transaction, object_key: str, digest: InstanceDigest, state: Soundness, now: datetime) -> bool:
    """Record what a check of an object found; True if it is news that it is not sound."""
    if state is Soundness.SOUND:
        clear(transaction, [object_key])
        return False
    earlier = sa.select(_of.state).where(_of.object_key == object_key)
    is_news = transaction.execute(earlier).scalar_one_or_none() != state.value
    row = {"object_key": object_key, "digest": digest, "state": state.value, "found_at": now}
    again = insert_of(transaction.dialect.name, damages).on_conflict_do_update(
        index_elements=[_of.object_key], set_={"state": state.value}
    )
    transaction.execute(again, row)
    return is_news


def clear(transaction: Transaction, object_keys: Collection[str]) -> bool:
    """They are sound again, or gone on purpose; returns whether any was recorded."""
    gone = sa.delete(damages).where(_of.object_key.in_(object_keys))
    return bool(object_keys) and bool(transaction.execute(gone).rowcount)


def among(transaction: Transaction, object_keys: Sequence[str]) -> dict[str, Soundness]:
    """Those of the objects that are not sound, as far as is known."""
    query = sa.select(_of.object_key, _of.state).where(_of.object_key.in_(object_keys))
    return {row.object_key: Soundness(row.state) for row in transaction.execute(query)}


def count(transaction: Transaction) -> dict[tuple[str, Soundness], int]:
    """The number by kind ("original" or "result") and state."""
    kind = sa.case((_of.object_key.startswith(f"{ORIGINALS}/"), "original"), else_="result")
    query = sa.select(kind.label("kind"), _of.state, sa.func.count()).group_by("kind", _of.state)
    counts = {(name, state): 0 for name in ("original", "result") for state in (Soundness.LOST, Soundness.DAMAGED)}
    return counts | {(row[0], Soundness(row[1])): int(row[2]) for row in transaction.execute(query)}
