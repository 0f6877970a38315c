"""The worklist: flagged studies, and what people did about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.domain.instance import InstanceDigest, StudyInstanceUid
from miqa_node.domain.policy import Verdict
from miqa_node.domain.prediction import PendingReason
from miqa_node.domain.worklist import Resolution, WorklistImage, WorklistItem, WorklistState, check_transition
from miqa_node.errors import NotFoundError
from miqa_node.store import decisions, documents
from miqa_node.store.database import Transaction, insert_or_ignore
from miqa_node.store.tables import assessments, dispositions, instances, studies, worklist, worklist_events


@dataclass(frozen=True, slots=True)
class Filter:
    """What to list; empty fields match everything."""

    state: tuple[WorklistState, ...] = ()
    verdict: tuple[Verdict, ...] = ()
    modality: str = ""
    body_part: str = ""
    view: str = ""
    station: str = ""
    reason: str = ""
    """Name of a finding, measurement or plausibility issue among the reasons."""
    pending_review: bool = False
    """Only studies with a prediction that waits for a person."""
    claimed_by: str = ""
    accession_number: str = ""
    uid: str = ""
    """A study, series or SOP instance UID."""
    since: datetime | None = None
    until: datetime | None = None


def flag(transaction: Transaction, study_instance_uid: StudyInstanceUid, verdict: Verdict, now: datetime) -> None:
    """Put a study on the list, or let its verdict grow worse; a resolved one opens again."""
    new = insert_or_ignore(
        transaction,
        worklist,
        {
            "study_instance_uid": study_instance_uid,
            "verdict": verdict.value,
            "rank": verdict.rank,
            "state": WorklistState.OPEN.value,
            "flagged_at": now,
            "claimed_by": "",
            "resolved_by": "",
            "comment": "",
        },
    )
    if new:
        _note(transaction, study_instance_uid, "flagged", "", "", now)
        return
    this = worklist.c.study_instance_uid == study_instance_uid
    transaction.execute(
        sa.update(worklist).where(this, worklist.c.rank < verdict.rank).values(verdict=verdict.value, rank=verdict.rank)
    )
    reopened = transaction.execute(
        sa.update(worklist)
        .where(this, worklist.c.state == WorklistState.RESOLVED.value)
        .values(
            state=WorklistState.OPEN.value,
            flagged_at=now,
            claimed_by="",
            resolution=None,
            resolved_by="",
            resolved_at=None,
        )
    )
    if reopened.rowcount:
        _note(transaction, study_instance_uid, "reopened", "", "", now)


def select(transaction: Transaction, wanted: Filter, *, limit: int, offset: int = 0) -> list[WorklistItem]:
    """Flagged studies, newest first, with their flagged images."""
    query = (
        sa.select(worklist, studies.c.accession_number, studies.c.patient_id, studies.c.study_date)
        .join(studies, studies.c.study_instance_uid == worklist.c.study_instance_uid)
        .where(*_conditions(wanted))
        .order_by(worklist.c.flagged_at.desc(), worklist.c.rank.desc(), worklist.c.study_instance_uid)
        .limit(limit)
        .offset(offset)
    )
    rows = transaction.execute(query).all()
    images = _images(transaction, [row.study_instance_uid for row in rows])
    return [_item(row, images.get(row.study_instance_uid, ())) for row in rows]


def count(transaction: Transaction, wanted: Filter) -> int:
    """How many studies a filter matches."""
    query = (
        sa.select(sa.func.count())
        .select_from(worklist.join(studies, studies.c.study_instance_uid == worklist.c.study_instance_uid))
        .where(*_conditions(wanted))
    )
    return transaction.execute(query).scalar_one()


def show(transaction: Transaction, study_instance_uid: str) -> WorklistItem:
    """One item; NotFoundError when the study is not on the list."""
    query = (
        sa.select(worklist, studies.c.accession_number, studies.c.patient_id, studies.c.study_date)
        .join(studies, studies.c.study_instance_uid == worklist.c.study_instance_uid)
        .where(worklist.c.study_instance_uid == study_instance_uid)
    )
    row = transaction.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"No study {study_instance_uid} is on the worklist.")
    return _item(row, _images(transaction, [row.study_instance_uid]).get(row.study_instance_uid, ()))


def claim(transaction: Transaction, study_instance_uid: str, actor: str, now: datetime) -> WorklistItem:
    """Take an item; ConflictError when it is resolved, and taking another's item moves it."""
    return _move(
        transaction, study_instance_uid, WorklistState.CLAIMED, actor, "claimed", "", now, {"claimed_by": actor}
    )


def unclaim(transaction: Transaction, study_instance_uid: str, actor: str, now: datetime) -> WorklistItem:
    """Put an item back."""
    return _move(transaction, study_instance_uid, WorklistState.OPEN, actor, "released", "", now, {"claimed_by": ""})


def resolve(
    transaction: Transaction, study_instance_uid: str, resolution: Resolution, actor: str, comment: str, now: datetime
) -> WorklistItem:
    """Decide an item; the decision becomes a label of the image that it is about."""
    values: dict[str, object] = {
        "resolution": resolution.value,
        "resolved_by": actor,
        "resolved_at": now,
        "comment": comment,
    }
    item = _move(transaction, study_instance_uid, WorklistState.RESOLVED, actor, resolution.value, comment, now, values)
    if len(item.images) == 1:  # of several nobody said which one is meant
        decisions.label(transaction, InstanceDigest(item.images[0].digest), resolution, actor, now)
    return item


def _move(
    transaction: Transaction,
    study_instance_uid: str,
    to: WorklistState,
    actor: str,
    action: str,
    comment: str,
    now: datetime,
    values: dict[str, object],
) -> WorklistItem:
    before = show(transaction, study_instance_uid).state
    check_transition(before, to)
    moved = transaction.execute(
        sa.update(worklist)
        .where(worklist.c.study_instance_uid == study_instance_uid, worklist.c.state == before.value)
        .values(state=to.value, **values)
    )
    if not moved.rowcount:  # somebody else was faster: judge again from where the item is now
        return _move(transaction, study_instance_uid, to, actor, action, comment, now, values)
    _note(transaction, study_instance_uid, action, actor, comment, now)
    return show(transaction, study_instance_uid)


def _note(transaction: Transaction, study_uid: str, action: str, actor: str, comment: str, now: datetime) -> None:
    transaction.execute(
        sa.insert(worklist_events).values(
            study_instance_uid=study_uid, at=now, action=action, actor=actor, comment=comment
        )
    )


def _conditions(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.state:
        conditions.append(worklist.c.state.in_([s.value for s in wanted.state]))
    if wanted.verdict:
        conditions.append(worklist.c.verdict.in_([v.value for v in wanted.verdict]))
    if wanted.claimed_by:
        conditions.append(worklist.c.claimed_by == wanted.claimed_by)
    if wanted.accession_number:
        conditions.append(studies.c.accession_number == wanted.accession_number)
    if wanted.since:
        conditions.append(worklist.c.flagged_at >= wanted.since)
    if wanted.until:
        conditions.append(worklist.c.flagged_at < wanted.until)
    image = _image_conditions(wanted)
    if image:
        flagged = (
            sa.select(dispositions.c.digest)
            .join(instances, instances.c.digest == dispositions.c.digest)
            .where(dispositions.c.study_instance_uid == worklist.c.study_instance_uid, dispositions.c.flagged, *image)
        )
        conditions.append(flagged.exists())
    return conditions


def _image_conditions(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    pairs = (
        (instances.c.modality, wanted.modality),
        (instances.c.body_part, wanted.body_part),
        (instances.c.view, wanted.view),
        (instances.c.station, wanted.station),
    )
    conditions: list[sa.ColumnElement[bool]] = [column == value for column, value in pairs if value]
    if wanted.reason:
        conditions.append(_named(wanted.reason))
    if wanted.pending_review:
        conditions.append(sa.or_(*(_named(reason.value) for reason in PendingReason)))
    if wanted.uid:
        conditions.append(
            sa.or_(
                instances.c.study_instance_uid == wanted.uid,
                instances.c.series_instance_uid == wanted.uid,
                instances.c.sop_instance_uid == wanted.uid,
            )
        )
    return conditions


def _named(reason: str) -> sa.ColumnElement[bool]:
    return sa.cast(dispositions.c.reasons, sa.Text).contains(f'"name": "{reason}"', autoescape=True)


def _images(transaction: Transaction, study_uids: list[str]) -> dict[str, tuple[WorklistImage, ...]]:
    query = (
        sa.select(
            instances,
            dispositions.c.verdict,
            dispositions.c.reasons,
            dispositions.c.certificate,
            assessments.c.score,
        )
        .join(dispositions, dispositions.c.digest == instances.c.digest)
        .join(assessments, assessments.c.digest == instances.c.digest, isouter=True)
        .where(
            instances.c.study_instance_uid.in_(study_uids),
            dispositions.c.flagged,
        )
        .order_by(instances.c.received_at)
    )
    images: dict[str, tuple[WorklistImage, ...]] = {}
    for row in transaction.execute(query):
        image = WorklistImage(
            sop_instance_uid=row.sop_instance_uid,
            digest=row.digest,
            verdict=Verdict(row.verdict),
            score=row.score,
            reasons=tuple(reason.text for reason in documents.load_reasons(row.reasons)),
            modality=row.modality,
            body_part=row.body_part,
            view=row.view,
            station=row.station,
            certificate=row.certificate,
        )
        images[row.study_instance_uid] = (*images.get(row.study_instance_uid, ()), image)
    return images


def _item(row: sa.Row[tuple[object, ...]], images: tuple[WorklistImage, ...]) -> WorklistItem:
    return WorklistItem(
        study_instance_uid=row.study_instance_uid,
        accession_number=row.accession_number,
        patient_id=row.patient_id,
        study_date=row.study_date,
        verdict=Verdict(row.verdict),
        state=WorklistState(row.state),
        flagged_at=row.flagged_at,
        claimed_by=row.claimed_by,
        resolution=Resolution(row.resolution) if row.resolution else None,
        resolved_by=row.resolved_by,
        resolved_at=row.resolved_at,
        comment=row.comment,
        images=images,
    )
