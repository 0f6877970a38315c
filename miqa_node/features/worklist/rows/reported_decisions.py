"""Decisions to be reported to archives, and their content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.worklist import Resolution, Review
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import decisions, instances, results
from miqa_node.runtime.store.tables import labels as label_rows


@dataclass(frozen=True, slots=True)
class UnreportedDecision:
    """One decision, with the review of each image for its reports."""

    number: int
    study_instance_uid: str
    reviews: dict[InstanceDigest, Review]


def due(transaction: Transaction, *, limit: int) -> list[UnreportedDecision]:
    """Decisions that are not reported yet, oldest first.

    A decision withdrawn before it was reported has no reviews, and nor has its withdrawal: no archive needs to know.
    """
    waiting = sa.select(decisions).where(decisions.c.reported_at.is_(None)).order_by(decisions.c.decision_id)
    return [_unreported(transaction, row) for row in transaction.execute(waiting.limit(limit)).all()]


def still_waits(transaction: Transaction, number: int) -> bool:
    """Whether nobody reported a decision meanwhile; until this transaction ends nobody can, or ask for it anew."""
    waits = decisions.c.decision_id == number, decisions.c.reported_at.is_(None)
    return transaction.execute(sa.select(decisions.c.decision_id).where(*waits).with_for_update()).first() is not None


def mark(transaction: Transaction, number: int, now: datetime) -> None:
    """Record that a decision's objects were made."""
    transaction.execute(sa.update(decisions).where(decisions.c.decision_id == number).values(reported_at=now))


def review_of(transaction: Transaction, number: int, digest: InstanceDigest) -> Review:
    """What a decision says about an image."""
    row = transaction.execute(sa.select(decisions).where(decisions.c.decision_id == number)).one()
    return _review(transaction, row, digest)


def _unreported(transaction: Transaction, row: sa.Row[tuple[object, ...]]) -> UnreportedDecision:
    if row.withdraws is None:
        silent = _exists(transaction, decisions.c.withdraws == row.decision_id)
    else:
        silent = not _exists(transaction, results.c.decision_id == row.withdraws, results.c.kind == SR)
    images = [] if silent else [InstanceDigest(one) for one in row.images if not _is_reported(transaction, row, one)]
    reviews = {digest: _review(transaction, row, digest) for digest in images}
    return UnreportedDecision(row.decision_id, row.study_instance_uid, reviews)


def _is_reported(transaction: Transaction, row: sa.Row[tuple[object, ...]], digest: str) -> bool:
    judgement = sa.select(instances.c.generation).where(instances.c.digest == digest).scalar_subquery()
    report = results.c.digest == digest, results.c.kind == SR, results.c.generation == judgement
    return _exists(transaction, results.c.decision_id == row.decision_id, *report)


def _review(transaction: Transaction, row: sa.Row[tuple[object, ...]], digest: InstanceDigest) -> Review:
    condition = label_rows.c.decision_id == row.decision_id, label_rows.c.digest == digest
    label = transaction.execute(sa.select(label_rows).where(*condition)).one_or_none()
    named = None if label is None else labels.from_row(label).judgement.findings
    return Review(
        number=row.decision_id,
        actor=row.actor,
        at=row.at,
        resolution=None if row.resolution is None else Resolution(row.resolution),
        comment=row.comment,
        findings=None if named is None else tuple(FindingName(name) for name in named),
    )


def _exists(transaction: Transaction, *conditions: sa.ColumnElement[bool]) -> bool:
    return bool(transaction.execute(sa.select(sa.exists().where(*conditions))).scalar_one())
