"""What people decided about flagged studies, image by image, as labels to calibrate with."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.worklist import Resolution, WorklistState
from miqa_node.errors import NotFoundError
from miqa_node.store import documents
from miqa_node.store.database import Transaction
from miqa_node.store.tables import dispositions, instances, studies, worklist


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One flagged image of a study that people resolved; ``patient`` is the Patient ID, or the study's UID without."""

    digest: InstanceDigest
    object_key: str
    patient: str
    resolution: Resolution
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a received image lies, and whose it is."""

    object_key: str
    patient: str


def locate(transaction: Transaction, digest: str) -> Place:
    """Where the image of a digest lies; NotFoundError when it was not received."""
    row = transaction.execute(
        sa.select(instances.c.object_key, studies.c.patient_id, studies.c.study_instance_uid)
        .join(studies, studies.c.study_instance_uid == instances.c.study_instance_uid)
        .where(instances.c.digest == digest)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"No instance has the digest {digest}.")
    return Place(row.object_key, row.patient_id or row.study_instance_uid)


def resolved(transaction: Transaction) -> tuple[list[Reviewed], int]:
    """Decided images, and how many studies were left out since several of their images are flagged.

    People decide about studies. Where more than one image is flagged nobody said which of them the decision meant.
    """
    query = (
        sa.select(
            worklist.c.study_instance_uid,
            worklist.c.resolution,
            studies.c.patient_id,
            dispositions.c.digest,
            dispositions.c.reasons,
            instances.c.object_key,
        )
        .join(studies, studies.c.study_instance_uid == worklist.c.study_instance_uid)
        .join(dispositions, dispositions.c.study_instance_uid == worklist.c.study_instance_uid)
        .join(instances, instances.c.digest == dispositions.c.digest)
        .where(worklist.c.state == WorklistState.RESOLVED.value, dispositions.c.flagged)
        .order_by(worklist.c.study_instance_uid)
    )
    by_study: dict[str, list[Reviewed]] = {}
    for row in transaction.execute(query):
        reasons = tuple(reason.name for reason in documents.load_reasons(row.reasons))
        by_study.setdefault(row.study_instance_uid, []).append(
            Reviewed(
                InstanceDigest(row.digest),
                row.object_key,
                row.patient_id or row.study_instance_uid,
                Resolution(row.resolution),
                reasons,
            )
        )
    decided = [images[0] for images in by_study.values() if len(images) == 1]
    return decided, len(by_study) - len(decided)
