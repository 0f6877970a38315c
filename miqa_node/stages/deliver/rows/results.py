"""Results that the node made, each with what it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryState, ResultKind, ResultObject
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.object_keys import uid_of_result
from miqa_node.runtime.store.tables import deliveries, dispositions, instances, results
from miqa_node.stages.deliver.rows.deliveries import result_of


@dataclass(frozen=True, slots=True)
class ResultOrigin:
    """A result, the judgement of an image that it states, and the decision of a person, if it follows from one."""

    result: ResultObject
    digest: InstanceDigest
    generation: int
    decision: int | None
    made_at: datetime


def find(transaction: Transaction, object_key: str) -> ResultOrigin | None:
    """The result of an object key; None if there is none."""
    uid = uid_of_result(object_key)
    query = sa.select(results).where(results.c.sop_instance_uid == uid, results.c.object_key == object_key)
    row = transaction.execute(query).one_or_none()
    if row is None:
        return None
    result = replace(result_of(row), made_with=row.made_with)
    return ResultOrigin(result, InstanceDigest(row.digest), row.generation, row.decision_id, row.made_at)


def note_file(transaction: Transaction, result: ResultObject) -> None:
    """Record the size and digest of a result's file."""
    this = results.c.sop_instance_uid == result.sop_instance_uid
    values = {"size_bytes": result.size_bytes, "sha256": result.sha256}
    transaction.execute(sa.update(results).where(this).values(values))


def results_of_class(
    transaction: Transaction,
    digests: Sequence[InstanceDigest],
    kind: ResultKind,
    sop_class_uid: str,
    before: datetime | None = None,
) -> list[ResultObject]:
    """Objects of a kind and class made from some instances, with ``before`` only those made earlier; oldest first."""
    those = results.c.kind == kind, results.c.sop_class_uid == sop_class_uid
    earlier = sa.true() if before is None else results.c.made_at < before
    query = sa.select(results).where(*those, earlier)
    rows = [row for some in batches(digests) for row in transaction.execute(query.where(results.c.digest.in_(some)))]
    return [result_of(row) for row in sorted(rows, key=lambda row: (row.generation, row.made_at))]


def may_have_arrived(transaction: Transaction, sop_instance_uid: str) -> bool:
    """Whether any destination may have an object: it was sent or tried, or a lane has claimed it."""
    arrived = deliveries.c.state.in_([DeliveryState.SENT.value, DeliveryState.COMMITTED.value])
    claimed = deliveries.c.lease_until.is_not(None)
    tried = sa.or_(arrived, deliveries.c.sent_at.is_not(None), deliveries.c.attempts > 0, claimed)
    query = sa.select(sa.exists().where(deliveries.c.sop_instance_uid == sop_instance_uid, tried))
    return bool(transaction.execute(query).scalar_one())


def any_about(transaction: Transaction, destination: str, digest: str, series_instance_uid: str = "") -> bool:
    """Whether a destination has, or waits for, a result about an instance, or about any of a series."""
    made = instances.join(results, results.c.digest == instances.c.digest)
    made = made.join(deliveries, deliveries.c.sop_instance_uid == results.c.sop_instance_uid)
    of = instances.c
    about = of.series_instance_uid == series_instance_uid if series_instance_uid else of.digest == digest
    query = sa.select(1).select_from(made).where(about, deliveries.c.destination == destination).limit(1)
    return transaction.execute(query).first() is not None


def made_since(transaction: Transaction, since: datetime) -> tuple[Sequence[Any], Sequence[Any]]:
    """Judged images received since then by modality and verdict, and what was made of them, by kind and decision, too.

    Images with their ``number``, ``first`` and ``last`` time of receipt; objects with ``number`` and ``mean`` bytes.
    """
    of, judged = instances.c, instances.join(dispositions, dispositions.c.digest == instances.c.digest)
    group, number = (of.modality, dispositions.c.verdict), sa.func.count().label("number")
    is_new = of.received_at > since
    times = sa.func.min(of.received_at).label("first"), sa.func.max(of.received_at).label("last")
    images = sa.select(*group, number, *times).select_from(judged).where(is_new).group_by(*group)
    kinds = *group, results.c.kind, results.c.decision_id.is_not(None).label("decided")
    made = judged.join(results, results.c.digest == of.digest)
    objects = sa.select(*kinds, number, sa.func.avg(results.c.size_bytes).label("mean")).select_from(made)
    return transaction.execute(images).all(), transaction.execute(objects.where(is_new).group_by(*kinds)).all()
