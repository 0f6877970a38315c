"""Labels of readers and other systems, with the node's own results; rows are only added.

Functions here read the labels in force, without those of withdrawn decisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelId, LabelOrigin, LabelRecord, ObjectKind, ReaderOpinion, RegionOutline
from miqa_node.core.domain.note import NoteTitle
from miqa_node.errors import NotFoundError
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.site_records import label_requests
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import (
    acquisitions,
    assessments,
    decisions,
    dispositions,
    instances,
    label_findings,
    labels,
    rejection_notes,
    requests,
)

_NOTE = LabelOrigin.REJECTION_NOTE.value


def in_force() -> sa.ColumnElement[bool]:
    """Labels that count: all except those of withdrawn decisions and of notes that were taken back."""
    withdrawn = sa.exists().where(decisions.c.withdraws == labels.c.decision_id)
    of = rejection_notes.c
    revoked = sa.exists().where(
        of.note_uid == labels.c.source_uid, of.digest == labels.c.digest, of.revoked_at.is_not(None)
    )
    return sa.not_(withdrawn) & sa.not_(revoked)


def add(
    transaction: Transaction, digest: InstanceDigest, opinion: ReaderOpinion, now: datetime, decision: int | None = None
) -> LabelId | None:
    """Store a label of an image, optionally of a ``decision``; None, without change, if its object was already stored.

    Raises
    ------
    NotFoundError
        No image with this digest was received.
    """
    if transaction.execute(sa.select(instances.c.digest).where(instances.c.digest == digest)).first() is None:
        raise NotFoundError("No instance has the digest {digest}.", digest=digest)
    if opinion.source_uid and _said_before(transaction, digest, opinion.source_uid):
        return None
    row = transaction.execute(
        sa.select(assessments.c.document, dispositions.c.verdict, dispositions.c.policy_version)
        .join(dispositions, dispositions.c.digest == assessments.c.digest)
        .where(assessments.c.digest == digest)
    ).one_or_none()
    assessment = documents.load_assessment(row.document) if row else None
    model = assessment.model if assessment else None
    label_id = LabelId(
        transaction.execute(
            sa.insert(labels)
            .values(
                digest=digest,
                at=now,
                actor=opinion.actor,
                origin=opinion.origin.value,
                bad=opinion.bad,
                rejects=opinion.rejects,
                findings=None if opinion.findings is None else list(opinion.findings),
                reason=opinion.reason,
                regions=regions_document(opinion.regions),
                blind=opinion.blind,
                sampled=opinion.sampled,
                source_uid=opinion.source_uid,
                verdict=row.verdict if row else "",
                model_name=model.name if model else "",
                model_version=model.version if model else "",
                model_sha256=model.sha256 if model else "",
                policy_version=row.policy_version if row else "",
                decision_id=decision,
            )
            .returning(labels.c.label_id)
        ).scalar_one()
    )
    rows = [
        {
            "label_id": label_id,
            "finding": finding.name,
            "probability": finding.probability,
            "present": finding.present,
            "labelled": None if opinion.findings is None else finding.name in opinion.findings,
        }
        for finding in (assessment.findings if assessment else ())
    ]
    if rows:
        transaction.execute(sa.insert(label_findings), rows)
    if opinion.origin is not LabelOrigin.SECOND_READING:
        _recount(transaction, digest, now)
    if opinion.origin.on_request:
        label_requests.answer(transaction, digest, opinion.origin, now)
    label = {"action": "label", "origin": opinion.origin.value, "bad": opinion.bad}
    records.add(transaction, AuditEntry(AuditEvent.DECIDED, now, opinion.actor, digest=digest, detail=label))
    return label_id


def select(
    transaction: Transaction, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[LabelRecord]:
    """All labels, oldest first."""
    query = sa.select(labels).where(in_force()).order_by(labels.c.label_id)
    if since is not None:
        query = query.where(labels.c.at >= since)
    if until is not None:
        query = query.where(labels.c.at < until)
    for row in transaction.execute(query, execution_options={"yield_per": 1000}):
        yield from_row(row)


def newest_at(transaction: Transaction) -> datetime | None:
    """The time of the newest label."""
    at: datetime | None = transaction.execute(sa.select(sa.func.max(labels.c.at))).scalar_one()
    return at


def count_by_origin(transaction: Transaction) -> dict[LabelOrigin, tuple[int, int]]:
    """Number of labels of each origin, and of those that judge the image bad; most labels first."""
    total, bad = sa.func.count(), sa.func.count(sa.case((labels.c.bad, 1)))
    query = sa.select(labels.c.origin, total, bad).where(in_force()).group_by(labels.c.origin)
    rows = transaction.execute(query.order_by(total.desc(), labels.c.origin))
    return {LabelOrigin(row[0]): (int(row[1]), int(row[2])) for row in rows}


def of_images(transaction: Transaction, digests: Sequence[InstanceDigest]) -> list[LabelRecord]:
    """The labels of some images, oldest first."""
    query = sa.select(labels).where(labels.c.digest.in_(digests), in_force()).order_by(labels.c.label_id)
    return [from_row(row) for row in transaction.execute(query)]


def drawn(transaction: Transaction, since: datetime, until: datetime, *, limit: int) -> list[LabelRecord]:
    """The newest label of each image with regions, newest first."""
    marked = sa.cast(labels.c.regions, sa.Text) != sa.literal_column("'[]'")  # in the form of the index
    query = (
        sa.select(labels)
        .where(labels.c.at >= since, labels.c.at < until, marked, in_force())
        .order_by(labels.c.label_id.desc())
    )
    by_image: dict[InstanceDigest, LabelRecord] = {}
    for row in transaction.execute(query, execution_options={"yield_per": 1000}):
        if row.digest not in by_image:
            by_image[InstanceDigest(row.digest)] = from_row(row)
            if len(by_image) == limit:
                break
    return list(by_image.values())


def _said_before(transaction: Transaction, digest: InstanceDigest, source_uid: str) -> bool:
    query = sa.select(labels.c.label_id).where(labels.c.digest == digest, labels.c.source_uid == source_uid)
    return transaction.execute(query.limit(1)).first() is not None


def recount_decision(transaction: Transaction, decision: int, now: datetime) -> None:
    """After a withdrawn decision, its images count by the last of the other labels; audits wait again."""
    digests = list(transaction.execute(sa.select(labels.c.digest).where(labels.c.decision_id == decision)).scalars())
    for digest in digests:
        _recount(transaction, InstanceDigest(digest), now)
    audits = sa.select(labels.c.digest).where(
        labels.c.decision_id == decision, labels.c.origin == LabelOrigin.SPOT_CHECK.value
    )
    transaction.execute(
        sa.update(requests)
        .where(requests.c.digest.in_(audits), requests.c.kind == LabelOrigin.SPOT_CHECK.value)
        .values(answered_at=None)
    )


def recount(transaction: Transaction, digest: InstanceDigest, now: datetime) -> None:
    """Count an image again, as a note about it was taken back."""
    _recount(transaction, digest, now)


def _recount(transaction: Transaction, digest: InstanceDigest, now: datetime) -> None:
    """Update the analysis with the last label. A second reading is about the readers and changes nothing here.

    A later acceptance overrides a person's earlier rejection, but never another system's.
    """
    condition = labels.c.digest == digest, labels.c.origin != LabelOrigin.SECOND_READING.value, in_force()
    rows = transaction.execute(sa.select(labels).where(*condition).order_by(labels.c.label_id.desc())).all()
    rejecting = [row for n, row in enumerate(rows) if row.rejects and (not n or row.origin == _NOTE)]
    values: dict[str, Any] = {"judged_bad": rows[0].bad if rows else None, "changed_at": now}
    if rejecting or not _taken_out(transaction, digest):
        values |= {"rejected": bool(rejecting), "reject_reason": rejecting[0].reason if rejecting else ""}
    transaction.execute(sa.update(acquisitions).where(acquisitions.c.digest == digest).values(**values))


def _taken_out(transaction: Transaction, digest: InstanceDigest) -> bool:
    """Whether another system rejected the image, for any reason."""
    titles = [title.value for title in NoteTitle if title.rejects]
    of = rejection_notes.c
    note = sa.exists().where(of.digest == digest, of.title.in_(titles), of.revoked_at.is_(None))
    return bool(transaction.execute(sa.select(note)).scalar_one())


def regions_document(regions: Sequence[RegionOutline]) -> list[dict[str, Any]]:
    """Regions as rows keep them."""
    return [{"finding": region.finding, "points": region.points, "kind": region.kind or ""} for region in regions]


def load_regions(document: Sequence[dict[str, Any]]) -> tuple[RegionOutline, ...]:
    """The regions of a row."""
    return tuple(
        RegionOutline(
            tuple((float(x), float(y)) for x, y in region["points"]),
            region["finding"],
            ObjectKind(kind) if (kind := region.get("kind")) else None,  # earlier rows have none
        )
        for region in document
    )


def from_row(row: Any) -> LabelRecord:
    """The label of a row with all columns."""
    opinion = ReaderOpinion(
        actor=row.actor,
        origin=LabelOrigin(row.origin),
        bad=row.bad,
        rejects=row.rejects,
        findings=None if row.findings is None else tuple(row.findings),
        reason=row.reason,
        regions=load_regions(row.regions),
        blind=row.blind,
        sampled=row.sampled,
        source_uid=row.source_uid,
    )
    return LabelRecord(
        LabelId(row.label_id),
        InstanceDigest(row.digest),
        row.at,
        opinion,
        row.verdict,
        row.model_name,
        row.model_version,
        row.model_sha256,
        row.policy_version,
    )
