"""The complete history of an image, for ``explain``, the pages and the REST interface."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.instance import (
    Header,
    InstanceDigest,
    SopInstanceUid,
    StoredInstance,
    StudyInstanceUid,
    StudyRecord,
)
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.errors import NotFoundError
from miqa_node.runtime.store import documents
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.phrase_columns import loaded
from miqa_node.stages.units.rows import copies, exposures, instances
from miqa_node.stages.units.rows.copies import ImageCopy
from miqa_node.stages.units.rows.standing import UnitStanding, standings


@dataclass(frozen=True, slots=True)
class DeliveryHistory:
    """The delivery of one result to one destination."""

    destination: str
    state: DeliveryState
    attempts: int
    queued_at: datetime
    next_attempt_at: datetime
    sent_at: datetime | None
    last_error: str
    note: str
    """How it arrived, if in another way than usual."""


@dataclass(frozen=True, slots=True)
class ResultHistory:
    """One object made from the image, or one event about it, with its deliveries.

    For an event, ``kind`` is its type, ``sop_instance_uid`` its identifier, and the other texts are empty.
    """

    sop_instance_uid: str
    sop_class_uid: str
    kind: str
    object_key: str
    made_at: datetime
    deliveries: tuple[DeliveryHistory, ...]


@dataclass(frozen=True, slots=True)
class InstanceHistory:
    """One image from its arrival to the last delivery; None for stages not reached.

    ``experimental``: it was judged or measured, and that does not count yet, so its verdict is NOT_ASSESSED.
    """

    instance: StoredInstance
    peer_address: str
    size_bytes: int
    attempts: int
    assessment: Assessment | None
    disposition: Disposition | None
    decided_at: datetime | None
    results: tuple[ResultHistory, ...]
    copies: tuple[ImageCopy, ...] = ()
    """The same image in other encodings."""
    derived_from: SopInstanceUid | None = None
    """The plain image of the same exposure from which this one derives; None if it is plain itself."""
    experimental: bool = False
    late: str = ""
    """What came of its series after the verdict."""


@dataclass(frozen=True, slots=True)
class StudyMember:
    """One instance of a study; ``assessed``: by itself, not only with its series."""

    digest: InstanceDigest
    header: Header
    verdict: Verdict | None
    assessed: bool


@dataclass(frozen=True, slots=True)
class WorklistEvent:
    """One event of a worklist item; rows are only added."""

    at: datetime
    action: str
    actor: str
    comment: str

    @property
    def words(self) -> str:
        """The action as text for people: a requested retake is not done yet."""
        if self.action == Resolution.RETAKEN.value:
            return "retake requested"
        return Resolution(self.action).words if self.action in set(Resolution) else self.action


def of_instance(transaction: Transaction, digest: InstanceDigest) -> InstanceHistory:
    """The history of one instance; NotFoundError if it does not exist."""
    instance = instances.load(transaction, digest)
    origin = transaction.execute(
        sa.select(t.instances.c.peer_address, t.instances.c.size_bytes).where(t.instances.c.digest == digest)
    ).one()
    attempt_count = transaction.execute(
        sa.select(t.attempts.c.begun).where(t.attempts.c.digest == digest)
    ).scalar_one_or_none()
    decided_at = transaction.execute(
        sa.select(t.dispositions.c.decided_at).where(t.dispositions.c.digest == digest)
    ).scalar_one_or_none()
    assessment = instances.load_assessment(transaction, digest)
    disposition = instances.load_disposition(transaction, digest)
    return InstanceHistory(
        instance=instance,
        peer_address=origin.peer_address,
        size_bytes=origin.size_bytes,
        attempts=attempt_count or 0,
        assessment=assessment,
        disposition=disposition,
        decided_at=decided_at,
        results=_results(transaction, digest),
        copies=copies.of_instance(transaction, digest),
        derived_from=exposures.plain_of(transaction, instance) if assessment and assessment.derived else None,
        experimental=disposition is not None and disposition.experimental,
    )


def of_uid(transaction: Transaction, uid: str, *, limit: int) -> list[InstanceHistory]:
    """Histories of all instances of a SOP instance, series or study UID or a digest, oldest first."""
    histories = [of_instance(transaction, digest) for digest in instances.find(transaction, uid)[:limit]]
    units = standings(transaction, [one.instance.header for one in histories])
    return [
        one if unit is None else replace(one, late=unit.late.sentence)
        for one, unit in zip(histories, units, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class SeriesHistory:
    """An image, or a CT or MR series by the slice that its assessment and reports are kept with."""

    image: InstanceHistory
    slices: int
    verdict: Verdict | None


def by_series(transaction: Transaction, uid: str, *, limit: int) -> list[SeriesHistory]:
    """The same as :func:`of_uid` with each series, or stack of series of one slice each, as one."""
    of = t.instances.c
    query = sa.select(of.digest, of.header).where(instances.is_named(uid)).order_by(of.received_at, of.digest)
    named = [(InstanceDigest(row.digest), documents.load_header(row.header)) for row in transaction.execute(query)]
    units = standings(transaction, [header for _, header in named])
    shown: dict[str, tuple[InstanceDigest, UnitStanding | None]] = {}
    for (digest, header), unit in zip(named, units, strict=True):
        own = unit.representative if unit is not None else digest
        stack = own or f"{header.study_instance_uid} {header.series_instance_uid}"
        if shown.get(stack, (None,))[0] != own or own is None:
            shown[stack] = digest, unit
    return [_as_one(transaction, *one) for one in list(shown.values())[:limit]]


def _as_one(transaction: Transaction, digest: InstanceDigest, unit: UnitStanding | None) -> SeriesHistory:
    image = of_instance(transaction, digest)
    if unit is None:
        return SeriesHistory(image, 1, None if image.disposition is None else image.disposition.verdict)
    return SeriesHistory(replace(image, late=unit.late.sentence), unit.members, unit.verdict)


def members(transaction: Transaction, study_instance_uid: str) -> list[StudyMember]:
    """Every instance of a study, oldest first."""
    query = (
        sa.select(
            t.instances.c.digest, t.instances.c.header, t.dispositions.c.verdict, t.assessments.c.digest.label("own")
        )
        .join(t.dispositions, t.dispositions.c.digest == t.instances.c.digest, isouter=True)
        .join(t.assessments, t.assessments.c.digest == t.instances.c.digest, isouter=True)
        .where(t.instances.c.study_instance_uid == study_instance_uid)
        .order_by(t.instances.c.received_at, t.instances.c.digest)
    )
    return [
        StudyMember(
            InstanceDigest(row.digest),
            documents.load_header(row.header),
            Verdict(row.verdict) if row.verdict else None,
            row.own is not None,
        )
        for row in transaction.execute(query)
    ]


def of_study(transaction: Transaction, study_instance_uid: str) -> StudyRecord:
    """Identification of a study; NotFoundError if it has no objects."""
    row = transaction.execute(
        sa.select(t.studies).where(t.studies.c.study_instance_uid == study_instance_uid)
    ).one_or_none()
    if row is None:
        raise NotFoundError(
            "Nothing was received of the study {study_instance_uid}.", study_instance_uid=study_instance_uid
        )
    return StudyRecord(
        study_instance_uid=StudyInstanceUid(row.study_instance_uid),
        accession_number=row.accession_number,
        patient_id=row.patient_id,
        patient_name=row.patient_name,
        study_date=row.study_date,
        study_description=row.study_description,
    )


def of_worklist(transaction: Transaction, study_instance_uid: str) -> list[WorklistEvent]:
    """The events of a flagged study, oldest first."""
    events = t.worklist_events
    query = (
        sa.select(events.c.at, events.c.action, events.c.actor, events.c.comment, events.c.comment_phrase)
        .where(events.c.study_instance_uid == study_instance_uid)
        .order_by(events.c.event_id)
    )
    return [
        WorklistEvent(row.at, row.action, row.actor, loaded(row.comment, row.comment_phrase))
        for row in transaction.execute(query)
    ]


def _results(transaction: Transaction, digest: InstanceDigest) -> tuple[ResultHistory, ...]:
    objects = transaction.execute(
        sa.select(t.results).where(t.results.c.digest == digest).order_by(t.results.c.kind)
    ).all()
    events = transaction.execute(
        sa.select(t.events).where(t.events.c.digest == digest).order_by(t.events.c.occurred_at, t.events.c.event_id)
    ).all()
    to = t.deliveries.c
    rows = transaction.execute(
        sa.select(t.deliveries)
        .where(
            sa.or_(
                to.sop_instance_uid.in_([row.sop_instance_uid for row in objects]),
                to.event_id.in_([row.event_id for row in events]),
            )
        )
        .order_by(to.destination)
    )
    sent: dict[str, list[DeliveryHistory]] = {}
    for row in rows:
        sent.setdefault(row.sop_instance_uid or row.event_id, []).append(
            DeliveryHistory(
                row.destination,
                DeliveryState(row.state),
                row.attempts,
                row.queued_at,
                row.next_attempt_at,
                row.sent_at,
                loaded(row.last_error, row.last_error_phrase),
                loaded(row.note, row.note_phrase),
            )
        )
    results = (
        *((row.sop_instance_uid, row.sop_class_uid, row.kind, row.object_key, row.made_at) for row in objects),
        *((row.event_id, "", row.event_type, "", row.occurred_at) for row in events),
    )
    return tuple(ResultHistory(*values, tuple(sent.get(values[0], ()))) for values in results)
