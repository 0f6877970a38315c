"""CT, MR and PET series: received instances, when to assess a series, and the assessed instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.delivery import SR, ResultObject
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import ARRIVALS, Transaction, announce, insert_or_ignore
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import dispositions, instances, phantom_series, results, series
from miqa_node.stages.deliver.rows.deliveries import result_of
from miqa_node.stages.units.rows import fragments

uids_of = fragments.uids_of
"""The Series Instance UIDs of a slice's stack, for other rooms."""


def arrive(transaction: Transaction, header: Header, now: datetime, *, alone: bool = False) -> None:
    """Record an arrival: the series waits for more, unless it is complete by count.

    What is judged ``alone`` waits as long, under its own UID: a capture may come before the slices that it is beside.
    """
    uid = header.sop_instance_uid if alone else header.series_instance_uid
    later = _LATER.run(transaction, {"uid": uid, "now": now})
    if later is not None:
        if later[0]:
            announce(transaction, ARRIVALS)
        return
    row = {
        "series_instance_uid": uid,
        "modality": header.modality,
        "expected": 0 if alone else header.series_images,
        "arrived_at": now,
        "pending": True,
    }
    if insert_or_ignore(transaction, series, row):
        announce(transaction, ARRIVALS)


_LATER = DriverStatement(
    lambda _dialect: (
        sa.update(series)
        .where(series.c.series_instance_uid == sa.bindparam("uid"))
        .values(arrived_at=sa.bindparam("now"), pending=sa.true())
        .returning(_is_complete())
    )
)
"""An arrival of a series that is there already, as all are but the first; returns whether it was the last."""


def any_pending(transaction: Transaction) -> bool:
    """Whether any series waits; takes no write lock."""
    return transaction.execute(sa.select(sa.exists().where(series.c.pending))).scalar_one()


@dataclass(frozen=True, slots=True)
class QuietTimes:
    """Seconds without a new instance after which a series is due: by modality, or by sender where that is set."""

    by_modality: Mapping[str, float] = field(default_factory=dict)
    by_sender: Mapping[str, float] = field(default_factory=dict)


def take_due(transaction: Transaction, quiet: QuietTimes, now: datetime) -> list[InstanceDigest]:
    """End the waiting of series that have been quiet for long enough, or are complete by count.

    Returns the representative instance of each: the last arrival without a verdict. A series whose instances all have a
    verdict has nothing new. Where studies share the UID of a series, each has a series of its own. Series of one slice
    each that are one stack are due together.
    """
    due = sa.update(series).where(series.c.pending, _is_due(quiet, now)).values(pending=False)
    uids = transaction.execute(due.returning(series.c.series_instance_uid)).scalars().all()
    stacks, early = fragments.together(transaction, uids)
    if early:
        _wait(transaction, early)
    return [digest for stack in stacks for digest in _newest_undecided(transaction, stack)] + _alone(transaction, uids)


def _alone(transaction: Transaction, uids: Sequence[str]) -> list[InstanceDigest]:
    """Undecided objects that waited under their own UIDs."""
    digests: list[InstanceDigest] = []
    for some in batches(uids):
        query = (
            sa.select(instances.c.digest)
            .outerjoin(dispositions, dispositions.c.digest == instances.c.digest)
            .where(instances.c.sop_instance_uid.in_(some), dispositions.c.digest.is_(None))
            .order_by(instances.c.received_at, instances.c.digest)
        )
        digests += [InstanceDigest(digest) for digest in transaction.execute(query).scalars()]
    return digests


def wait_again(transaction: Transaction, header: Header) -> None:
    """Let the series of a header be due once more, if any of its instances has no verdict."""
    uids = fragments.uids_of(transaction, header)
    if _newest_undecided(transaction, uids):
        _wait(transaction, uids)
        announce(transaction, ARRIVALS)


def _wait(transaction: Transaction, uids: Sequence[str]) -> None:
    for some in batches(uids):
        transaction.execute(sa.update(series).where(series.c.series_instance_uid.in_(some)).values(pending=True))


COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
"""The class of every report; a copy in a lower class for a limited destination is not another report."""


@dataclass(frozen=True, slots=True)
class SeriesMember:
    """One instance of a series; a ``conflicting`` one came after another with the same UID."""

    digest: InstanceDigest
    object_key: str
    conflicting: bool


def files(transaction: Transaction, header: Header) -> list[SeriesMember]:
    """All received instances of the series of a header, or of the stack that it is a part of; oldest first."""
    query = (
        sa.select(instances.c.digest, instances.c.object_key, instances.c.conflicting)
        .where(*_beside(transaction, header))
        .order_by(instances.c.received_at, instances.c.digest)
    )
    return [
        SeriesMember(InstanceDigest(row.digest), row.object_key, row.conflicting) for row in transaction.execute(query)
    ]


def earlier_reports(
    transaction: Transaction,
    header: Header,
    digest: InstanceDigest,
    generation: int = 0,
    before: datetime | None = None,
) -> list[ResultObject]:
    """Earlier reports about the series, oldest first: of other instances, and of earlier judgements of this one.

    With ``before``, only those made earlier.
    """
    query = (
        sa.select(results)
        .join(instances, instances.c.digest == results.c.digest)
        .where(
            *_beside(transaction, header),
            results.c.kind == SR,
            results.c.sop_class_uid == COMPREHENSIVE_3D_SR,
            sa.or_(results.c.digest != digest, results.c.generation < generation),
            sa.true() if before is None else results.c.made_at < before,
        )
        .order_by(results.c.made_at, results.c.sop_instance_uid)
    )
    return [result_of(row) for row in transaction.execute(query)]


@dataclass(frozen=True, slots=True)
class PhantomStatement:
    """What a person said that a series shows, and when."""

    is_phantom: bool
    at: datetime


def phantom_said(transaction: Transaction, header: Header, uids: Sequence[str]) -> PhantomStatement | None:
    """The newest statement of a person about the series or stack of a slice; None without one."""
    of, statements = phantom_series.c, list[PhantomStatement]()
    conditions = of.study_instance_uid == header.study_instance_uid, of.decided_by != ""
    for some in batches(uids):
        rows = transaction.execute(
            sa.select(of.is_phantom, of.decided_at).where(of.series_instance_uid.in_(some), *conditions)
        )
        statements += [PhantomStatement(row.is_phantom, row.decided_at) for row in rows]
    return max(statements, key=lambda one: one.at, default=None)


def _is_due(times: QuietTimes, now: datetime) -> sa.ColumnElement[bool]:
    def silent(seconds: float) -> sa.ColumnElement[bool]:
        return series.c.arrived_at <= now - timedelta(seconds=seconds)

    of = series.c.modality
    quiet = [sa.and_(of == modality, silent(seconds)) for modality, seconds in times.by_modality.items()]
    longest = max(times.by_modality.values(), default=0.0)
    of_modality = sa.or_(*quiet, sa.and_(of.not_in(list(times.by_modality)), silent(longest)))
    if not times.by_sender:
        return sa.or_(of_modality, _is_complete())
    of_sender = [sa.or_(~_is_from([title]), silent(seconds)) for title, seconds in times.by_sender.items()]
    return sa.or_(sa.and_(sa.or_(of_modality, _is_from(list(times.by_sender))), *of_sender), _is_complete())


def _is_from(titles: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether any of these senders has sent an instance of the series, or the object that waits under its own UID."""
    uid = series.c.series_instance_uid
    waiting = sa.or_(instances.c.series_instance_uid == uid, instances.c.sop_instance_uid == uid)
    return sa.exists().where(waiting, instances.c.calling_ae_title.in_(titles)).correlate(series)


def _is_complete() -> sa.ColumnElement[bool]:
    # A series with more images than announced is inconsistent: only a quiet period shows that it is complete.
    arrived = (
        sa.select(sa.func.count())
        .select_from(instances)
        .where(instances.c.series_instance_uid == series.c.series_instance_uid)
        .correlate(series)
        .scalar_subquery()
    )
    # "1" may be of a sender that gives each slice a series of its own.
    return sa.and_(series.c.expected > sa.literal_column("1"), arrived == series.c.expected)


def _beside(transaction: Transaction, header: Header) -> tuple[sa.ColumnElement[bool], ...]:
    """Instances of the same series of the same study: programs that copy studies may leave the UID of the series."""
    own = instances.c.study_instance_uid == header.study_instance_uid
    return _is_of(fragments.uids_of(transaction, header)), own


def _is_of(uids: Sequence[str]) -> sa.ColumnElement[bool]:
    of = instances.c.series_instance_uid
    return of == uids[0] if len(uids) == 1 else of.in_(uids)


def _newest_undecided(transaction: Transaction, uids: Sequence[str]) -> list[InstanceDigest]:
    """One of each study, most often the only one."""
    order = instances.c.received_at.desc(), instances.c.digest
    rank = sa.func.row_number().over(partition_by=instances.c.study_instance_uid, order_by=order)
    undecided = (
        sa.select(instances.c.digest, rank.label("rank"))
        .outerjoin(dispositions, dispositions.c.digest == instances.c.digest)
        .where(_is_of(uids), dispositions.c.digest.is_(None))
        .subquery()
    )
    query = sa.select(undecided.c.digest).where(undecided.c.rank == 1)
    return [InstanceDigest(digest) for digest in transaction.execute(query).scalars()]
