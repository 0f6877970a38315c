"""Stored reader studies: a protocol is written once, its images are drawn once, and a reading never changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Verdict
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.reader_study.tables import reader_studies, reader_study_images, reader_study_readings
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import acquisitions
from miqa_node.stages.units.rows import instances

JUDGED = (Verdict.ACCEPT.value, Verdict.REVIEW.value, Verdict.REJECT.value)


@dataclass(frozen=True, slots=True)
class StoredReaderStudy:
    """A protocol with its dates. ``available`` is the number of images of the period available for the draw."""

    name: str
    protocol: str
    planned_at: datetime
    planned_by: str
    collected_at: datetime | None
    available: int | None


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """An image of a study, with the node's result at the time of the draw; ``score`` is 1 for a flawless image."""

    digest: InstanceDigest
    run: int
    verdict: str
    score: float | None
    reasons: tuple[str, ...]

    @property
    def flagged(self) -> bool:
        """Whether the node flagged it."""
        return Verdict(self.verdict).flagged


@dataclass(frozen=True, slots=True)
class StudyReading:
    """A reading of an image: ``grade`` usable, limited or unusable; ``rating`` from 0 to 100, certainly unusable."""

    digest: InstanceDigest
    reader: str
    arm: str
    grade: str
    rating: int
    reasons: tuple[str, ...]
    read_at: datetime


def plan(transaction: Transaction, name: str, protocol: str, sha256: str, actor: str, now: datetime) -> None:
    """Store a protocol; ConflictError if the name is taken, because a protocol never changes."""
    values = {"name": name, "protocol": protocol, "protocol_sha256": sha256, "planned_at": now, "planned_by": actor}
    if not insert_or_ignore(transaction, reader_studies, values):
        raise ConflictError(
            "There is a study {name} already; a protocol does not change, so plan another one.", name=f"{name!r}"
        )


def select(transaction: Transaction) -> list[StoredReaderStudy]:
    """All studies, the newest first."""
    return [_study(row) for row in transaction.execute(_STUDIES.order_by(reader_studies.c.planned_at.desc()))]


def find(transaction: Transaction, name: str) -> StoredReaderStudy:
    """One study; NotFoundError if there is none with the name."""
    row = transaction.execute(_STUDIES.where(reader_studies.c.name == name)).one_or_none()
    if row is None:
        raise NotFoundError(
            "There is no reader study {name}; miqa-node study list shows those that were planned.", name=f"{name!r}"
        )
    return _study(row)


def candidates(
    transaction: Transaction, since: date, until: date, rooms: Collection[str]
) -> tuple[list[InstanceDigest], int]:
    """The judged exposures of a period in order of acquisition, and the number that were not judged."""
    period = [acquisitions.c.day >= since, acquisitions.c.day < until]
    if rooms:
        period.append(acquisitions.c.room.in_(list(rooms)))
    judged = (
        sa.select(acquisitions.c.digest)
        .where(*period, acquisitions.c.verdict.in_(JUDGED))
        .order_by(acquisitions.c.acquired_at, acquisitions.c.digest)
    )
    others = sa.select(sa.func.count()).where(*period, acquisitions.c.verdict.not_in(JUDGED))
    digests = [InstanceDigest(digest) for digest in transaction.execute(judged).scalars()]
    return digests, transaction.execute(others).scalar_one()


def collect(
    transaction: Transaction, name: str, drawn: Iterable[tuple[int, InstanceDigest]], available: int, now: datetime
) -> None:
    """Store the drawn images as (run, digest); ConflictError if there was already a draw."""
    done = transaction.execute(
        sa.update(reader_studies)
        .where(reader_studies.c.name == name, reader_studies.c.collected_at.is_(None))
        .values(collected_at=now, available=available)
        .returning(reader_studies.c.name)
    ).first()
    if done is None:
        raise ConflictError(
            "The images of {name} were drawn before; a second draw would not be random any more.", name=f"{name!r}"
        )
    for run, digest in drawn:
        assessment = instances.load_assessment(transaction, digest)
        disposition = instances.load_disposition(transaction, digest)
        if disposition is None:
            raise NotFoundError("{digest} has no verdict.", digest=digest)
        values = {
            "study": name,
            "digest": digest,
            "run": run,
            "verdict": disposition.verdict.value,
            "score": None if assessment is None else assessment.score,
            "reasons": [reason.text for reason in disposition.reasons],
        }
        transaction.execute(sa.insert(reader_study_images).values(values))


def images(transaction: Transaction, name: str) -> list[DrawnImage]:
    """The images of a study, in the order of their digests."""
    query = sa.select(reader_study_images).where(reader_study_images.c.study == name)
    return [
        DrawnImage(InstanceDigest(row.digest), row.run, row.verdict, row.score, tuple(row.reasons))
        for row in transaction.execute(query.order_by(reader_study_images.c.digest))
    ]


def readings(transaction: Transaction, name: str, reader: str = "") -> list[StudyReading]:
    """All readings of a study, or those of one reader, oldest first."""
    query = sa.select(reader_study_readings).where(reader_study_readings.c.study == name)
    if reader:
        query = query.where(reader_study_readings.c.reader == reader)
    return [
        StudyReading(
            InstanceDigest(row.digest), row.reader, row.arm, row.grade, row.rating, tuple(row.reasons), row.read_at
        )
        for row in transaction.execute(query.order_by(reader_study_readings.c.read_at))
    ]


def read(transaction: Transaction, name: str, reading: StudyReading) -> None:
    """Store a reading; ConflictError if this reader has already read the image in this arm."""
    values = {
        "study": name,
        "digest": reading.digest,
        "reader": reading.reader,
        "arm": reading.arm,
        "grade": reading.grade,
        "rating": reading.rating,
        "reasons": list(reading.reasons),
        "read_at": reading.read_at,
    }
    if not insert_or_ignore(transaction, reader_study_readings, values):
        raise ConflictError("You have read this image already; a reading does not change.")
    detail = {"action": "reading", "reader_study": name}
    entry = AuditEntry(AuditEvent.DECIDED, reading.read_at, reading.reader, digest=reading.digest, detail=detail)
    records.add(transaction, entry)


_STUDIES = sa.select(
    reader_studies.c.name,
    reader_studies.c.protocol,
    reader_studies.c.planned_at,
    reader_studies.c.planned_by,
    reader_studies.c.collected_at,
    reader_studies.c.available,
)


def _study(row: Any) -> StoredReaderStudy:
    return StoredReaderStudy(row.name, row.protocol, row.planned_at, row.planned_by, row.collected_at, row.available)
