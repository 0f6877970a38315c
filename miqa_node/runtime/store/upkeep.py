"""Cleans up old events and other rows, files without a row, and disk samples; says which images no erasure reached."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from statistics import linear_regression

import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.object_store import DiskSpace, ObjectEntry, ObjectStore
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Database, Transaction, begin_writing, insert_or_ignore
from miqa_node.runtime.store.disk import KINDS
from miqa_node.runtime.store.object_keys import uid_of_result
from miqa_node.runtime.store.tables.column_marks import FORGET

ORPHAN_AGE = timedelta(days=1)
"""Minimum age of an orphan: younger files may belong to a row being written."""

SAMPLE_INTERVAL = timedelta(minutes=10)
FORECAST_DAYS = 7
MIN_SPAN = timedelta(hours=1)
"""Minimum time range of samples for a forecast."""

_SETTLED = (DeliveryState.SENT.value, DeliveryState.COMMITTED.value, DeliveryState.CANCELLED.value)


def unless_erased(transaction: Transaction, digests: Collection[str]) -> set[str]:
    """Those of the images that no erasure has reached. Background work asks before it writes rows about them.

    The images are locked, so an erasure that begins now waits until the transaction ends, and then finds its rows.
    """
    begin_writing(transaction)
    of = t.instances.c
    is_there = of.removal_cause != RemovalCause.ERASURE.value
    query = sa.select(of.digest).where(of.digest.in_(digests), is_there).order_by(of.digest).with_for_update()
    return set(transaction.execute(query).scalars())


def forget_events(transaction: Transaction, before: datetime, limit: int) -> int:
    """Delete up to ``limit`` old, fully delivered events with their deliveries; returns their number."""
    waiting = sa.exists().where(t.deliveries.c.event_id == t.events.c.event_id, t.deliveries.c.state.not_in(_SETTLED))
    old = sa.select(t.events.c.event_id).where(t.events.c.occurred_at < before, ~waiting).limit(limit)
    event_ids = list(transaction.execute(old).scalars())
    of_events = sa.select(t.deliveries.c.delivery_id).where(t.deliveries.c.event_id.in_(event_ids))
    transaction.execute(sa.delete(t.delivery_events).where(t.delivery_events.c.delivery_id.in_(of_events)))
    transaction.execute(sa.delete(t.deliveries).where(t.deliveries.c.event_id.in_(event_ids)))
    transaction.execute(sa.delete(t.events).where(t.events.c.event_id.in_(event_ids)))
    return len(event_ids)


def forget_rows(transaction: Transaction, before: datetime) -> int:
    """Delete what tables of all features say is forgotten then (tables/column_marks.py); returns the number of rows."""
    count = 0
    for table in reversed(t.all_tables().sorted_tables):  # rows that refer to others go before these
        if FORGET in table.info:
            at, condition = table.info[FORGET]
            old = sa.delete(table).where(table.c[at] < before, sa.text(condition))
            count += transaction.execute(old).rowcount
    return count


def sweep_orphans(
    database: Database, objects: ObjectStore, shard: str, now: datetime, *, delete: bool = True
) -> tuple[int, int]:
    """Delete, or only count, files without a row in the folders of one shard; (number, bytes).

    Such files remain if a process is killed between file and row. A file younger than a day, or than an image without a
    verdict, may still get its row.
    """
    count = size = 0
    for kind in KINDS:
        entries = [one for one in objects.entries(f"{kind}/{shard}/") if one.modified_at < now - ORPHAN_AGE]
        for batch in batches(entries):
            with database.begin() as transaction:
                suspects = _without_row(transaction, kind, batch)
            orphans = _remove_orphans(database, objects, kind, suspects, delete=delete) if suspects else []
            count, size = count + len(orphans), size + sum(one.size_bytes for one in orphans)
    return count, size


def _remove_orphans(
    database: Database, objects: ObjectStore, kind: str, suspects: Sequence[ObjectEntry], *, delete: bool
) -> list[ObjectEntry]:
    with database.begin() as transaction:
        # Take the write lock first: no row of these can be written between check and deletion (SQLite).
        transaction.execute(sa.update(t.instances).where(sa.false()).values(removal_cause=""))
        oldest = _oldest_undecided(transaction)  # reads all images, so only for suspects, which are rare
        older = [one for one in suspects if oldest is None or one.modified_at < oldest]
        orphans = _without_row(transaction, kind, older)
        objects.delete([one.key for one in orphans] if delete else [])
    return orphans


def _oldest_undecided(transaction: Transaction) -> datetime | None:
    query = (
        sa.select(sa.func.min(t.instances.c.received_at))
        .outerjoin(t.dispositions, t.dispositions.c.digest == t.instances.c.digest)
        .where(t.instances.c.removed_at.is_(None), t.dispositions.c.digest.is_(None))
    )
    oldest: datetime | None = transaction.execute(query).scalar_one()
    return oldest


def shards() -> list[str]:
    """The folders of files."""
    return [f"{number:02x}" for number in range(256)]


def shard_of(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """The folder of the files of a digest."""
    return sa.func.substr(column, 1, 2)


def in_shard(column: sa.ColumnElement[str], shard: str) -> sa.ColumnElement[bool]:
    """A prefix as an index range, because LIKE does not use the index on every database."""
    return sa.and_(column >= shard, column < f"{shard}g")


def sample_disk(transaction: Transaction, node: str, space: DiskSpace, now: datetime) -> None:
    """Record the disk usage every few minutes, and delete samples that no forecast needs."""
    of = t.disk_samples.c
    recent = sa.exists().where(of.node == node, of.at > now - SAMPLE_INTERVAL)
    if transaction.execute(sa.select(recent)).scalar_one():
        return
    values = {"node": node, "at": now, "total_bytes": space.total_bytes, "free_bytes": space.free_bytes}
    insert_or_ignore(transaction, t.disk_samples, values)
    transaction.execute(sa.delete(t.disk_samples).where(of.at < now - timedelta(days=FORECAST_DAYS)))


def disks(transaction: Transaction, since: datetime) -> list[tuple[str, datetime, DiskSpace]]:
    """(machine, time, space) of the newest sample of every machine that took one since then."""
    of = t.disk_samples.c
    latest = sa.select(of.node, sa.func.max(of.at, type_=of.at.type).label("at")).where(of.at >= since)
    newest = latest.group_by(of.node).subquery()
    query = sa.select(t.disk_samples).join(newest, sa.and_(newest.c.node == of.node, newest.c.at == of.at))
    rows = transaction.execute(query.order_by(of.node)).all()
    return [(row.node, row.at, DiskSpace(row.total_bytes, row.free_bytes)) for row in rows]


def days_until_full(transaction: Transaction, node: str, reserve_bytes: int) -> float:
    """Days until no more than ``reserve_bytes`` are free if the trend of the last week goes on.

    Infinite if the disk does not fill, or if there are too few samples. The trend is a line of least squares.
    """
    of = t.disk_samples.c
    rows = transaction.execute(sa.select(of.at, of.free_bytes).where(of.node == node).order_by(of.at)).all()
    if len(rows) < 3 or rows[-1].at - rows[0].at < MIN_SPAN:
        return float("inf")
    days = [(row.at - rows[-1].at).total_seconds() / 86_400 for row in rows]
    slope, today = linear_regression(days, [row.free_bytes for row in rows])
    if slope >= 0:
        return float("inf")
    return max(0.0, (today - reserve_bytes) / -slope)


def _without_row(transaction: Transaction, kind: str, entries: Iterable[ObjectEntry]) -> list[ObjectEntry]:
    if kind == "results":
        return _unnamed_results(transaction, list(entries))
    stems = [(_stem(one.key), one) for one in entries]
    column = t.instances.c.digest
    query = sa.select(column).where(column.in_([stem for stem, _ in stems]))
    if kind == "instances":  # a removed original arrived again, but the receiver was killed before recording it
        is_found = t.instances.c.removal_cause == RemovalCause.LOST.value  # its disk was away; fsck --repair says so
        query = query.where(sa.or_(t.instances.c.deleted_at.is_(None), is_found))
    digests = set(transaction.execute(query).scalars())
    if kind == "instances":
        digests |= _of_copies(transaction, [stem for stem, _ in stems if stem not in digests])
    return [one for stem, one in stems if stem not in digests]


def _of_copies(transaction: Transaction, digests: Sequence[str]) -> set[str]:
    """Those that are copies of an image whose files are kept."""
    of = t.copies.c
    query = (
        sa.select(of.digest)
        .join(t.instances, t.instances.c.digest == of.of)
        .where(of.digest.in_(digests), t.instances.c.deleted_at.is_(None))
    )
    return set(transaction.execute(query).scalars()) if digests else set()


def _unnamed_results(transaction: Transaction, entries: Sequence[ObjectEntry]) -> list[ObjectEntry]:
    """Of several files of one object, as after a pause of its writer, only the one counts that the row names."""
    of = t.results.c
    uids = {uid_of_result(one.key) for one in entries}
    named = set(transaction.execute(sa.select(of.object_key).where(of.sop_instance_uid.in_(uids))).scalars())
    return [one for one in entries if one.key not in named]


def _stem(key: str) -> str:
    """The digest of a file; the number of a judgement may follow it."""
    return key.rpartition("/")[2].partition(".")[0]
