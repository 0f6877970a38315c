"""Copies: the same image once more, in another encoding. An instance has one verdict, whatever number of files.

The file of a copy lies beside that of its instance, and goes when that goes. If the first file lost something by
compression and a better copy comes, the instance takes the copy's content and is judged again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.runtime.people import patients
from miqa_node.runtime.store import documents
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Transaction, insert_into
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.stages.units.rows import fragments

_of, _copy = t.instances.c, t.copies.c
_EARLIER, _LATER = t.instances.alias(), t.instances.alias()
_OWN = {t.attempts.name, t.source_headers.name}
"""Tables whose rows about an instance go with it, when it turns out to be a copy."""


@dataclass(frozen=True, slots=True)
class ImageCopy:
    """One further file of an instance; ``is_lossy``: it lost something by compression."""

    digest: InstanceDigest
    transfer_syntax_uid: str
    size_bytes: int
    calling_ae_title: str
    peer_address: str
    received_at: datetime
    is_lossy: bool


@dataclass(frozen=True, slots=True)
class Twin:
    """An instance that has the SOP Instance UID of an earlier one; ``conflicting`` if it is marked so."""

    digest: InstanceDigest
    object_key: str
    conflicting: bool


def earlier(transaction: Transaction, digest: InstanceDigest) -> list[Twin]:
    """The instances that came before this one with its SOP Instance UID and are still kept, in that order.

    Two processes that receive both at once mark neither as conflicting: then the time of arrival counts.
    """
    return [
        Twin(InstanceDigest(row.digest), row.object_key, row.conflicting)
        for row in _EARLIER_ONES.all(transaction, {"this": digest})
    ]


def undecided_twins(transaction: Transaction, header: Header) -> list[Twin]:
    """Undecided instances of the series of a header whose SOP Instance UIDs earlier ones have."""
    query = (
        sa.select(_LATER.c.digest, _LATER.c.object_key, _LATER.c.conflicting)
        .outerjoin(t.dispositions, t.dispositions.c.digest == _LATER.c.digest)
        .where(
            _LATER.c.series_instance_uid.in_(fragments.uids_of(transaction, header)),
            _LATER.c.study_instance_uid == header.study_instance_uid,
            t.dispositions.c.digest.is_(None),
            sa.exists().where(*_comes_before()),
        )
        .order_by(_LATER.c.received_at, _LATER.c.digest)
    )
    return [Twin(InstanceDigest(row.digest), row.object_key, row.conflicting) for row in transaction.execute(query)]


def _comes_before() -> tuple[sa.ColumnElement[bool], ...]:
    one, other = _EARLIER.c, _LATER.c
    order = [(of.conflicting, of.received_at, of.digest) for of in (one, other)]
    return one.sop_instance_uid == other.sop_instance_uid, sa.tuple_(*order[0]) < sa.tuple_(*order[1])


_EARLIER_ONES = DriverStatement(
    lambda _dialect: (
        sa.select(_EARLIER.c.digest, _EARLIER.c.object_key, _EARLIER.c.conflicting)
        .select_from(_LATER.join(_EARLIER, sa.and_(*_comes_before())))
        .where(_LATER.c.digest == sa.bindparam("this", type_=_of.digest.type), _EARLIER.c.removed_at.is_(None))
        .order_by(_EARLIER.c.conflicting, _EARLIER.c.received_at, _EARLIER.c.digest)
    )
)


def take(
    transaction: Transaction, digest: InstanceDigest, of: InstanceDigest, *, is_lossy: bool, is_better: bool
) -> bool:
    """Make an instance without a verdict a copy of another; False if more is known of it by now."""
    is_there = sa.select(_of.study_instance_uid).where(_of.digest == of, _of.removed_at.is_(None)).with_for_update()
    study = transaction.execute(is_there).scalar_one_or_none()
    if study is None or _is_used(transaction, digest):
        return False
    _add(transaction, _of.digest == digest, of, is_lossy=is_lossy, waits=is_better)
    promised = sa.select(_of.promised_at).where(_of.digest == digest, _of.promised_at.is_not(None)).scalar_subquery()
    anew = {"promised_at": sa.func.coalesce(_of.promised_at, promised)}
    transaction.execute(sa.update(t.instances).where(_of.digest == of).values(anew))
    for table in (t.attempts, t.source_headers, t.instances):
        transaction.execute(sa.delete(table).where(table.c.digest == digest))
    patients.end_conflicts(transaction, [study])  # an archive may have added who assigned the Patient ID
    return True


def mark_conflicting(transaction: Transaction, digest: InstanceDigest) -> None:
    """It has the UID of an earlier instance, and is another image."""
    transaction.execute(sa.update(t.instances).where(_of.digest == digest).values(conflicting=True))


def instance_of(transaction: Transaction, digest: InstanceDigest) -> InstanceDigest | None:
    """The instance of which this is a copy; None if it is none."""
    row = _INSTANCE.run(transaction, {"this": digest})
    return None if row is None else InstanceDigest(row.of)


_INSTANCE = DriverStatement(
    lambda _dialect: sa.select(_copy.of).where(_copy.digest == sa.bindparam("this", type_=_copy.digest.type))
)


def of_instance(transaction: Transaction, digest: InstanceDigest) -> tuple[ImageCopy, ...]:
    """The copies of an instance, oldest first."""
    others = [file for file, _ in files(transaction, [digest])]
    query = sa.select(t.copies).where(_copy.digest.in_(others)).order_by(_copy.received_at, _copy.digest)
    return tuple(
        ImageCopy(
            InstanceDigest(row.digest),
            documents.load_header(row.header).transfer_syntax_uid,
            row.size_bytes,
            row.calling_ae_title,
            row.peer_address,
            row.received_at,
            row.is_lossy,
        )
        for row in transaction.execute(query)
    )


def digests(transaction: Transaction, images: Collection[str]) -> list[InstanceDigest]:
    """The digests of all copies of instances."""
    query = sa.select(_copy.digest).where(_copy.of.in_(images)).order_by(_copy.digest)
    return [InstanceDigest(digest) for digest in transaction.execute(query).scalars()]


def files(transaction: Transaction, images: Sequence[str]) -> list[tuple[InstanceDigest, InstanceDigest]]:
    """(digest of the file, instance) of every file of instances beside the ones that their rows name."""
    others: list[tuple[InstanceDigest, InstanceDigest]] = []
    for some in batches(images):
        query = sa.select(_copy.digest, _copy.of, _of.object_key).join(t.instances, _of.digest == _copy.of)
        rows = transaction.execute(query.where(_copy.of.in_(some)))
        others += [(row.digest, row.of) for row in rows if original_key(row.digest) != row.object_key]
    return sorted(others)


def keys(transaction: Transaction, images: Sequence[str]) -> list[str]:
    """Keys of these files."""
    return [original_key(digest) for digest, _ in files(transaction, images)]


@dataclass(frozen=True, slots=True)
class BetterCopy:
    """A copy that shall be judged instead of what was judged."""

    digest: InstanceDigest
    of: InstanceDigest
    header: Header


def better(transaction: Transaction, limit: int) -> list[BetterCopy]:
    """Copies that are better than what was judged of their instances; none of an instance without a verdict."""
    again = sa.exists().where(t.reassessments.c.digest == _copy.of, t.reassessments.c.concluded_at.is_(None))
    query = (
        sa.select(_copy.digest, _copy.of, _copy.header)
        .join(t.dispositions, t.dispositions.c.digest == _copy.of)
        .where(_copy.waits, ~again)
        .order_by(_copy.received_at, _copy.digest)
        .limit(limit)
    )
    return [
        BetterCopy(InstanceDigest(row.digest), InstanceDigest(row.of), documents.load_header(row.header))
        for row in transaction.execute(query)
    ]


def use(transaction: Transaction, digest: InstanceDigest) -> None:
    """The instance takes the content of this copy."""
    change = sa.update(t.copies).where(_copy.digest == digest).values(waits=False)
    row = transaction.execute(change.returning(*t.copies.columns)).one()
    _add(transaction, _of.digest == row.of, row.of, is_lossy=True, waits=False)  # what it had until now is a copy
    transaction.execute(sa.update(t.instances).where(_of.digest == row.of).values(_content(row)))


def _content(row: Any) -> dict[str, Any]:
    """The columns of an instance that has the file of a copy."""
    return {
        "object_key": original_key(row.digest),
        "copy_digest": row.digest,
        "header": row.header,
        "size_bytes": row.size_bytes,
        "file_bytes": row.file_bytes,
        "verified_at": None,
    }


def stand_in(
    transaction: Transaction, instance: InstanceDigest, is_sound: Callable[[str, int | None, str], bool]
) -> bool:
    """Let an instance that lost its file have that of a copy, one without loss first; False if there is no sound one.

    ``is_sound`` is asked with key, number of bytes and digest of a file.
    """
    query = sa.select(t.copies, _of.object_key).join(t.instances, _of.digest == _copy.of).where(_copy.of == instance)
    rows = transaction.execute(query.order_by(_copy.is_lossy, _copy.received_at, _copy.digest)).all()
    lost = [row.digest for row in rows if original_key(row.digest) == row.object_key]  # it had been a copy
    transaction.execute(sa.delete(t.copies).where(_copy.digest.in_(lost)))
    for row in rows:
        if row.digest not in lost and is_sound(original_key(row.digest), row.file_bytes, row.digest):
            transaction.execute(sa.update(t.instances).where(_of.digest == instance).values(_content(row)))
            return True
    return False


def restored(transaction: Transaction, instance: InstanceDigest, digest: InstanceDigest) -> None:
    """A removed instance has one file again; its others went with it."""
    transaction.execute(sa.delete(t.copies).where(_copy.of == instance, _copy.digest != digest))
    transaction.execute(sa.update(t.copies).where(_copy.digest == digest).values(waits=False))


def _add(
    transaction: Transaction, source: sa.ColumnElement[bool], of: InstanceDigest, *, is_lossy: bool, waits: bool
) -> None:
    columns = (_of.digest, sa.literal(of), _of.header, _of.size_bytes, _of.file_bytes, _of.calling_ae_title)
    others = (_of.peer_address, _of.received_at, sa.literal(is_lossy), sa.literal(waits))
    names = [column.name for column in t.copies.columns]
    query = sa.select(*columns, *others).where(source)
    transaction.execute(insert_into(transaction, t.copies).from_select(names, query).on_conflict_do_nothing())


def _is_used(transaction: Transaction, digest: InstanceDigest) -> bool:
    """Whether other rows depend on the instance, such as a verdict, a label or a result."""
    references = [
        key.parent
        for table in t.all_tables().tables.values()
        for key in table.foreign_keys
        if key.column is _of.digest and table.name not in _OWN
    ]
    used = (sa.select(sa.exists().where(column == digest)) for column in references)
    return any(transaction.execute(query).scalar_one() for query in used)
