"""Recognises requested retakes when their exposures arrive."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.worklist import Resolution
from miqa_node.runtime.site_records.study_notes import note
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import acquisitions, decisions, instances, worklist
from miqa_node.stages.units.rows.repeats import CLOCK_CHANGE, SAME_EXPOSURE_S, VIEW

RETAKE_WITHIN = timedelta(days=7)
"""A new exposure this long after the request is a separate examination."""


def complete_retakes(transaction: Transaction, digest: InstanceDigest, now: datetime) -> int:
    """Record that a counted exposure is a requested retake; returns the number of studies.

    A retake is a later exposure of the same view of the same patient, in the same study or another one. An image
    without View Position completes none.
    """
    new = _NEW.run(transaction, {"digest": digest})
    if new is None or not new.view:
        return 0
    values = {**{name: getattr(new, name) for name in VIEW}, "acquired_at": new.acquired_at + CLOCK_CHANGE}
    digests = {row.digest for row in _EARLIER.all(transaction, values) if _is_later(new, row)}
    if not digests:
        return 0
    query = (
        sa.select(worklist.c.study_instance_uid, decisions.c.images)
        .join(decisions, decisions.c.decision_id == worklist.c.decision_id)
        .where(
            worklist.c.study_instance_uid.in_(
                sa.select(instances.c.study_instance_uid).where(instances.c.digest.in_(digests))
            ),
            worklist.c.resolution == Resolution.RETAKEN.value,
            worklist.c.retaken_at.is_(None),
            worklist.c.resolved_at >= now - RETAKE_WITHIN,
        )
    )
    done = [row.study_instance_uid for row in transaction.execute(query) if digests & set(row.images)]
    for uid in done:
        transaction.execute(sa.update(worklist).where(worklist.c.study_instance_uid == uid).values(retaken_at=now))
        note(transaction, uid, "retake done", "", "", now)
    return len(done)


def _is_later(new: Any, row: Any) -> bool:
    """Whether one exposure follows the other; rows of earlier versions have only the time on the clock."""
    if new.moment is not None and row.moment is not None:
        return bool(new.moment - row.moment >= timedelta(seconds=SAME_EXPOSURE_S))
    return bool(new.acquired_at - row.acquired_at >= timedelta(seconds=SAME_EXPOSURE_S))


_of = acquisitions.c
_NEW = DriverStatement(
    lambda _dialect: sa.select(_of.acquired_at, _of.moment, *(_of[name] for name in VIEW)).where(
        _of.digest == sa.bindparam("digest")
    )
)
_EARLIER = DriverStatement(
    lambda _dialect: sa.select(_of.digest, _of.acquired_at, _of.moment).where(
        *(_of[name] == sa.bindparam(name) for name in VIEW), _of.acquired_at <= sa.bindparam("acquired_at")
    )
)
