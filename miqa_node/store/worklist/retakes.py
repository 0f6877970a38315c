"""Recognises requested retakes when their exposures arrive."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.worklist import Resolution
from miqa_node.store.acquisitions import SAME_EXPOSURE_S
from miqa_node.store.database import Transaction
from miqa_node.store.tables import acquisitions, decisions, instances, worklist
from miqa_node.store.worklist.changes import note

RETAKE_WITHIN = timedelta(days=7)
"""A new exposure this long after the request is a separate examination."""


def complete_retakes(transaction: Transaction, digest: InstanceDigest, now: datetime) -> int:
    """Record that a counted exposure is a requested retake; returns the number of studies.

    A retake is a later exposure of the same view of the same patient, in the same study or another one. An image
    without View Position completes none.
    """
    of = acquisitions.c
    new = transaction.execute(sa.select(acquisitions).where(of.digest == digest)).one_or_none()
    if new is None or not new.view:
        return 0
    same = [of[name] == getattr(new, name) for name in ("patient_key", "modality", "body_part", "view", "laterality")]
    earlier = sa.select(of.digest).where(*same, of.acquired_at <= new.acquired_at - timedelta(seconds=SAME_EXPOSURE_S))
    digests = set(transaction.execute(earlier).scalars())
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
