"""Requests to judge images again: selection of images, and exactly one request for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.reassessment import ReassessmentCandidate, ReassessmentFilter
from miqa_node.core.domain.verdict import Verdict
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import assessments, dispositions, instances, reassessments
from miqa_node.stages.units.rows import fragments

if TYPE_CHECKING:  # commands that only read the database come this way, and need no images
    from miqa_node.core.domain.ports import JobQueue

_COLUMNS = (
    instances.c.digest,
    instances.c.sop_instance_uid,
    instances.c.series_instance_uid,
    instances.c.study_instance_uid,
    instances.c.modality,
    instances.c.header,
    instances.c.object_key,
    instances.c.generation,
    instances.c.removed_at,
    dispositions.c.verdict,
    dispositions.c.reasons,
    dispositions.c.decided_at,
    assessments.c.model_name,
    assessments.c.model_version,
    assessments.c.digest.label("assessed"),
)
_JOINED = instances.join(dispositions, dispositions.c.digest == instances.c.digest).outerjoin(
    assessments, assessments.c.digest == instances.c.digest
)


def select(transaction: Transaction, chosen: ReassessmentFilter) -> list[sa.Row[Any]]:
    """Rows of decided instances that match, oldest verdict first; one more than the limit shows that there are more."""
    query = sa.select(*_COLUMNS).select_from(_JOINED).where(*_conditions(chosen))
    ordered = query.order_by(dispositions.c.decided_at, instances.c.digest).limit(chosen.limit + 1)
    return list(transaction.execute(ordered))


def representative(transaction: Transaction, header: Header) -> Any:
    """The row of a series' representative instance: the one assessed last, otherwise the one that arrived last."""
    uids = fragments.uids_of(transaction, header)
    own = instances.c.study_instance_uid == header.study_instance_uid
    query = (
        sa.select(*_COLUMNS)
        .select_from(_JOINED)
        .where(instances.c.series_instance_uid.in_(uids), own)
        .order_by(assessments.c.assessed_at.desc().nulls_last(), instances.c.received_at.desc(), instances.c.digest)
        .limit(1)
    )
    return transaction.execute(query).one()


def candidate(row: sa.Row[Any], obstacle: str = "") -> ReassessmentCandidate:
    """The candidate of a row."""
    return ReassessmentCandidate(
        digest=InstanceDigest(row.digest),
        sop_instance_uid=row.sop_instance_uid,
        study_instance_uid=row.study_instance_uid,
        modality=row.modality,
        verdict=Verdict(row.verdict),
        reasons=tuple(reason.text for reason in documents.load_reasons(row.reasons)),
        package=f"{row.model_name}-{row.model_version}" if row.model_name else "",
        decided_at=row.decided_at,
        generation=row.generation,
        obstacle=obstacle,
    )


def header_of(row: sa.Row[Any]) -> Header:
    """The header of a row's instance."""
    return documents.load_header(row.header)


def waiting(transaction: Transaction, digests: Sequence[str]) -> set[str]:
    """The instances that already wait to be judged again."""
    this = reassessments.c
    query = sa.select(this.digest).where(this.concluded_at.is_(None), this.digest.in_(digests))
    return set(transaction.execute(query).scalars())


def count_waiting(transaction: Transaction) -> int:
    """Number of images waiting to be judged again."""
    query = sa.select(sa.func.count()).select_from(reassessments).where(reassessments.c.concluded_at.is_(None))
    return transaction.execute(query).scalar_one()


def ask(
    transaction: Transaction,
    digest: InstanceDigest,
    actor: str,
    comment: str,
    now: datetime,
    *,
    usual_now: bool = False,
) -> int:
    """Store a request; returns its generation, or 0 if one already waits. ``usual_now``: by usual ranges of now."""
    if waiting(transaction, [digest]):
        return 0
    this = reassessments.c
    newest = transaction.execute(sa.select(sa.func.max(this.generation)).where(this.digest == digest)).scalar_one()
    generation = int(newest or 0) + 1
    row = {
        "digest": digest,
        "generation": generation,
        "asked_at": now,
        "asked_by": actor,
        "comment": comment,
        "begun": 0,
        "failure": "",
        "usual_now": usual_now,
    }
    if not insert_or_ignore(transaction, reassessments, row):
        return 0
    detail = {"generation": generation}
    records.add(transaction, AuditEntry(AuditEvent.REASSESSED, now, actor, digest=digest, detail=detail))
    return generation


def request(
    transaction: Transaction,
    queue: JobQueue,
    digest: InstanceDigest,
    actor: str,
    comment: str,
    now: datetime,
    *,
    usual_now: bool = False,
) -> bool:
    """Store a request with its job, which begins later than now; False if one already waits."""
    generation = ask(transaction, digest, actor, comment, now, usual_now=usual_now)
    if generation:
        queue.enqueue_reassess(transaction, digest, generation)
    return generation > 0


def _conditions(chosen: ReassessmentFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if chosen.uids:
        names = ("sop_instance_uid", "series_instance_uid", "study_instance_uid", "digest")
        conditions.append(sa.or_(*(instances.c[name].in_(chosen.uids) for name in names)))
    if chosen.since is not None:
        conditions.append(dispositions.c.decided_at >= chosen.since)
    if chosen.until is not None:
        conditions.append(dispositions.c.decided_at < chosen.until)
    if chosen.verdicts:
        conditions.append(dispositions.c.verdict.in_([verdict.value for verdict in chosen.verdicts]))
    if chosen.packages:
        named = assessments.c.model_name + "-" + assessments.c.model_version
        conditions.append(sa.or_(assessments.c.model_name.in_(chosen.packages), named.in_(chosen.packages)))
    if chosen.because:
        # The reason of NOT_ASSESSED is among those of its verdict. They are JSON, which escapes quotes and umlauts.
        because = json.dumps(chosen.because)[1:-1]
        conditions.append(sa.cast(dispositions.c.reasons, sa.Text).icontains(because, autoescape=True))
    return conditions
