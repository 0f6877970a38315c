"""Phantom series: recognised ones and people's corrections, which update verdicts and worklist."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import Header, InstanceDigest, StoredInstance, StudyInstanceUid
from miqa_node.core.domain.phantom import SAID_BY_A_PERSON, PhantomSeries
from miqa_node.core.domain.policy import Policy
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.runtime.store import documents, site_limits, study_notes
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.phrase_columns import stored, with_phrases
from miqa_node.runtime.store.tables import assessments, instances, phantom_series
from miqa_node.stages.conclusion.rows.decided_again import decide_again

SHOWS_PHANTOM, SHOWS_PATIENT = Phrase("Series shows a phantom."), Phrase("Series shows a patient.")

_KEY = phantom_series.c.series_instance_uid
_LISTED = sa.select(phantom_series, instances.c.modality, instances.c.station).join(
    instances, instances.c.digest == phantom_series.c.digest
)


def _is(series_instance_uid: str) -> sa.ColumnElement[bool]:
    return phantom_series.c.series_instance_uid == series_instance_uid


def record(transaction: Transaction, instance: StoredInstance, assessment: Assessment, now: datetime) -> None:
    """List the series if its assessment recognised a phantom; a person's statement stays."""
    uid = instance.header.series_instance_uid
    transaction.execute(sa.update(phantom_series).where(_is(uid)).values(digest=instance.digest))
    if assessment.phantom:
        _insert(transaction, instance.digest, uid, instance.header.study_instance_uid, assessment.phantom, now)


def page(transaction: Transaction, *, limit: int, offset: int = 0) -> list[PhantomSeries]:
    """Phantom series, newest first, including those that a person marked as a patient's."""
    query = _LISTED.order_by(phantom_series.c.recognised_at.desc(), _KEY).limit(limit).offset(offset)
    return [PhantomSeries(**with_phrases(row, "reason")) for row in transaction.execute(query).mappings()]


def count(transaction: Transaction) -> int:
    """Number of listed series."""
    return transaction.execute(sa.select(sa.func.count()).select_from(phantom_series)).scalar_one()


def say(
    transaction: Transaction,
    series_instance_uid: str,
    actor: str,
    comment: str,
    policy: Policy,
    now: datetime,
    *,
    is_phantom: bool,
    modalities: Collection[str],
    silent_days: float,
) -> PhantomSeries:
    """Record what a series of one of ``modalities`` shows; its verdict is decided again from its measurements.

    In the ``silent_days`` of its body part the verdict is only recorded, like any. Sent reports stay unchanged. Later
    slices are judged according to the statement.

    Raises
    ------
    NotFoundError
        The node has no CT or MR series with that UID.
    ConflictError
        The series has not been assessed yet.
    """
    digest, study, assessment = _assessed(transaction, series_instance_uid, modalities)
    reason = assessment.phantom or SAID_BY_A_PERSON
    _insert(transaction, digest, series_instance_uid, study, reason, now)
    values = {"is_phantom": is_phantom, "decided_by": actor, "decided_at": now, "comment": comment}
    transaction.execute(sa.update(phantom_series).where(_is(series_instance_uid)).values(**values))
    if bool(assessment.phantom) != is_phantom:
        assessment = replace(assessment, phantom=SAID_BY_A_PERSON if is_phantom else "")
        silence = site_limits.silence(transaction, silent_days)

        def why(header: Header) -> str:
            return silence.why(site_limits.term_of_part(header.body_part_examined), now)

        decide_again(transaction, digest, assessment, policy, why, now)
    words = SHOWS_PHANTOM if is_phantom else SHOWS_PATIENT
    study_notes.note(transaction, study, "said", actor, joined(" ", [words, *filter(None, [comment.strip()])]), now)
    row = transaction.execute(_LISTED.where(_is(series_instance_uid))).mappings().one()
    return PhantomSeries(**with_phrases(row, "reason"))


def _assessed(
    transaction: Transaction, uid: str, modalities: Collection[str]
) -> tuple[InstanceDigest, StudyInstanceUid, Assessment]:
    of_series = instances.c.series_instance_uid == uid
    row = transaction.execute(
        sa.select(instances.c.digest, instances.c.study_instance_uid, assessments.c.document)
        .join(assessments, assessments.c.digest == instances.c.digest)
        .where(of_series, instances.c.modality.in_(modalities))
        .order_by(assessments.c.assessed_at.desc())
        .limit(1)
    ).one_or_none()
    if row is not None:
        return (
            InstanceDigest(row.digest),
            StudyInstanceUid(row.study_instance_uid),
            documents.load_assessment(row.document),
        )
    if transaction.execute(sa.select(instances.c.digest).where(of_series).limit(1)).first() is None:
        raise NotFoundError("No CT or MR series {uid} is here.", uid=uid)
    raise ConflictError("The series has no assessment yet, or is not one of CT or MR: wait until it has its verdict.")


def _insert(transaction: Transaction, digest: str, uid: str, study: str, reason: str, now: datetime) -> None:
    row = {
        "series_instance_uid": uid,
        "study_instance_uid": study,
        "digest": digest,
        **stored(reason=reason),
        "is_phantom": True,
        "recognised_at": now,
        "decided_by": "",
        "comment": "",
    }
    insert_or_ignore(transaction, phantom_series, row)
