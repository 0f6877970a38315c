"""Comparisons for an image: the newest earlier one of the same patient and view, and the site's usual ranges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.runtime.people import patients
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import assessments, dispositions, instances, labels, studies

CANDIDATES = 20
"""Maximum number of earlier images of the patient or room to search for one of the same side."""
NEWEST = 5000
"""Number of newest decided images for the usual range: recent, because a site changes, and fast to query."""
ENOUGH = 30
MOST = 300

_COLUMNS = (
    instances.c.digest,
    instances.c.study_instance_uid,
    instances.c.header,
    instances.c.received_at,
    studies.c.study_date,
    dispositions.c.verdict,
)


@dataclass(frozen=True, slots=True)
class Prior:
    """An earlier image of the same patient and view."""

    digest: InstanceDigest
    study_instance_uid: str
    study_date: str
    received_at: datetime
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class UsualRange:
    """The 5th and 95th percentile of a measurement over ``count`` accepted images of the same kind."""

    low: float
    high: float
    count: int


def prior_of(transaction: Transaction, image: StoredInstance, study_date: str) -> Prior | None:
    """The newest earlier image of the same patient; None without Patient ID, or if its authority is unknown."""
    patient = patients.of_image(transaction, image.digest)
    if patient is None or not patient.key.is_shared:
        return None
    header = image.header
    rows = transaction.execute(
        sa.select(*_COLUMNS)
        .join(studies, studies.c.study_instance_uid == instances.c.study_instance_uid)
        .join(dispositions, dispositions.c.digest == instances.c.digest, isouter=True)
        .where(
            instances.c.patient_number == patient.patient_number,
            studies.c.study_instance_uid != header.study_instance_uid,
            studies.c.study_date <= study_date,
            instances.c.modality == header.modality[:16],
            *_of_kind(header.body_part_examined, header.view_position),
            instances.c.received_at < image.received_at,
        )
        .order_by(studies.c.study_date.desc(), instances.c.received_at.desc())
        .limit(CANDIDATES)
    )
    return _of_side(rows, header.image_laterality)


def last_good(transaction: Transaction, image: StoredInstance) -> Prior | None:
    """The newest earlier image of the same station and view that was accepted and is still kept, of any patient.

    None for an image without a station. Images rejected by people and copies of the image are excluded.
    """
    header = image.header
    if not header.station_name:
        return None
    rows = transaction.execute(
        sa.select(*_COLUMNS)
        .join(studies, studies.c.study_instance_uid == instances.c.study_instance_uid)
        .join(dispositions, dispositions.c.digest == instances.c.digest)
        .where(
            dispositions.c.verdict == Verdict.ACCEPT.value,
            instances.c.station == header.station_name,
            instances.c.modality == header.modality[:16],
            *_of_kind(header.body_part_examined, header.view_position),
            instances.c.received_at < image.received_at,
            instances.c.digest != image.digest,
            instances.c.removed_at.is_(None),
            ~sa.exists().where(labels.c.digest == instances.c.digest, labels.c.bad),
        )
        .order_by(instances.c.received_at.desc())
        .limit(CANDIDATES)
    )
    return _of_side(rows, header.image_laterality)


def _of_kind(body_part: str, view: str) -> tuple[sa.ColumnElement[bool], ...]:
    """In whatever words earlier versions stored them."""
    return (
        instances.c.body_part.in_(STANDARD.body_parts.spellings(body_part)),
        instances.c.view.in_(STANDARD.views.spellings(view)),
    )


def _of_side(rows: Iterable[Any], laterality: str) -> Prior | None:
    """The first image of the requested side."""
    for row in rows:
        if documents.load_header(row.header).image_laterality == laterality:
            verdict = Verdict(row.verdict) if row.verdict else None
            return Prior(InstanceDigest(row.digest), row.study_instance_uid, row.study_date, row.received_at, verdict)
    return None


def usual_values(transaction: Transaction, modality: str, body_part: str, view: str) -> dict[str, UsualRange]:
    """Ranges of recent accepted images of this kind at this site; empty if there are too few."""
    newest = (
        sa.select(dispositions.c.digest, dispositions.c.verdict, dispositions.c.decided_at)
        .order_by(dispositions.c.decided_at.desc())
        .limit(NEWEST)
        .subquery()
    )
    query = (
        sa.select(assessments.c.document)
        .join(newest, newest.c.digest == assessments.c.digest)
        .join(instances, instances.c.digest == assessments.c.digest)
        .where(
            newest.c.verdict == Verdict.ACCEPT.value,
            instances.c.modality == modality[:16],
            *_of_kind(body_part, view),
        )
        .order_by(newest.c.decided_at.desc())
        .limit(MOST)
    )
    values: dict[str, list[float]] = {}
    for document in transaction.execute(query).scalars():
        for measurement in document.get("measurements", ()):
            if measurement["value"] is not None:
                values.setdefault(measurement["name"], []).append(float(measurement["value"]))
    return {
        name: UsualRange(float(np.percentile(numbers, 5)), float(np.percentile(numbers, 95)), len(numbers))
        for name, numbers in values.items()
        if len(numbers) >= ENOUGH
    }
