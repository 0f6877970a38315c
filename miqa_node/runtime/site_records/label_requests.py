"""Requests to read images that are not flagged: audits and second readings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from random import SystemRandom

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelOrigin
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import acquisitions, labels, requests, rollup_marks


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """One image to judge; ``first_reader`` must not answer."""

    digest: InstanceDigest
    kind: LabelOrigin
    share: float
    asked_at: datetime
    first_reader: str
    answered_at: datetime | None


def ask(
    transaction: Transaction,
    digest: InstanceDigest,
    kind: LabelOrigin,
    share: float,
    now: datetime,
    first_reader: str = "",
) -> bool:
    """Request one kind of reading of an image; False if it was already requested."""
    values = {"digest": digest, "kind": kind.value, "share": share, "asked_at": now, "first_reader": first_reader}
    return insert_or_ignore(transaction, requests, values)


def draw_second_readings(transaction: Transaction, share: float, now: datetime, *, limit: int) -> int:
    """Request second readings of decisions since the last run; returns the number of decisions considered.

    Drawn with the system's random source, so a reader cannot predict a second reading.
    """
    mark = "second readings"
    insert_or_ignore(transaction, rollup_marks, {"name": mark, "until": now})
    since = transaction.execute(sa.select(rollup_marks.c.until).where(rollup_marks.c.name == mark)).scalar_one()
    query = (
        sa.select(labels.c.digest, labels.c.actor, labels.c.at)
        .where(labels.c.origin.in_([LabelOrigin.DECISION.value, LabelOrigin.SPOT_CHECK.value]), labels.c.at > since)
        .order_by(labels.c.at)
        .limit(limit)
    )
    rows = transaction.execute(query).all()
    for row in rows:
        if SystemRandom().random() < share:
            ask(transaction, InstanceDigest(row.digest), LabelOrigin.SECOND_READING, share, now, row.actor)
    if rows:
        transaction.execute(sa.update(rollup_marks).where(rollup_marks.c.name == mark).values(until=rows[-1].at))
    return len(rows)


def find(transaction: Transaction, digest: str, kind: LabelOrigin) -> LabelRequest | None:
    """The request of a kind for an image, answered or not."""
    row = transaction.execute(
        sa.select(requests).where(requests.c.digest == digest, requests.c.kind == kind.value)
    ).one_or_none()
    return None if row is None else _request(row)


def answer(transaction: Transaction, digest: str, kind: LabelOrigin, now: datetime) -> bool:
    """Mark a request as answered; False if another reader was faster."""
    waits = requests.c.digest == digest, requests.c.kind == kind.value, requests.c.answered_at.is_(None)
    return transaction.execute(sa.update(requests).where(*waits).values(answered_at=now)).rowcount > 0


def waiting(transaction: Transaction, kind: LabelOrigin, reader: str, *, limit: int) -> list[LabelRequest]:
    """Requests that a reader may answer, oldest first, without images that this reader judged first."""
    query = (
        sa.select(requests)
        .where(requests.c.kind == kind.value, requests.c.answered_at.is_(None), requests.c.first_reader != reader)
        .order_by(requests.c.asked_at)
        .limit(limit)
    )
    return [_request(row) for row in transaction.execute(query)]


def kind_of_image(transaction: Transaction, digest: str) -> str:
    """The kind of image that a reader may know: modality, body part and view."""
    of = acquisitions.c
    row = transaction.execute(sa.select(of.modality, of.body_part, of.view).where(of.digest == digest)).one_or_none()
    return "" if row is None else " · ".join(part for part in row if part)


def count(transaction: Transaction, kind: LabelOrigin) -> tuple[int, int]:
    """Number of requests, and of answered ones."""
    query = sa.select(sa.func.count(), sa.func.count(requests.c.answered_at)).where(requests.c.kind == kind.value)
    requested, answered = transaction.execute(query).one()
    return int(requested), int(answered)


def _request(row: sa.Row[tuple[object, ...]]) -> LabelRequest:
    return LabelRequest(
        InstanceDigest(row.digest), LabelOrigin(row.kind), row.share, row.asked_at, row.first_reader, row.answered_at
    )
