"""Readers' opinions compared with the model's results, for monitoring the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from miqa_node.core.domain.label import LabelOrigin
from miqa_node.core.domain.verdict import Verdict
from miqa_node.libraries.plain_statistics.recurrence import Peak
from miqa_node.runtime.site_records.labels import in_force
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import (
    acquisition_findings,
    acquisitions,
    decisions,
    dispositions,
    label_findings,
    labels,
    shadow_assessments,
)

MOST_JUDGEMENTS = 2000
"""Maximum number of opinions: older ones say little about the current model and would slow down the page."""
BINS = 10
"""Number of bins of a reliability curve."""


@dataclass(frozen=True, slots=True)
class RoomOutcome:
    """How often readers judged images with one kind of verdict bad."""

    room: str
    flagged: bool
    judged: int
    bad: int
    weighted: float
    weighted_bad: float
    """Sum of the bad images' weights; the weight of an image is the inverse of its sampling probability."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Images where the model gave a finding a probability in one tenth of [0, 1]."""

    finding: str
    bin: int
    judged: int
    probability_sum: float
    confirmed: int


@dataclass(frozen=True, slots=True)
class ShadowVerdicts:
    """How often the verdicts of the active package and a shadow differ on the shadow's newest images."""

    package: str
    table: dict[tuple[str, str], int]


def outcomes(transaction: Transaction, since: datetime, until: datetime) -> list[RoomOutcome]:
    """Readers' judgements by verdict and room; the newest judgement of each image counts, except second readings."""
    newest = _newest(transaction, since, until)
    flagged = labels.c.verdict.in_([Verdict.REVIEW.value, Verdict.REJECT.value])
    bad = sa.case((labels.c.bad, 1), else_=0)
    query = (
        sa.select(
            acquisitions.c.room,
            flagged.label("flagged"),
            sa.func.count().label("judged"),
            sa.func.sum(bad).label("bad"),
            sa.func.sum(1.0 / labels.c.sampled).label("weighted"),
            sa.func.sum(bad / labels.c.sampled).label("weighted_bad"),
        )
        .join(acquisitions, acquisitions.c.digest == labels.c.digest)
        .where(
            labels.c.label_id.in_(newest),
            labels.c.verdict.in_([Verdict.REVIEW.value, Verdict.REJECT.value, Verdict.ACCEPT.value]),
        )
        .group_by(acquisitions.c.room, flagged)
    )
    return [
        RoomOutcome(row.room, bool(row.flagged), row.judged, int(row.bad), float(row.weighted), float(row.weighted_bad))
        for row in transaction.execute(query)
    ]


def reliability(transaction: Transaction, since: datetime, until: datetime) -> list[ReliabilityBin]:
    """Counts by finding and tenth of probability, for judgements that state whether the finding is present."""
    newest = _newest(transaction, since, until)
    tenth = sa.cast(sa.func.floor(label_findings.c.probability * BINS), sa.Integer)
    number = sa.case((label_findings.c.probability >= 1.0, BINS - 1), else_=tenth)  # 1.0 belongs to the last tenth
    query = (
        sa.select(
            label_findings.c.finding,
            number.label("bin"),
            sa.func.count().label("judged"),
            sa.func.sum(label_findings.c.probability).label("probabilities"),
            sa.func.sum(sa.case((label_findings.c.labelled, 1), else_=0)).label("confirmed"),
        )
        .where(label_findings.c.label_id.in_(newest), label_findings.c.labelled.is_not(None))
        .group_by(label_findings.c.finding, number)
        .order_by(label_findings.c.finding, number)
    )
    return [
        ReliabilityBin(row.finding, int(row.bin), row.judged, float(row.probabilities), int(row.confirmed))
        for row in transaction.execute(query)
    ]


def against_model(
    transaction: Transaction, since: datetime, until: datetime
) -> dict[str, dict[tuple[bool, bool], int]]:
    """By finding, how often the model and the readers stated it: (model, people) → images."""
    newest = _newest(transaction, since, until)
    of = label_findings.c
    query = (
        sa.select(of.finding, of.present, of.labelled, sa.func.count())
        .where(of.label_id.in_(newest), of.labelled.is_not(None))
        .group_by(of.finding, of.present, of.labelled)
        .order_by(of.finding)
    )
    tables: dict[str, dict[tuple[bool, bool], int]] = {}
    for row in transaction.execute(query):
        tables.setdefault(row[0], {})[bool(row[1]), bool(row[2])] = int(row[3])
    return tables


def second_readings(transaction: Transaction, since: datetime, until: datetime) -> dict[tuple[bool, bool], int]:
    """How often the first and the second reader of an image judged it good or bad: (first bad, second bad) → images."""
    first, second = labels.alias("first"), labels.alias("second")
    read = (
        sa.select(labels.c.label_id)
        .where(labels.c.origin == LabelOrigin.SECOND_READING.value, labels.c.at >= since, labels.c.at < until)
        .order_by(labels.c.at.desc())
        .limit(MOST_JUDGEMENTS)
    )
    numbers = list(transaction.execute(read).scalars())
    before = (
        sa.select(second.c.label_id, sa.func.max(first.c.label_id).label("first_id"))
        .join(first, sa.and_(first.c.digest == second.c.digest, first.c.label_id < second.c.label_id))
        .where(
            second.c.label_id.in_(numbers),
            first.c.origin.in_([LabelOrigin.DECISION.value, LabelOrigin.SPOT_CHECK.value]),
            ~sa.exists().where(decisions.c.withdraws == first.c.decision_id),
        )
        .group_by(second.c.label_id)
        .subquery()
    )
    query = (
        sa.select(first.c.bad, second.c.bad, sa.func.count())
        .select_from(before)
        .join(first, first.c.label_id == before.c.first_id)
        .join(second, second.c.label_id == before.c.label_id)
        .group_by(first.c.bad, second.c.bad)
    )
    return {(bool(row[0]), bool(row[1])): int(row[2]) for row in transaction.execute(query)}


def peaks(transaction: Transaction, findings: Sequence[str], since: date, until: date, *, limit: int) -> list[Peak]:
    """Locations of findings from ``since`` to the day before ``until``, newest first."""
    of = acquisition_findings.c
    query = (
        sa.select(of.detector, of.patient_key, of.x, of.y)
        .where(of.finding.in_(findings), of.day >= since, of.day < until, of.x.is_not(None))
        .order_by(of.day.desc(), of.digest)
        .limit(limit)
    )
    return [Peak(row.detector, row.patient_key, row.x, row.y) for row in transaction.execute(query)]


def shadow_verdicts(transaction: Transaction, *, limit: int) -> list[ShadowVerdicts]:
    """Verdicts of shadow packages compared with the effective ones."""
    newest = (
        sa.select(shadow_assessments.c.package, shadow_assessments.c.digest, shadow_assessments.c.verdict)
        .order_by(shadow_assessments.c.assessed_at.desc())
        .limit(limit)
        .subquery()
    )
    query = (
        sa.select(newest.c.package, dispositions.c.verdict, newest.c.verdict, sa.func.count())
        .join(dispositions, dispositions.c.digest == newest.c.digest)
        .group_by(newest.c.package, dispositions.c.verdict, newest.c.verdict)
        .order_by(newest.c.package)
    )
    tables: dict[str, dict[tuple[str, str], int]] = {}
    for row in transaction.execute(query):
        tables.setdefault(row[0], {})[row[1], row[2]] = int(row[3])
    return [ShadowVerdicts(package, table) for package, table in tables.items()]


def _newest(transaction: Transaction, since: datetime, until: datetime) -> list[int]:
    """The newest judgement of each image, of the newest ``MOST_JUDGEMENTS`` of the period.

    A separate query: with the numbers known, the database goes directly to the matching rows.
    """
    query = (
        sa.select(labels.c.label_id, labels.c.digest)
        .where(
            labels.c.at >= since, labels.c.at < until, labels.c.origin != LabelOrigin.SECOND_READING.value, in_force()
        )
        .order_by(labels.c.at.desc(), labels.c.label_id.desc())
        .limit(MOST_JUDGEMENTS)
    )
    by_image: dict[str, int] = {}
    for row in transaction.execute(query):
        by_image[row.digest] = max(row.label_id, by_image.get(row.digest, 0))
    return list(by_image.values())
