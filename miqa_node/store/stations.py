"""A station's recent exposures, for the display in its room, with no patient data except the accession number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.policy import Disposition, Verdict
from miqa_node.errors import NotFoundError
from miqa_node.store import documents, worklist
from miqa_node.store.database import Transaction
from miqa_node.store.instances import load_assessment
from miqa_node.store.tables import dispositions, instances, studies, worklist_events

MAX_STATIONS = 200
ACKNOWLEDGED = "acknowledged"
"""Event of a study: somebody in the room has seen that an image was flagged."""


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
    digest: InstanceDigest | None = None
    study_instance_uid: str = ""
    accession_number: str = ""
    acknowledged: bool = False
    """Whether somebody in the room has seen that it was flagged."""

    @property
    def is_open(self) -> bool:
        """Whether it was flagged and nobody in the room has seen it yet."""
        return self.disposition is not None and self.disposition.flagged and not self.acknowledged


def acknowledge(transaction: Transaction, station: str, at: datetime, now: datetime) -> None:
    """Record that somebody in the room saw the exposure received at ``at``; NotFoundError if it was not flagged."""
    query = (
        sa.select(instances.c.study_instance_uid)
        .join(dispositions, dispositions.c.digest == instances.c.digest)
        .where(instances.c.station == station, instances.c.received_at == at, dispositions.c.flagged)
    )
    uids = set(transaction.execute(query).scalars())
    if not uids:
        raise NotFoundError("No flagged exposure of this station came at that time.")
    for uid in sorted(uids):
        worklist.note(transaction, uid, ACKNOWLEDGED, f"room {station}", "", now)


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
    has_image = sa.exists().where(
        worklist_events.c.study_instance_uid == instances.c.study_instance_uid,
        worklist_events.c.action == ACKNOWLEDGED,
        worklist_events.c.at >= dispositions.c.decided_at,
    )
    query = (
        sa.select(
            instances.c.digest,
            instances.c.study_instance_uid,
            instances.c.received_at,
            studies.c.accession_number,
            instances.c.modality,
            instances.c.body_part,
            instances.c.view,
            dispositions.c.verdict,
            dispositions.c.reasons,
            dispositions.c.policy_version,
            dispositions.c.scope,
            dispositions.c.decided_at,
            has_image.label("acknowledged"),
        )
        .join(studies, studies.c.study_instance_uid == instances.c.study_instance_uid)
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
                None if rows else load_assessment(transaction, InstanceDigest(row.digest)),
                InstanceDigest(row.digest),
                row.study_instance_uid,
                row.accession_number,
                bool(row.acknowledged),
            )
        )
    return rows
