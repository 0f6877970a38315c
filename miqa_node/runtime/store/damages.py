"""Stored objects that were found lost or damaged, until they are mended."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
import structlog

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.object_store import ObjectStore, Soundness
from miqa_node.core.domain.operations import Alarm, damage_alarm
from miqa_node.errors import ResourcesError
from miqa_node.runtime.store.database import Database, Transaction, insert_of
from miqa_node.runtime.store.disk import ORIGINALS
from miqa_node.runtime.store.tables import damages, instances
from miqa_node.runtime.store.verification import check_original, drop_bad_copy

log = structlog.get_logger(__name__)

KINDS = ("original", "result")

_of = damages.c


def verify_original(database: Database, objects: ObjectStore, digest: InstanceDigest) -> Soundness:
    """Compare an original with its row, and record what is found.

    Raises
    ------
    ResourcesError
        It cannot be read now, or only this machine's copy of it was damaged, which is dropped.
    """
    with database.begin() as transaction:
        row = transaction.execute(sa.select(instances).where(instances.c.digest == digest)).one()
    state = check_original(objects, row)
    with database.begin() as transaction:
        note(transaction, row.object_key, digest, state, datetime.now(UTC))
    if state is Soundness.SOUND and drop_bad_copy(objects, row.object_key, row.copy_digest or row.digest):
        raise ResourcesError("This machine's copy of the original was damaged; it is fetched again.")
    return state


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
    if is_news:
        log.error("a stored object is not sound", state=state.value, kind=_kind(object_key), digest=digest[:16])
    return is_news


def clear(transaction: Transaction, object_keys: Collection[str]) -> bool:
    """They are sound again, or gone on purpose; returns whether any was recorded."""
    gone = sa.delete(damages).where(_of.object_key.in_(object_keys))
    return bool(object_keys) and bool(transaction.execute(gone).rowcount)


def among(transaction: Transaction, object_keys: Sequence[str]) -> dict[str, Soundness]:
    """Those of the objects that are not sound, as far as is known."""
    query = sa.select(_of.object_key, _of.state).where(_of.object_key.in_(object_keys))
    return {row.object_key: Soundness(row.state) for row in transaction.execute(query)}


def results(transaction: Transaction) -> list[str]:
    """The keys of results that are not sound."""
    keys = transaction.execute(sa.select(_of.object_key).order_by(_of.found_at)).scalars()
    return [key for key in keys if _kind(key) == "result"]


def count(transaction: Transaction) -> dict[tuple[str, Soundness], int]:
    """The number by kind ("original", "result") and state."""
    counts = {(kind, state): 0 for kind in KINDS for state in (Soundness.LOST, Soundness.DAMAGED)}
    for row in transaction.execute(sa.select(_of.object_key, _of.state)):
        counts[_kind(row.object_key), Soundness(row.state)] += 1
    return counts


def alarm(transaction: Transaction) -> Iterator[Alarm]:
    """An alarm while some object is not sound."""
    first_at = sa.func.min(_of.found_at, type_=_of.found_at.type)
    number, since = transaction.execute(sa.select(sa.func.count(), first_at)).one()
    if number:
        yield damage_alarm(int(number), since)


def _kind(object_key: str) -> str:
    return "original" if object_key.startswith(f"{ORIGINALS}/") else "result"
