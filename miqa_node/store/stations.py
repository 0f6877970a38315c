"""What a station made lately, without anything about patients: for the display in its room."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.policy import Disposition, Verdict
from miqa_node.store import documents
from miqa_node.store.database import Transaction
from miqa_node.store.tables import assessments, dispositions, instances

MAX_STATIONS = 200


@dataclass(frozen=True, slots=True)
class StationExposure:
    """One image; ``disposition`` is None while the node works on it."""

    received_at: datetime
    decided_at: datetime | None
    modality: str
    body_part: str
    view: str
    disposition: Disposition | None
    assessment: Assessment | None


def names(transaction: Transaction, since: datetime) -> list[str]:
    """Stations that sent images since then, by name."""
    query = (
        sa.select(instances.c.station)
        .where(instances.c.received_at >= since, instances.c.station != "")
        .distinct()
        .order_by(instances.c.station)
        .limit(MAX_STATIONS)
    )
    return list(transaction.execute(query).scalars())


def exposures(transaction: Transaction, station: str, since: datetime, limit: int) -> list[StationExposure]:
    """The station's newest images, newest first; the assessment only of the newest."""
    query = (
        sa.select(
            instances.c.digest,
            instances.c.received_at,
            instances.c.modality,
            instances.c.body_part,
            instances.c.view,
            dispositions.c.verdict,
            dispositions.c.reasons,
            dispositions.c.policy_version,
            dispositions.c.scope,
            dispositions.c.decided_at,
        )
        .join(dispositions, dispositions.c.digest == instances.c.digest, isouter=True)
        .where(instances.c.station == station, instances.c.received_at >= since)
        .order_by(instances.c.received_at.desc())
        .limit(limit)
    )
    rows: list[StationExposure] = []
    for row in transaction.execute(query):
        decided = (
            Disposition(Verdict(row.verdict), documents.load_reasons(row.reasons), row.policy_version, row.scope)
            if row.verdict
            else None
        )
        rows.append(
            StationExposure(
                row.received_at,
                row.decided_at,
                row.modality,
                row.body_part,
                row.view,
                decided,
                None if rows else _assessment(transaction, row.digest),
            )
        )
    return rows


def _assessment(transaction: Transaction, digest: str) -> Assessment | None:
    document = transaction.execute(
        sa.select(assessments.c.document).where(assessments.c.digest == digest)
    ).scalar_one_or_none()
    return None if document is None else documents.load_assessment(document)
