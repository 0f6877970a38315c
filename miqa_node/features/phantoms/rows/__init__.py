"""Phantom series: recognised ones, and what people say of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance, StudyInstanceUid
from miqa_node.core.domain.phantom import SAID_BY_A_PERSON, PhantomSeries
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.runtime.site_records import study_notes
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.phrase_columns import stored, with_phrases
from miqa_node.runtime.store.tables import instances, phantom_series
from miqa_node.stages.units.rows import series
from miqa_node.stages.units.rows.instances import load_assessment
from miqa_node.stages.units.rows.standing import standings

SHOWS_PHANTOM, SHOWS_PATIENT = Phrase("Series shows a phantom."), Phrase("Series shows a patient.")

_OF = phantom_series.c
_LISTED = sa.select(phantom_series, instances.c.modality, instances.c.station).join(
    instances, instances.c.digest == phantom_series.c.digest
)


def _in(study: str, uids: Sequence[str]) -> tuple[sa.ColumnElement[bool], ...]:
    """Series of a study; programs that copy studies may leave the UID of the series."""
    return _OF.series_instance_uid.in_(uids), _OF.study_instance_uid.in_([study])


def record(transaction: Transaction, instance: StoredInstance, assessment: Assessment, now: datetime) -> None:
    """List the series if its newest assessment recognised a phantom, and no longer if not; a statement stays."""
    header = instance.header
    uids = series.uids_of(transaction, header)
    mine = _in(header.study_instance_uid, uids)
    if not assessment.phantom and not assessment.quarantined:
        transaction.execute(sa.delete(phantom_series).where(*mine, _OF.decided_by == ""))
    listed = transaction.execute(sa.update(phantom_series).where(*mine).values(digest=instance.digest)).rowcount
    if assessment.phantom and not listed:
        uid, study = header.series_instance_uid, header.study_instance_uid
        _insert(transaction, instance.digest, uid, study, assessment.phantom, now)


def page(transaction: Transaction, *, limit: int, offset: int = 0) -> list[PhantomSeries]:
    """Phantom series, newest first, including those that a person marked as a patient's."""
    query = (
        _LISTED.order_by(_OF.recognised_at.desc(), _OF.series_instance_uid, _OF.study_instance_uid)
        .limit(limit)
        .offset(offset)
    )
    return [PhantomSeries(**with_phrases(row, "reason")) for row in transaction.execute(query).mappings()]


def count(transaction: Transaction) -> int:
    """Number of listed series."""
    return transaction.execute(sa.select(sa.func.count()).select_from(phantom_series)).scalar_one()


@dataclass(frozen=True, slots=True)
class Statement:
    """What was recorded, and the slices with which series are to be judged again: their verdicts say otherwise."""

    listed: PhantomSeries
    contradicted: tuple[InstanceDigest, ...]
    slices: Mapping[StudyInstanceUid, InstanceDigest]
    """The slice that stands for the series in each study that it was said of."""


def say(
    transaction: Transaction,
    series_instance_uid: str,
    actor: str,
    comment: str,
    now: datetime,
    *,
    is_phantom: bool,
    modalities: Collection[str],
    study_instance_uid: str = "",
) -> Statement:
    """Record what a series of one of ``modalities`` shows. Slices that come later are judged according to it, too.

    Without a study it is said of the series in each study that has its UID.

    Raises
    ------
    NotFoundError
        The node has no CT or MR series with that UID, or the study has none.
    ConflictError
        The series has not been assessed yet.
    """
    assessed = _assessed(transaction, series_instance_uid, study_instance_uid, modalities)
    values = {"is_phantom": is_phantom, "decided_by": actor, "decided_at": now, "comment": comment}
    words = SHOWS_PHANTOM if is_phantom else SHOWS_PATIENT
    for digest, study, assessment in assessed:
        _insert(transaction, digest, series_instance_uid, study, assessment.phantom or SAID_BY_A_PERSON, now)
        mine = _in(study, [series_instance_uid])
        transaction.execute(sa.update(phantom_series).where(*mine).values(**values))
        text = joined(" ", [words, *filter(None, [comment.strip()])])
        study_notes.note(transaction, study, "said", actor, text, now)
    row = transaction.execute(_LISTED.where(*mine)).mappings().one()
    contradicted = (one for one, _, assessment in assessed if bool(assessment.phantom) != is_phantom)
    slices = {study: digest for digest, study, _ in assessed}
    return Statement(PhantomSeries(**with_phrases(row, "reason")), tuple(contradicted), slices)


def _assessed(
    transaction: Transaction, uid: str, study_uid: str, modalities: Collection[str]
) -> list[tuple[InstanceDigest, StudyInstanceUid, Assessment]]:
    """The newest assessment of the series in the study, or in each that has its UID, the newest study last."""
    of = instances.c
    query = sa.select(of.study_instance_uid, of.header, of.modality).where(of.series_instance_uid == uid)
    query = query.where(of.study_instance_uid == study_uid) if study_uid else query
    rows = transaction.execute(query.order_by(of.received_at, of.digest)).all()
    if not rows:
        raise NotFoundError("No CT or MR series {uid} is here.", uid=uid)
    headers = {row.study_instance_uid: row.header for row in rows if row.modality in modalities}
    units = standings(transaction, [documents.load_header(header) for header in headers.values()])
    assessed = []
    for study, unit in zip(headers, units, strict=True):
        digest = None if unit is None else unit.representative
        assessment = None if digest is None else load_assessment(transaction, digest)
        if digest is not None and assessment is not None:
            assessed.append((digest, StudyInstanceUid(study), assessment))
    if not assessed:
        raise ConflictError(
            "The series has no assessment yet, or is not one of CT or MR: wait until it has its verdict."
        )
    return assessed


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
