"""Originals to ask archives for: those committed to a peer, and those that the node no longer has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import PROMISED, damages, instances

_of = instances.c
_LATER_FIELDS = (
    "series_number",
    "frame_of_reference_uid",
    "irradiation_event_uids",
    "source_instance_uid",
    "derivation",
    "is_acquired_at",
    "collimator_edges",
    "age_years",
    "protocol_name",
    "series_description",
    "convolution_kernel",
    "software_versions",
    "view_modifier",
)
"""Of headers that are read since version 0.11."""


@dataclass(frozen=True, slots=True)
class ArchivedObject:
    """An object that an archive may have, as it was on arrival."""

    digest: InstanceDigest
    header: Header


def unconfirmed(transaction: Transaction, before: datetime, limit: int) -> list[ArchivedObject]:
    """Promised originals that no archive has confirmed, without a request to archives since ``before``."""
    due = sa.or_(_of.archive_asked_at.is_(None), _of.archive_asked_at < before)
    order = (_of.archive_asked_at.is_not(None), _of.archive_asked_at, _of.digest)
    return _load(transaction, sa.and_(PROMISED, due), limit, order)


def removed(transaction: Transaction, uid: str, limit: int) -> list[ArchivedObject]:
    """Originals of an image, series, study or digest that were removed, but not erased, or are lost or damaged."""
    names = (_of.sop_instance_uid, _of.series_instance_uid, _of.study_instance_uid, _of.digest)
    gone = sa.and_(_of.removed_at.is_not(None), _of.removal_cause != RemovalCause.ERASURE.value)
    gone = sa.or_(gone, sa.and_(_of.removed_at.is_(None), sa.exists().where(damages.c.object_key == _of.object_key)))
    return _load(transaction, sa.and_(gone, sa.or_(*(name == uid for name in names))), limit, (_of.received_at,))


def may_return(transaction: Transaction, digest: InstanceDigest) -> bool:
    """False if the image was erased, perhaps while an archive was asked for it."""
    is_there = _of.removal_cause != RemovalCause.ERASURE.value
    return transaction.execute(sa.select(_of.digest).where(_of.digest == digest, is_there)).first() is not None


def note(transaction: Transaction, objects: Sequence[ArchivedObject], held: Collection[str], now: datetime) -> int:
    """Record which of them an archive has, by SOP instance UID; returns their number."""
    digests = [one.digest for one in objects]
    confirmed = [one.digest for one in objects if one.header.sop_instance_uid in held]
    transaction.execute(sa.update(instances).where(_of.digest.in_(digests)).values(archive_asked_at=now))
    transaction.execute(sa.update(instances).where(_of.digest.in_(confirmed)).values(archived_at=now))
    return len(confirmed)


def is_same(copy: Header, original: Header) -> bool:
    """Whether the header of an archive's copy agrees with the original's, which an earlier version may have read."""
    unread = {name: getattr(original, name) for name in _LATER_FIELDS if not getattr(original, name)}
    if original.utc_offset_s is None or copy.utc_offset_s is None:  # it may be that of the sender, by the settings
        unread["utc_offset_s"] = original.utc_offset_s
    return documents.dump_header(replace(copy, **unread)) == documents.dump_header(original)


def _load(
    transaction: Transaction, condition: sa.ColumnElement[bool], limit: int, order: Sequence[sa.ColumnElement[Any]]
) -> list[ArchivedObject]:
    query = sa.select(_of.digest, _of.header).where(condition).order_by(*order).limit(limit)
    return [ArchivedObject(row.digest, documents.load_header(row.header)) for row in transaction.execute(query)]
