"""Judgements of a unit: its first assessment and verdict, and later ones that replace them (docs/adr/0011).

A repeated judgement has a generation, counted from 1. The previous verdict stays in force until the new one; then one
transaction replaces it and keeps the old one with the request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.policy import Disposition, Reason, Verdict
from miqa_node.core.domain.reassessment import KEPT_FLAG
from miqa_node.errors import NotFoundError
from miqa_node.runtime.store import documents, study_notes
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.phrase_columns import loaded
from miqa_node.runtime.store.tables import assessments, attempts, dispositions, reassessments, worklist
from miqa_node.runtime.store.tables import instances as instance_rows
from miqa_node.stages.units.rows import copies, instances


def begin(transaction: Transaction, digest: InstanceDigest) -> tuple[StoredInstance, int] | None:
    """The instance to assess, and the number of attempts including this one; None if there is nothing to do."""
    instance = _load(transaction, digest)
    if instance is None:
        return None
    if instances.load_disposition(transaction, digest) is None:
        if instances.load_assessment(transaction, digest) is not None:
            return None
        return instance, instances.begin_attempt(transaction, digest)
    row = _pending(transaction, digest)
    if row is None or row.document is not None:
        return None
    this = _this(digest, row.generation)
    counted = sa.update(reassessments).where(this).values(begun=reassessments.c.begun + 1)
    attempt_count: int = transaction.execute(counted.returning(reassessments.c.begun)).scalar_one()
    return replace(instance, generation=row.generation), attempt_count


def take_back_attempt(transaction: Transaction, instance: StoredInstance) -> None:
    """An attempt ended because a resource was missing; the image is not to blame."""
    if not instance.generation:
        instances.take_back_attempt(transaction, instance.digest)
        return
    this = _this(instance.digest, instance.generation)
    back = sa.update(reassessments).where(this, reassessments.c.begun > 0).values(begun=reassessments.c.begun - 1)
    transaction.execute(back)


def forget_attempts(transaction: Transaction, digest: InstanceDigest) -> None:
    """Reset the attempts that failed because the node was at fault."""
    transaction.execute(sa.update(attempts).where(attempts.c.digest == digest).values(begun=0))
    waits = reassessments.c.digest == digest, reassessments.c.concluded_at.is_(None)
    transaction.execute(sa.update(reassessments).where(*waits).values(begun=0))


def save_assessment(transaction: Transaction, assessment: Assessment) -> bool:
    """Store an assessment; False if its generation already has one, which stays."""
    if not assessment.generation:
        return instances.save_assessment(transaction, assessment)
    saved = transaction.execute(
        sa.update(reassessments)
        .where(_this(assessment.digest, assessment.generation), reassessments.c.document.is_(None))
        .values(document=documents.dump_assessment(assessment))
    )
    return bool(saved.rowcount)


def unconcluded(
    transaction: Transaction, digest: InstanceDigest, saved: Assessment | None = None
) -> tuple[StoredInstance, Assessment | None] | None:
    """The instance that waits for a verdict, with its assessment if there is one; None if it does not wait.

    ``saved`` is an assessment known to be stored, which is not read again if it is the one.
    """
    instance = _load(transaction, digest)
    if instance is None:
        return None
    if instances.load_disposition(transaction, digest) is None:
        if saved is not None and saved.generation == 0:
            return instance, saved
        return instance, instances.load_assessment(transaction, digest)
    row = _pending(transaction, digest)
    if row is None:
        return None
    assessment = None if row.document is None else documents.load_assessment(row.document)
    return replace(instance, generation=row.generation), assessment


def save_disposition(transaction: Transaction, judgement: Judgement, decided_at: datetime) -> bool:
    """Store a verdict, replacing the previous one if the image was judged again; False if it is already stored."""
    instance, disposition = judgement.instance, judgement.disposition
    digest, study = instance.digest, instance.header.study_instance_uid
    if not instance.generation:
        return instances.save_disposition(transaction, digest, study, disposition, decided_at)
    this = _this(digest, instance.generation)
    waits = sa.update(reassessments).where(this, reassessments.c.concluded_at.is_(None))
    values = {"concluded_at": decided_at, "document": None, "earlier": _in_force(transaction, digest)}
    if not transaction.execute(waits.values(values)).rowcount:
        return False
    for table in (assessments, dispositions, attempts):
        transaction.execute(sa.delete(table).where(table.c.digest == digest))
    instances.save_assessment(transaction, judgement.assessment)
    this_one = instance_rows.c.digest == digest
    anew = {"generation": instance.generation, "artifacts_removed_at": None, "artifacts_deleted_at": None}
    transaction.execute(sa.update(instance_rows).where(this_one).values(anew))
    return instances.save_disposition(transaction, digest, study, disposition, decided_at)


def abandon(transaction: Transaction, instance: StoredInstance, reason: str, now: datetime) -> None:
    """Give up a repeated judgement: the previous verdict stays, and the history of a flagged study says why."""
    transaction.execute(
        sa.update(reassessments)
        .where(_this(instance.digest, instance.generation), reassessments.c.concluded_at.is_(None))
        .values(concluded_at=now, document=None, failure=reason)
    )
    study = instance.header.study_instance_uid
    if transaction.execute(sa.select(sa.exists().where(worklist.c.study_instance_uid == study))).scalar_one():
        study_notes.note(transaction, study, "not judged again", "", reason, now)


def earlier(transaction: Transaction, instance: StoredInstance) -> tuple[Assessment | None, bool, int]:
    """The judgement replaced by a generation: its assessment, whether it was flagged, and its rank."""
    query = sa.select(reassessments.c.earlier).where(_this(instance.digest, instance.generation))
    document: dict[str, Any] = transaction.execute(query).scalar_one()
    assessment = document["assessment"]
    loaded = None if assessment is None else documents.load_assessment(assessment)
    return loaded, bool(document["flagged"]), int(document["rank"])


@dataclass(frozen=True, slots=True)
class StandingFlag:
    """The judgement that flagged an image: its assessment, and its reasons."""

    assessment: Assessment | None
    reasons: tuple[Reason, ...]


def standing_flag(transaction: Transaction, digest: InstanceDigest) -> StandingFlag | None:
    """The judgement that flagged an image, before those that could not take the flag back; None if none stands."""
    document = _in_force(transaction, digest)
    if not document["flagged"]:
        return None
    of = reassessments.c
    earlier = sa.select(of.earlier).where(of.digest == digest, of.earlier.is_not(None)).order_by(of.generation.desc())
    documents_back = [document, *transaction.execute(earlier).scalars()]
    for one in documents_back:
        reasons = documents.load_reasons(one["reasons"])
        if all(reason.name != KEPT_FLAG for reason in reasons):
            break
    assessment = one["assessment"]
    return StandingFlag(None if assessment is None else documents.load_assessment(assessment), reasons)


def judgement(transaction: Transaction, digest: InstanceDigest, generation: int) -> Judgement | None:
    """What a generation's judgement was, in force or replaced; None if it has no assessment or verdict."""
    instance, of = replace(instances.load(transaction, digest), generation=generation), reassessments.c
    later = sa.select(of.earlier).where(of.digest == digest, of.generation > generation, of.earlier.is_not(None))
    document = transaction.execute(later.order_by(of.generation).limit(1)).scalar_one_or_none()
    if document is None:
        assessment = instances.load_assessment(transaction, digest)
        disposition = instances.load_disposition(transaction, digest)
        return None if assessment is None or disposition is None else Judgement(instance, assessment, disposition)
    if document["assessment"] is None:
        return None
    verdict = Verdict(document["verdict"])
    disposition = Disposition(
        verdict,
        documents.load_reasons(document["reasons"]),
        document["policy_version"],
        document["scope"],
        document["flagged"] and not verdict.flagged,
        loaded(document["certificate"], document.get("certificate_phrase")),
    )
    return Judgement(instance, documents.load_assessment(document["assessment"]), disposition)


def _load(transaction: Transaction, digest: InstanceDigest) -> StoredInstance | None:
    """The instance; None if it proved to be a copy of another."""
    try:
        return instances.load(transaction, digest)
    except NotFoundError:
        if copies.instance_of(transaction, digest) is None:
            raise
        return None


def _in_force(transaction: Transaction, digest: InstanceDigest) -> dict[str, Any]:
    row = transaction.execute(sa.select(dispositions).where(dispositions.c.digest == digest)).one()
    disposition = instances.load_disposition(transaction, digest)
    assessment = instances.load_assessment(transaction, digest)
    return {
        "assessment": None if assessment is None else documents.dump_assessment(assessment),
        "verdict": row.verdict,
        "rank": -1 if disposition is None else disposition.verdict.rank,
        "flagged": row.flagged,
        "policy_version": row.policy_version,
        "scope": row.scope,
        "reasons": row.reasons,
        "certificate": row.certificate,
        "certificate_phrase": row.certificate_phrase,
        "decided_at": row.decided_at.isoformat(),
    }


def _pending(transaction: Transaction, digest: InstanceDigest) -> sa.Row[Any] | None:
    waits = reassessments.c.concluded_at.is_(None)
    return transaction.execute(sa.select(reassessments).where(reassessments.c.digest == digest, waits)).one_or_none()


def _this(digest: InstanceDigest, generation: int) -> sa.ColumnElement[bool]:
    return sa.and_(reassessments.c.digest == digest, reassessments.c.generation == generation)
