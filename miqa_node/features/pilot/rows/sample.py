"""The sample of a pilot: drawn once, fetched again, and read by one or two people who do not see the verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.patient import PatientKey
from miqa_node.errors import ConflictError
from miqa_node.features.pilot.rows import images
from miqa_node.features.pilot.rows.images import FoundImage
from miqa_node.features.pilot.strata import DrawnStratum
from miqa_node.features.pilot.tables import pilot_images, pilot_readings, pilot_sample, pilots
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Transaction, insert_or_ignore

_OF = pilot_sample.c


@dataclass(frozen=True, slots=True)
class SampleReading:
    """One person's grade of one image."""

    image_id: int
    reader: str
    grade: str
    rating: int
    reasons: tuple[str, ...]
    read_at: datetime


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """Drawn images, those that can be read, those that the source no longer has, and readings by account."""

    drawn: int
    fetched: int
    lost: int
    second: int
    read: Mapping[str, int]


def store(
    transaction: Transaction,
    pilot: str,
    strata: Sequence[DrawnStratum],
    order: Sequence[int],
    readers: Sequence[str],
    seconds: Collection[int],
    now: datetime,
) -> None:
    """Write a sample; ``order`` are its images by number, ``seconds`` those for both readers.

    ConflictError if there was a draw before.
    """
    first = pilots.c.name == pilot, pilots.c.sampled_at.is_(None)
    values = {"sampled_at": now, "readers": list(readers)}
    if not transaction.execute(sa.update(pilots).where(*first).values(values)).rowcount:
        raise ConflictError("A sample of {name} was drawn before; a second draw would not be random.", name=pilot)
    places = {number: place for place, number in enumerate(order)}
    for one in strata:
        for part in batches([image.image_id for image in one.images]):
            of_it = sa.update(pilot_images).where(pilot_images.c.image_id.in_(part))
            transaction.execute(of_it.values(stratum=one.name))
        for image in one.drawn:
            row = {
                "image_id": image.image_id, "pilot": pilot, "loss": "", "attempts": 0,
                "drawn_order": places[image.image_id], "is_second": image.image_id in seconds,
            }  # fmt: skip
            transaction.execute(sa.insert(pilot_sample).values(row))


def waiting(transaction: Transaction, pilot: str, _day: str | None, limit: int) -> list[tuple[int, FoundImage]]:
    """Drawn images, by number, that nobody can read yet; those that failed come last, and not for ever."""
    mine = pilot_images.join(pilot_sample, pilot_sample.c.image_id == pilot_images.c.image_id)
    query = sa.select(pilot_images).select_from(mine).where(_OF.pilot == pilot, _OF.picture.is_(None))
    due = query.where(_OF.attempts < images.MOST_ATTEMPTS).order_by(_OF.attempts, _OF.drawn_order).limit(limit)
    return [(row.image_id, images.found(row)) for row in transaction.execute(due)]


def is_due(transaction: Transaction, image_id: int, _patient: PatientKey) -> bool:
    """Whether an image is still in the sample; it goes with a patient who is erased."""
    return transaction.execute(sa.select(_OF.image_id).where(_OF.image_id == image_id)).first() is not None


def keep(transaction: Transaction, image_id: int, picture: bytes) -> None:
    """The picture that readers see; nothing is kept if the patient was erased meanwhile."""
    transaction.execute(sa.update(pilot_sample).where(_OF.image_id == image_id).values(picture=picture, loss=""))


def fail(transaction: Transaction, image_id: int, words: str) -> None:
    """The source did not give it, in its words."""
    values = {"loss": words, "attempts": _OF.attempts + 1}
    transaction.execute(sa.update(pilot_sample).where(_OF.image_id == image_id).values(values))


def losses(transaction: Transaction, pilot: str) -> dict[int, str]:
    """What the source no longer gave, in its words, by image."""
    rows = transaction.execute(sa.select(_OF.image_id, _OF.loss).where(_OF.pilot == pilot, _OF.loss != ""))
    return {row.image_id: row.loss for row in rows}


def picture(transaction: Transaction, pilot: str, image_id: int) -> bytes | None:
    """A JPEG; None if there is none."""
    query = sa.select(_OF.picture).where(_OF.image_id == image_id, _OF.pilot == pilot)
    return transaction.execute(query).scalar_one_or_none()


def to_read(transaction: Transaction, pilot: str, reader: str, *, is_second: bool) -> list[int]:
    """Images that a reader has not read yet, by number, in the order of the draw."""
    own = sa.select(pilot_readings.c.image_id).where(pilot_readings.c.reader == reader)
    where = [_OF.pilot == pilot, _OF.picture.is_not(None), _OF.image_id.not_in(own)]
    where += [_OF.is_second] if is_second else []
    return list(transaction.execute(sa.select(_OF.image_id).where(*where).order_by(_OF.drawn_order)).scalars())


def read(transaction: Transaction, pilot: str, reading: SampleReading) -> None:
    """Store a reading; ConflictError if this reader has read the image."""
    row = {
        "image_id": reading.image_id, "reader": reading.reader, "grade": reading.grade, "rating": reading.rating,
        "reasons": list(reading.reasons), "read_at": reading.read_at,
    }  # fmt: skip
    if not insert_or_ignore(transaction, pilot_readings, row):
        raise ConflictError("You have read this image already; a reading does not change.")
    entry = AuditEntry(
        AuditEvent.DECIDED, reading.read_at, reading.reader, detail={"action": "reading", "pilot": pilot}
    )
    records.add(transaction, entry)


def readings(transaction: Transaction, pilot: str) -> list[SampleReading]:
    """All of a pilot."""
    mine = pilot_readings.join(pilot_sample, pilot_sample.c.image_id == pilot_readings.c.image_id)
    rows = transaction.execute(sa.select(pilot_readings).select_from(mine).where(_OF.pilot == pilot))
    return [
        SampleReading(one.image_id, one.reader, one.grade, one.rating, tuple(one.reasons), one.read_at) for one in rows
    ]


def strata(transaction: Transaction, pilot: str) -> dict[str, tuple[int, int]]:
    """(images, drawn) by name, of the images that are left."""
    of, number = pilot_images.c, sa.func.count
    joined = pilot_images.outerjoin(pilot_sample, _OF.image_id == of.image_id)
    query = sa.select(of.stratum, number(), number(_OF.image_id)).select_from(joined).group_by(of.stratum)
    rows = transaction.execute(query.where(of.pilot == pilot, of.stratum != "").order_by(of.stratum))
    return {row[0]: (row[1], row[2]) for row in rows}


def counts(transaction: Transaction, pilot: str) -> SampleCounts:
    """How far a sample is."""
    number = sa.func.count()
    query = sa.select(
        number, number.filter(_OF.picture.is_not(None)), number.filter(_OF.loss != ""), number.filter(_OF.is_second)
    ).where(_OF.pilot == pilot)
    of = pilot_readings.c
    mine = pilot_readings.join(pilot_sample, pilot_sample.c.image_id == of.image_id)
    read_by = sa.select(of.reader, number).select_from(mine).where(_OF.pilot == pilot).group_by(of.reader)
    by_reader = {row[0]: row[1] for row in transaction.execute(read_by)}
    return SampleCounts(*transaction.execute(query).one(), by_reader)
