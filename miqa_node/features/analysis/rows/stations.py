"""A station's recent exposures, for the display in its room, with no patient data except the accession number."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.domain.worklist import WorklistState
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import NotFoundError
from miqa_node.runtime.site_records import study_notes
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import dispositions, instances, studies, worklist_events, worklist_facets
from miqa_node.runtime.store.tables import worklist as worklist_items
from miqa_node.stages.units.rows.instances import load_assessment

MAX_STATIONS = 200
MOST_UNRESOLVED = 500
"""Number of unresolved studies of a station, the newest, among which the unseen are looked for."""
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
        study_notes.note(transaction, uid, ACKNOWLEDGED, Phrase("room {station}", station=station), "", now)


def names(transaction: Transaction, since: datetime, modalities: Collection[str] = ()) -> list[str]:
    """Stations that sent images since then, by name; those of these modalities, empty: of any."""
    query = (
        sa.select(instances.c.station)
        .where(instances.c.received_at >= since, instances.c.station != "")
        .distinct()
        .order_by(instances.c.station)
        .limit(MAX_STATIONS)
    )
    if modalities:
        query = query.where(instances.c.modality.in_(sorted(modalities)))
    return list(transaction.execute(query).scalars())


def exposures(transaction: Transaction, station: str, since: datetime, limit: int) -> list[StationExposure]:
    """The station's newest images, newest first; the assessment only of the newest."""
    of_station = _select().where(instances.c.station == station, instances.c.received_at >= since)
    rows = transaction.execute(of_station.order_by(instances.c.received_at.desc()).limit(limit)).all()
    newest = load_assessment(transaction, InstanceDigest(rows[0].digest)) if rows else None
    return [_exposure(row, None if number else newest) for number, row in enumerate(rows)]


def unseen(transaction: Transaction, station: str, limit: int, since: datetime) -> list[StationExposure]:
    """Its flagged images since then that nobody has seen, newest first, however many came.

    What people resolved on the worklist, they have seen.
    """
    of = worklist_items.c
    unresolved = (
        sa.select(of.study_instance_uid)
        .join(worklist_facets, worklist_facets.c.study_instance_uid == of.study_instance_uid)
        .where(worklist_facets.c.label == f"station:{station}", of.state != WorklistState.RESOLVED.value)
        .order_by(of.flagged_at.desc())
        .limit(MOST_UNRESOLVED)
    )
    # Two statements: a database may otherwise go through all images that the station ever sent.
    study_uids = list(transaction.execute(unresolved).scalars())
    verdicts = [verdict.value for verdict in Verdict if verdict.flagged]  # a prediction that waits is not for the room
    of_station = instances.c.station == station, instances.c.received_at >= since
    flagged = *of_station, dispositions.c.verdict.in_(verdicts), dispositions.c.flagged
    query = _select().where(instances.c.study_instance_uid.in_(study_uids), *flagged, sa.not_(_SEEN))
    rows = transaction.execute(query.order_by(instances.c.received_at.desc()).limit(limit)).all()
    return [_exposure(row, None) for row in rows]


_SEEN = sa.exists().where(
    worklist_events.c.study_instance_uid == instances.c.study_instance_uid,
    worklist_events.c.action == ACKNOWLEDGED,
    worklist_events.c.at >= dispositions.c.decided_at,
)


def _select() -> sa.Select[Any]:
    return (
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
            _SEEN.label("acknowledged"),
        )
        .join(studies, studies.c.study_instance_uid == instances.c.study_instance_uid)
        .join(dispositions, dispositions.c.digest == instances.c.digest, isouter=True)
    )


def _exposure(row: sa.Row[Any], assessment: Assessment | None) -> StationExposure:
    decided = None
    if row.verdict:
        reasons = documents.load_reasons(row.reasons)
        decided = Disposition(Verdict(row.verdict), reasons, row.policy_version, row.scope)
    return StationExposure(
        row.received_at,
        row.decided_at,
        row.modality,
        row.body_part,
        row.view,
        decided,
        assessment,
        InstanceDigest(row.digest),
        row.study_instance_uid,
        row.accession_number,
        bool(row.acknowledged),
    )
