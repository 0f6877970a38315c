"""Series of one slice each that are one stack (core/domain/fragments.py): which belong together, and when."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from miqa_node.core.domain.fragments import group_key, groups
from miqa_node.core.domain.instance import Header
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import instances, series

_of = instances.c
_COUNT = DriverStatement(
    lambda _dialect: (
        sa.select(_of.sop_instance_uid)
        .where(_of.series_instance_uid == sa.bindparam("uid"))
        .distinct()
        .limit(sa.literal_column("2"))
    )
)


def uids_of(transaction: Transaction, header: Header) -> tuple[str, ...]:
    """The Series Instance UIDs of the stack that a slice belongs to: most often its own alone."""
    own = (header.series_instance_uid,)
    if group_key(header) is None or len(_COUNT.all(transaction, {"uid": own[0]})) > 1:
        return own
    return _groups(transaction, header.study_instance_uid).get(own[0], own)


def together(transaction: Transaction, uids: Sequence[str]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Due series as stacks, and those that must wait because another part of their stack is not quiet yet."""
    lone = _lone(transaction, uids)
    stacks = {study: _groups(transaction, study) for study in {*lone.values()}}
    grouped = {uid: stacks[study].get(uid, (uid,)) for uid, study in lone.items()}
    chosen = dict.fromkeys(grouped.get(uid, (uid,)) for uid in uids)
    arriving = _pending(transaction, {uid for stack in chosen for uid in stack if len(stack) > 1})
    due = [stack for stack in chosen if not arriving.intersection(stack)]
    return due, [uid for uid in uids if arriving.intersection(grouped.get(uid, ()))]


def count_captures(transaction: Transaction, header: Header, uids: Collection[str]) -> int:
    """Images of the study with modality and Series Number of a stack that are not slices, in series of their own."""
    if header.series_number is None:
        return 0
    captures = sa.select(sa.func.count()).where(
        _of.study_instance_uid == header.study_instance_uid,
        _of.series_instance_uid.not_in(uids),
        ~_is_slice(),
        _of.modality == header.modality[:16],
        _of.header["series_number"].as_integer() == header.series_number,
        _of.header["has_pixels"].as_boolean(),
    )
    return transaction.execute(captures).scalar_one()


def is_beside_stack(transaction: Transaction, header: Header) -> bool:
    """Whether slices have the Series Instance UID of a capture, or its Series Number in its study."""
    number = _of.header["series_number"].as_integer() == header.series_number
    stack = sa.exists().where(
        _of.study_instance_uid == header.study_instance_uid,
        _is_slice(),
        _of.sop_class_uid != header.sop_class_uid,
        _of.modality == header.modality[:16],
        sa.or_(
            _of.series_instance_uid == header.series_instance_uid,
            number if header.series_number is not None else sa.false(),
        ),
    )
    return transaction.execute(sa.select(stack)).scalar_one()


def _is_slice() -> sa.ColumnElement[bool]:
    """Only slices wait for the others of their series."""
    return _of.series_instance_uid.in_(sa.select(series.c.series_instance_uid))


def _groups(transaction: Transaction, study: str) -> dict[str, tuple[str, ...]]:
    """The stacks of a study that are torn apart, from the series of slices that have one."""
    lone = (
        sa.select(_of.series_instance_uid)
        .where(_of.study_instance_uid == study)
        .group_by(_of.series_instance_uid)
        .having(sa.func.count(_of.sop_instance_uid.distinct()) == 1)
    )
    query = sa.select(_of.header).where(
        _of.study_instance_uid == study,
        _of.series_instance_uid.in_(lone),
        _is_slice(),
    )
    return groups(documents.load_header(document) for document in transaction.execute(query).scalars())


def _lone(transaction: Transaction, uids: Sequence[str]) -> dict[str, str]:
    """The study of each series that has one slice."""
    lone: dict[str, str] = {}
    for some in batches(uids):
        query = (
            sa.select(_of.series_instance_uid, sa.func.min(_of.study_instance_uid))
            .where(_of.series_instance_uid.in_(some))
            .group_by(_of.series_instance_uid)
            .having(sa.func.count(_of.sop_instance_uid.distinct()) == 1)
        )
        lone |= {row[0]: row[1] for row in transaction.execute(query)}
    return lone


def _pending(transaction: Transaction, uids: Collection[str]) -> set[str]:
    pending = set[str]()
    for some in batches(sorted(uids)):
        query = sa.select(series.c.series_instance_uid).where(series.c.series_instance_uid.in_(some), series.c.pending)
        pending |= set(transaction.execute(query).scalars())
    return pending
