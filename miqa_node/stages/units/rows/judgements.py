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
from miqa_node.core.domain.reassessment import KEPT_FLAG
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.errors import NotFoundError
from miqa_node.runtime.site_records import study_notes
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.phrase_columns import loaded
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import assessments, attempts, dispositions, reassessments, worklist
from miqa_node.runtime.store.tables import instances as instance_rows
from miqa_node.stages.units.rows import copies, instances
from miqa_node.stages.units.rows.machine_ranges import ranges_for


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to judge an instance; ``number`` counts from 1."""

    instance: StoredInstance
    number: int
    began_at: datetime
    """When the first attempt began. It is the time of the assessment, so that every attempt makes the same objects."""
    usual_ranges: tuple[UsualRange, ...] = ()
    """The confirmed ranges of the machine by which it is judged."""


_DECIDED = DriverStatement(
    lambda _dialect: sa.select(dispositions.c.digest).where(
        dispositions.c.digest == sa.bindparam("this", type_=dispositions.c.digest.type)
    )
)


def begin(transaction: Transaction, digest: InstanceDigest, now: datetime) -> Attempt | None:
    """Count an attempt to judge the instance; None if there is nothing to do."""
    instance = _load(transaction, digest)
    if instance is None:
        return None
    if _DECIDED.run(transaction, {"this": digest}) is None:
        start = instances.begin_attempt(transaction, digest, now)
        return Attempt(instance, *start, usual_ranges=ranges_for(transaction, instance, usual_now=False))
    row = _pending(transaction, digest)
    if row is None:
        return None
    instance = replace(instance, generation=row.generation)
    usual = ranges_for(transaction, instance, usual_now=row.usual_now)
    return Attempt(instance, *_begin_again(transaction, instance, now), usual_ranges=usual)


def _begin_again(transaction: Transaction, instance: StoredInstance, now: datetime) -> tuple[int, datetime]:
    of = reassessments.c
    began_at = instances.first_of(reassessments, sa.literal(now, of.began_at.type))
    counted = sa.update(reassessments).where(_this(instance.digest, instance.generation))
    counted = counted.values(begun=of.begun + 1, began_at=began_at)
    row = transaction.execute(counted.returning(of.begun, of.began_at)).one()
    return row.begun, row.began_at


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


def undecided(transaction: Transaction, digest: InstanceDigest) -> StoredInstance | None:
    """The instance, if it waits for a verdict, its first or another one."""
    instance = _load(transaction, digest)
    if instance is None or instances.load_disposition(transaction, digest) is None:
        return instance
    row = _pending(transaction, digest)
    return None if row is None else replace(instance, generation=row.generation)


def save(transaction: Transaction, judgement: Judgement, decided_at: datetime) -> bool:
    """Store assessment and verdict, replacing the previous ones if the image was judged again.

    False if another process has decided already; then nothing is stored.
    """
    if not save_disposition(transaction, judgement, decided_at):
        return False
    instances.save_assessment(transaction, judgement.assessment)
    return True


def save_disposition(transaction: Transaction, judgement: Judgement, decided_at: datetime) -> bool:
    """Store a verdict alone, as of an image that was given up; False if another process has decided already."""
    instance, disposition = judgement.instance, judgement.disposition
    digest, study = instance.digest, instance.header.study_instance_uid
    if not instance.generation:
        return instances.save_disposition(transaction, digest, study, disposition, decided_at)
    this = _this(digest, instance.generation)
    waits = sa.update(reassessments).where(this, reassessments.c.concluded_at.is_(None))
    values = {"concluded_at": decided_at, "earlier": _in_force(transaction, digest)}
    if not transaction.execute(waits.values(values)).rowcount:
        return False
    for table in (assessments, dispositions, attempts):
        transaction.execute(sa.delete(table).where(table.c.digest == digest))
    this_one = instance_rows.c.digest == digest
    anew = {"generation": instance.generation, "artifacts_removed_at": None, "artifacts_deleted_at": None}
    transaction.execute(sa.update(instance_rows).where(this_one).values(anew))
    return instances.save_disposition(transaction, digest, study, disposition, decided_at)


def replace_in_force(transaction: Transaction, digest: InstanceDigest, actor: str, why: str, now: datetime) -> None:
    """Keep the judgement in force as an earlier one, as if another had been asked for and concluded.

    The instance has no assessment any more; its verdict is for the caller to replace.
    """
    of = reassessments.c
    numbers = sa.select(sa.func.max(of.generation)).where(of.digest == digest)
    generation = int(transaction.execute(numbers).scalar_one() or 0) + 1
    row = {
        "digest": digest,
        "generation": generation,
        "asked_at": now,
        "asked_by": actor,
        "comment": why,
        "begun": 0,
        "earlier": _in_force(transaction, digest),
        "concluded_at": now,
        "failure": "",
    }
    insert_or_ignore(transaction, reassessments, row)
    for table in (assessments, attempts):
        transaction.execute(sa.delete(table).where(table.c.digest == digest))
    anew = {"generation": generation, "artifacts_removed_at": None, "artifacts_deleted_at": None}
    transaction.execute(sa.update(instance_rows).where(instance_rows.c.digest == digest).values(anew))


def abandon(transaction: Transaction, instance: StoredInstance, reason: str, now: datetime) -> None:
    """Give up a repeated judgement: the previous verdict stays, and the history of a flagged study says why."""
    transaction.execute(
        sa.update(reassessments)
        .where(_this(instance.digest, instance.generation), reassessments.c.concluded_at.is_(None))
        .values(concluded_at=now, failure=reason)
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
        documents.load_rules(document.get("rules")),
        documents.load_search(document.get("search")),
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
        "rules": row.rules,
        "search": row.search,
        "certificate": row.certificate,
        "certificate_phrase": row.certificate_phrase,
        "decided_at": row.decided_at.isoformat(),
    }


def _pending(transaction: Transaction, digest: InstanceDigest) -> sa.Row[Any] | None:
    waits = reassessments.c.concluded_at.is_(None)
    return transaction.execute(sa.select(reassessments).where(reassessments.c.digest == digest, waits)).one_or_none()


def _this(digest: InstanceDigest, generation: int) -> sa.ColumnElement[bool]:
    return sa.and_(reassessments.c.digest == digest, reassessments.c.generation == generation)
