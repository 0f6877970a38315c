"""Adds what was measured to the history of its scanner, compares it with what is usual, and makes ranges anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.domain.scanner_protocol import ScannerProtocol, protocol_of
from miqa_node.features.usual_ranges.baseline import (
    SeriesNumbers,
    flagging,
    is_enough,
    ranged,
    ranges_of,
    unusual_among,
)
from miqa_node.features.usual_ranges.rows import documents as own_documents
from miqa_node.features.usual_ranges.tables import usual_baselines, usual_series
from miqa_node.runtime.site_records import confirmed_ranges
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import (
    assessments,
    dispositions,
    instances,
    patient_readings,
    patients,
    rollup_marks,
    source_headers,
)
from miqa_node.runtime.store.upkeep import unless_erased
from miqa_node.stages.units.base import installed, unit_of

MARK, HOSPITALS_MARK = "usual ranges", "usual ranges: hospitals"
OVERLAP = timedelta(minutes=2)
"""Overlap with the last run: a transaction beginnings before it may have committed after it."""
LOCK = 7205179
"""Key of PostgreSQL's advisory lock: one process at a time."""
WINDOW, MOST_SERIES = timedelta(days=180), 4000
"""A range is made of at most so many series of the last days of a baseline."""
CLOCK_AHEAD = timedelta(days=1)
"""The scanner's clock has its own zone, that of reception is UTC."""
LEAST_ABSURD = 1e30
"""A dose in a header may be any number; a range of such ones is endless, which no JSON of PostgreSQL takes."""
RENEWAL = 20
"""Ranges are made anew when a twentieth of the series is new."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the verdicts were read: those at or before it are done."""

    at: datetime
    digest: str = ""


@dataclass(frozen=True, slots=True)
class MeasuredSeries:
    """A series, or an image that is judged by itself, as the history takes it."""

    subject: str
    digest: InstanceDigest
    assessed_at: datetime
    protocol: ScannerProtocol
    numbers: SeriesNumbers


def is_alone(transaction: Transaction) -> bool:
    """Whether no other process reads verdicts until the transaction ends."""
    if transaction.dialect.name == "sqlite":
        return True  # rows are written once, whoever writes them
    return bool(transaction.execute(sa.select(sa.func.pg_try_advisory_xact_lock(LOCK))).scalar_one())


@dataclass(frozen=True, slots=True)
class HistoryMarks:
    """Until when verdicts were read; ``is_placing_due``: patients were read since series were placed by hospital."""

    read_at: datetime
    is_placing_due: bool


def marks(transaction: Transaction) -> HistoryMarks:
    """How far the work is."""
    of = rollup_marks.c
    read, placed = (sa.select(of.until).where(of.name == name).scalar_subquery() for name in (MARK, HOSPITALS_MARK))
    patients_read = sa.select(patient_readings.c.done_at).scalar_subquery()
    row = transaction.execute(
        sa.select(read.label("read_at"), placed.label("placed_at"), patients_read.label("patients_at"))
    ).one()
    is_due = row.placed_at is None or (row.patients_at is not None and row.patients_at > row.placed_at)
    return HistoryMarks(row.read_at or datetime(1970, 1, 3, tzinfo=UTC), is_due)


def set_mark(transaction: Transaction, until: datetime, name: str = MARK) -> None:
    """Verdicts until then were read, or series placed."""
    insert_or_ignore(transaction, rollup_marks, {"name": name, "until": until})
    transaction.execute(sa.update(rollup_marks).where(rollup_marks.c.name == name).values(until=until))


def read(transaction: Transaction, place: Place, limit: int) -> tuple[list[MeasuredSeries], Place | None]:
    """What was judged after a place and is not in the history as it is, and the next place; None at the end."""
    of, series = dispositions.c, usual_series.c
    later = sa.or_(of.decided_at > place.at, sa.and_(of.decided_at == place.at, of.digest > place.digest))
    query = (
        sa.select(
            of.decided_at,
            of.digest,
            assessments.c.document,
            assessments.c.assessed_at,
            instances.c.received_at,
            instances.c.calling_ae_title,
            source_headers.c.series_description,
            patients.c.authority,
        )
        .join(assessments, assessments.c.digest == of.digest)
        .join(instances, instances.c.digest == of.digest)
        .join(source_headers, source_headers.c.digest == of.digest, isouter=True)
        .join(patients, patients.c.patient_number == instances.c.patient_number, isouter=True)
        .join(usual_series, series.digest == of.digest, isouter=True)
        .where(
            of.decided_at >= place.at,
            later,
            ~instances.c.conflicting,
            instances.c.removal_cause != RemovalCause.ERASURE.value,
            sa.or_(series.assessed_at.is_(None), series.assessed_at != assessments.c.assessed_at),
        )
        .order_by(of.decided_at, of.digest)
        .limit(limit)
    )
    rows = transaction.execute(query).all()
    following = Place(rows[-1].decided_at, rows[-1].digest) if len(rows) == limit else None
    return [one for row in rows for one in _measured(row)], following


def _measured(row: Any) -> Iterator[MeasuredSeries]:
    """The row, unless it tells nothing of what is usual: a phantom, a capture, a derived image, nothing measured."""
    assessment: Assessment = documents.load_assessment(row.document)
    header = assessment.header
    if header.quality_control or assessment.phantom or assessment.derived or assessment.unfit:
        return
    protocol = protocol_of(header, row.calling_ae_title, row.series_description or "", row.authority or "")
    taking_part = (of for of in assessment.measurements if ranged(of.name) and abs(of.value) < LEAST_ABSURD)
    numbers = {(one.name, one.unit): one.value for one in taking_part}
    if protocol is None or not numbers:
        return
    at = _taken_at(header, row.received_at.replace(tzinfo=None))
    subject = _subject(header) if unit_of(header, installed()).needs_others else row.digest
    yield MeasuredSeries(
        subject,
        InstanceDigest(row.digest),
        row.assessed_at,
        protocol,
        SeriesNumbers(at, numbers),
    )


def _subject(header: Header) -> str:
    """Of a series in its study: programs that copy studies may leave the UID of the series."""
    return hashlib.sha256(f"{header.study_instance_uid} {header.series_instance_uid}".encode()).hexdigest()


def _taken_at(header: Header, received_at: datetime) -> datetime:
    """The time of acquisition by the scanner's clock, else that of reception, which it cannot be after.

    A clock that is years ahead would leave all other series out of the window of the newest.
    """
    at = header.acquired_at
    return (received_at if at is None or at > received_at + CLOCK_AHEAD else at).replace(microsecond=0)


def add(transaction: Transaction, measured: Sequence[MeasuredSeries]) -> list[ScannerProtocol]:
    """Add series to their baselines, each compared with the ranges of those before; returns new baselines."""
    beginnings = []
    present = unless_erased(transaction, [one.digest for one in measured])
    for one in measured:
        if one.digest not in present:
            continue
        if begin(transaction, one.protocol, one.numbers.at):
            beginnings.append(one.protocol)
        of = usual_baselines.c.baseline == one.protocol.baseline
        row = transaction.execute(sa.select(usual_baselines).where(of)).one()
        unusual = unusual_among(one.numbers, own_documents.load_ranges(row.ranges))
        values = {
            "digest": one.digest,
            "baseline": one.protocol.baseline,
            "at": one.numbers.at,
            "assessed_at": one.assessed_at,
            "numbers": [[name, unit, number] for (name, unit), number in one.numbers.numbers.items()],
            "unusual": own_documents.dump_unusual(unusual),
            "is_unusual": bool(unusual),
        }
        if insert_or_ignore(transaction, usual_series, {"subject": one.subject, **values}):
            at = one.numbers.at
            ends = {"first_at": min(row.first_at, at), "last_at": max(row.last_at, at), "series": row.series + 1}
            transaction.execute(sa.update(usual_baselines).where(of).values(ends))
        else:
            # A series that more slices came of was assessed before, too, as another image stood for it.
            older = usual_series.c.subject == one.subject, usual_series.c.assessed_at <= one.assessed_at
            same = sa.select(usual_series.c.numbers).where(*older, usual_series.c.baseline == values["baseline"])
            if transaction.execute(same).scalar() == values["numbers"]:
                values = {name: values[name] for name in ("digest", "assessed_at")}  # it was compared
            transaction.execute(sa.update(usual_series).where(*older).values(values))
    return beginnings


def begin(transaction: Transaction, protocol: ScannerProtocol, at: datetime) -> bool:
    """Add the row of a baseline that has no series yet; returns whether it is new."""
    values = {
        "baseline": protocol.baseline,
        **asdict(protocol),
        "first_at": at,
        "last_at": at,
        "series": 0,
        "ranged_series": 0,
        "ranges": [],
    }
    return insert_or_ignore(transaction, usual_baselines, values)


def renew(transaction: Transaction, baseline: str, budget: float) -> None:
    """Make the ranges of a baseline anew if it has enough new series; ``budget`` is the share that may be flagged."""
    of = usual_baselines.c.baseline == baseline
    row = transaction.execute(sa.select(usual_baselines).where(of)).one_or_none()
    if row is None:  # erased in the meantime
        return
    is_due = row.series - row.ranged_series >= max(1, row.series // RENEWAL)
    if is_due and is_enough(row.series, row.first_at, row.last_at, soon=True):
        ranges = ranges_of(_newest(transaction, baseline, row.last_at - WINDOW), budget)
        values = {"ranges": own_documents.dump_ranges(ranges), "ranged_series": row.series}
        transaction.execute(sa.update(usual_baselines).where(of).values(values))
        confirmed_ranges.follow(transaction, baseline, flagging(ranges, of_radiographs=True))


def _newest(transaction: Transaction, baseline: str, since: datetime) -> list[SeriesNumbers]:
    """The series of a baseline since then, in order of time; of very many every second, third … from the newest back.

    The newest alone would be those of a few days where every image is one of the series.
    """
    of = usual_series.c
    mine = of.baseline == baseline, of.at >= since
    count = transaction.execute(sa.select(sa.func.count()).select_from(usual_series).where(*mine)).scalar_one()
    place = sa.func.row_number().over(order_by=(of.at.desc(), of.subject)).label("place")
    places = sa.select(of.subject, place).where(*mine).subquery()
    query = (
        sa.select(of.at, of.numbers)
        .join(places, places.c.subject == of.subject)
        .where((places.c.place - 1) % max(1, -(-count // MOST_SERIES)) == 0)
        .order_by(of.at)
    )
    return [
        SeriesNumbers(row.at, {(name, unit): number for name, unit, number in row.numbers})
        for row in transaction.execute(query)
    ]
