"""Received instances, their assessments and verdicts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.instance import Header, InstanceDigest, ReceivedObject, StoredInstance, StudyRecord
from miqa_node.core.domain.retention import Removal, RemovalCause
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.errors import NotFoundError
from miqa_node.runtime.people import patients
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_of, insert_or_ignore, insert_unless_taken
from miqa_node.runtime.store.phrase_columns import loaded, stored
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import assessments, attempts, dispositions, instances, series

CLOCK_SLACK = timedelta(days=1)
"""How much earlier a verdict may seem to be than its image, if a clock was set back in between."""

_EARLIER = instances.alias()
_THIS = sa.bindparam("this", type_=instances.c.digest.type)
_LOAD = DriverStatement(lambda _dialect: sa.select(instances).where(instances.c.digest == _THIS))
_LOAD_ASSESSMENT = DriverStatement(
    lambda _dialect: sa.select(assessments.c.document).where(assessments.c.digest == _THIS)
)
_LOAD_DISPOSITION = DriverStatement(lambda _dialect: sa.select(dispositions).where(dispositions.c.digest == _THIS))


class Novelty(StrEnum):
    """Whether an arriving instance is new."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """The same bytes arrived before: success, without a second job."""
    CONFLICTING = "conflicting"
    """The same UID arrived before with other bytes: both are kept, the later is flagged."""


def record(
    transaction: Transaction,
    header: Header,
    study: StudyRecord,
    received: ReceivedObject,
    object_key: str,
    operator: str = "",
) -> Novelty:
    """Record an instance in the object store; ``operator`` is a pseudonym, unless names are allowed."""
    patient = patients.before(transaction, study, received.received_at)
    patient = patients.add_study(transaction, patient, study, identification(study), received.received_at)
    row = _INSERT.run(
        transaction,
        {
            "digest": received.digest,
            "sop_instance_uid": header.sop_instance_uid,
            "uid": header.sop_instance_uid,
            "sop_class_uid": header.sop_class_uid,
            "series_instance_uid": header.series_instance_uid,
            "study_instance_uid": header.study_instance_uid,
            "modality": header.modality[:16],
            "body_part": header.body_part_examined,
            "view": header.view_position,
            "station": header.station_name,
            "header": documents.dump_header(header),
            "object_key": object_key,
            "size_bytes": received.size_bytes,
            "file_bytes": received.file_bytes,
            "calling_ae_title": received.calling_ae_title[:16],
            "peer_address": received.peer_address,
            "received_at": received.received_at,
            "operator": operator,
            "patient_number": patient.patient_number,
        },
    )
    if row is None:
        return Novelty.DUPLICATE
    patients.place(transaction, patient, study, received.received_at, datetime.now(UTC))
    _digest, conflicting = row
    return Novelty.CONFLICTING if conflicting else Novelty.NEW


def _insert(dialect: str) -> sa.sql.dml.ReturningInsert[Any]:
    """Insert of an instance; the parameter ``uid`` is its SOP Instance UID once more."""
    earlier = sa.exists().where(_EARLIER.c.sop_instance_uid == sa.bindparam("uid"))
    return insert_unless_taken(dialect, instances).values(conflicting=earlier).returning(instances.c.conflicting)


_INSERT = DriverStatement(_insert)


def identification(study: StudyRecord) -> dict[str, str]:
    """The identifying columns of a study."""
    return {
        "accession_number": study.accession_number,
        "patient_id": study.patient_id,
        "patient_name": study.patient_name,
        "study_date": study.study_date,
        "study_description": study.study_description,
    }


def load(transaction: Transaction, digest: InstanceDigest) -> StoredInstance:
    """The instance of a digest; NotFoundError if it does not exist."""
    row = _LOAD.run(transaction, {"this": digest})
    if row is None:
        raise NotFoundError("No instance has the digest {digest}.", digest=digest)
    return StoredInstance(
        digest=InstanceDigest(row.digest),
        header=documents.load_header(row.header),
        object_key=row.object_key,
        received_at=row.received_at,
        calling_ae_title=row.calling_ae_title,
        operator=row.operator,
        conflicting=row.conflicting,
        removal=Removal(row.removed_at, RemovalCause(row.removal_cause)) if row.removed_at else None,
        generation=row.generation,
    )


def find(transaction: Transaction, uid: str) -> list[InstanceDigest]:
    """Digests of all instances of a SOP instance, series or study UID or a digest, oldest first."""
    query = sa.select(instances.c.digest).where(is_named(uid)).order_by(instances.c.received_at)
    return [InstanceDigest(digest) for digest in transaction.execute(query).scalars()]


def is_named(uid: str) -> sa.ColumnElement[bool]:
    """Whether an instance has this SOP instance, series or study UID, or this digest."""
    of = instances.c
    return sa.or_(
        of.sop_instance_uid == uid, of.series_instance_uid == uid, of.study_instance_uid == uid, of.digest == uid
    )


def generations(transaction: Transaction, digests: Collection[str]) -> dict[str, int]:
    """How often each was judged again, which is part of the keys of saliency maps."""
    query = sa.select(instances.c.digest, instances.c.generation).where(instances.c.digest.in_(digests))
    return {row.digest: row.generation for row in transaction.execute(query)}


def begin_attempt(transaction: Transaction, digest: InstanceDigest, now: datetime) -> tuple[int, datetime]:
    """Count an attempt to judge an instance; returns the number of attempts and when the first of them began."""
    row = _BEGIN.run(transaction, {"digest": digest, "begun": 1, "began_at": now})
    return row.begun, row.began_at


def first_of(table: sa.Table, now: sa.ColumnElement[datetime]) -> sa.ColumnElement[datetime]:
    """When the first counted attempt of a row began; this one, if none is counted or an earlier version began it."""
    return sa.case((table.c.begun > 0, sa.func.coalesce(table.c.began_at, now)), else_=now)


def _begin(dialect: str) -> sa.sql.dml.ReturningInsert[Any]:
    first = insert_of(dialect, attempts)
    again = {"begun": attempts.c.begun + 1, "began_at": first_of(attempts, first.excluded.began_at)}
    counted = first.on_conflict_do_update(index_elements=[attempts.c.digest], set_=again)
    return counted.returning(attempts.c.begun, attempts.c.began_at)


_BEGIN = DriverStatement(_begin)


def take_back_attempt(transaction: Transaction, digest: InstanceDigest) -> None:
    """An attempt ended because a resource was missing; the image is not to blame."""
    condition = attempts.c.digest == digest, attempts.c.begun > 0
    transaction.execute(sa.update(attempts).where(*condition).values(begun=attempts.c.begun - 1))


def save_assessment(transaction: Transaction, assessment: Assessment) -> bool:
    """Store an assessment; False if the instance already has one, which stays."""
    model = assessment.model
    return insert_or_ignore(
        transaction,
        assessments,
        {
            "digest": assessment.digest,
            "document": documents.dump_assessment(assessment),
            "score": assessment.score,
            "model_name": model.name if model else "",
            "model_version": model.version if model else "",
            "model_sha256": model.sha256 if model else "",
            "assessed_at": assessment.assessed_at,
        },
    )


def load_assessment(transaction: Transaction, digest: InstanceDigest) -> Assessment | None:
    """The assessment of an instance; None if it has not been assessed yet."""
    row = _LOAD_ASSESSMENT.run(transaction, {"this": digest})
    return None if row is None else documents.load_assessment(row.document)


def save_disposition(
    transaction: Transaction,
    digest: InstanceDigest,
    study_instance_uid: str,
    disposition: Disposition,
    decided_at: datetime,
) -> bool:
    """Store a verdict; False if the instance already has one."""
    is_new = insert_or_ignore(
        transaction,
        dispositions,
        {
            "digest": digest,
            "study_instance_uid": study_instance_uid,
            "verdict": disposition.verdict.value,
            "flagged": disposition.flagged,
            "policy_version": disposition.policy_version,
            "scope": disposition.scope,
            "reasons": documents.dump_reasons(disposition.reasons),
            "rules": documents.dump_rules(disposition.rules),
            "search": documents.dump_search(disposition.search),
            "decided_at": decided_at,
            **stored(certificate=disposition.certificate),
        },
    )
    if is_new:
        detail = {"verdict": disposition.verdict.value, "policy": disposition.policy_version}
        entry = AuditEntry(AuditEvent.VERDICT, decided_at, study=study_instance_uid, digest=digest, detail=detail)
        records.add(transaction, entry)
    return is_new


def load_disposition(transaction: Transaction, digest: InstanceDigest) -> Disposition | None:
    """The verdict of an instance; None if it is pending."""
    row = _LOAD_DISPOSITION.run(transaction, {"this": digest})
    if row is None:
        return None
    disposition = Disposition(
        Verdict(row.verdict),
        documents.load_reasons(row.reasons),
        row.policy_version,
        row.scope,
        certificate=loaded(row.certificate, row.certificate_phrase),
        rules=documents.load_rules(row.rules),
        search=documents.load_search(row.search),
    )
    return replace(disposition, attention=row.flagged and not disposition.flagged)


@dataclass(frozen=True, slots=True)
class InstanceCounts:
    """Number of instances by stage."""

    received: int
    decided: int
    verdicts: dict[str, int]


def by_sender(transaction: Transaction, since: datetime) -> list[tuple[str, str, int, datetime]]:
    """(calling AE title, address, images, last arrival) since a moment, most recent first."""
    of = instances.c
    last = sa.func.max(of.received_at, type_=of.received_at.type)
    query = (
        sa.select(of.calling_ae_title, of.peer_address, sa.func.count(), last)
        .where(of.received_at >= since)
        .group_by(of.calling_ae_title, of.peer_address)
        .order_by(last.desc())
    )
    return [(row[0], row[1], int(row[2]), row[3]) for row in transaction.execute(query)]


def count_undecided(transaction: Transaction, since: datetime) -> int:
    """Number of images that arrived since a moment and wait for a verdict."""
    return _undecided(transaction, since, sa.func.count(), instances)


def count_undecided_units(transaction: Transaction, since: datetime) -> int:
    """The same, of images and series: all slices of a series get one verdict."""
    unit = sa.func.coalesce(series.c.series_instance_uid, instances.c.digest)
    of_series = series.c.series_instance_uid == instances.c.series_instance_uid
    return _undecided(transaction, since, sa.func.count(unit.distinct()), instances.outerjoin(series, of_series))


def _undecided(transaction: Transaction, since: datetime, number: sa.ColumnElement[int], images: sa.FromClause) -> int:
    of = dispositions.c
    # A verdict follows its image. Said here, it saves one look into a large index for each image of recent days.
    verdict = sa.exists().where(of.digest == instances.c.digest, of.decided_at >= since - CLOCK_SLACK)
    query = sa.select(number).select_from(images).where(instances.c.received_at >= since, ~verdict)
    return transaction.execute(query).scalar_one()


class UndecidedCount:
    """Counts the images that wait for a verdict, those of the last day each time.

    To count older ones, the database reads an index of all images: that takes at most a hundredth of the time.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        recent: Callable[[Transaction, datetime], int] = count_undecided,
    ) -> None:
        """``recent`` counts those that arrived since a moment; those before are counted as images."""
        self._clock, self._recent = clock, recent
        self._boundary = datetime.min.replace(tzinfo=UTC)
        self._older = 0
        self._next_at = -math.inf

    def count(self, transaction: Transaction, now: datetime) -> int:
        """The number now; older images may be counted as they were some minutes ago."""
        began = self._clock()
        if began >= self._next_at:
            self._boundary = now - timedelta(days=1)
            recent = count_undecided(transaction, self._boundary)
            self._older = max(0, _rows(transaction, instances) - _rows(transaction, dispositions) - recent)
            ended = self._clock()
            self._next_at = ended + 100.0 * (ended - began)
        return self._older + self._recent(transaction, self._boundary)


def _rows(transaction: Transaction, table: sa.Table) -> int:
    return transaction.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def count(transaction: Transaction) -> InstanceCounts:
    """Counts of all instances."""
    verdicts = transaction.execute(
        sa.select(dispositions.c.verdict, sa.func.count()).group_by(dispositions.c.verdict)
    ).all()
    by_verdict = {row[0]: int(row[1]) for row in verdicts}
    return InstanceCounts(_rows(transaction, instances), sum(by_verdict.values()), by_verdict)
