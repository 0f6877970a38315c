"""Reads the mammograms of a study from the store."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.features.mammogram_pairs.pairs import StudyPairs, study_pairs
from miqa_node.features.mammogram_pairs.views import Mammogram
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import assessments, instances

MAMMOGRAPHY = "MG"
MOST_IMAGES = 200
"""Images of a study that are looked at, the newest."""


def pairs_of(transaction: Transaction, study_instance_uid: str) -> StudyPairs | None:
    """Views and pairs of a study; None if it has no mammograms."""
    of = instances.c
    query = (
        sa.select(of.digest, of.header, of.received_at, of.patient_number, assessments.c.document)
        .join(assessments, assessments.c.digest == of.digest, isouter=True)
        .where(of.study_instance_uid == study_instance_uid, of.modality == MAMMOGRAPHY, ~of.conflicting)
        .order_by(of.received_at.desc(), of.digest)
        .limit(MOST_IMAGES)
    )
    rows = transaction.execute(query).all()
    mammograms = [
        Mammogram(
            InstanceDigest(row.digest), documents.load_header(row.header), row.received_at, _numbers(row.document)
        )
        for row in rows
    ]
    images = [one for one in mammograms if one.header.has_pixels]
    return study_pairs(images, len({row.patient_number for row in rows})) if images else None


def _numbers(document: dict[str, object] | None) -> dict[str, float] | None:
    if document is None:
        return None
    return {one.name: one.value for one in documents.load_assessment(document).measurements}
