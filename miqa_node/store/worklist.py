"""The worklist: flagged studies, and what people did about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from miqa_node.domain.instance import InstanceDigest, StudyInstanceUid
from miqa_node.domain.label import Region
from miqa_node.domain.policy import Verdict
from miqa_node.domain.prediction import PendingReason
from miqa_node.domain.worklist import Resolution, WorklistImage, WorklistItem, WorklistState, check_transition
from miqa_node.errors import NotFoundError
from miqa_node.store import announcements, decisions, documents
from miqa_node.store.database import Transaction, insert_or_ignore
from miqa_node.store.tables import (
    assessments,
    dispositions,
    instances,
    studies,
    worklist,
    worklist_events,
    worklist_facets,
)


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


class Order(StrEnum):
    """What comes first."""

    NEWEST = "newest"
    WORST = "worst"


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an item in a list: lists go on after it, however long they are."""

    flagged_at: datetime
    rank: int
    study_instance_uid: str


UNRESOLVED = frozenset({WorklistState.OPEN, WorklistState.CLAIMED})


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
    _find_by(transaction, study_instance_uid)
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
    query = _query(wanted).order_by(*(column.desc() for column in _ORDERS[Order.NEWEST]))
    return _items(transaction, query.limit(limit).offset(offset))


def page(
    transaction: Transaction,
    wanted: Filter,
    *,
    limit: int,
    order: Order = Order.NEWEST,
    after: Place | None = None,
    before: Place | None = None,
) -> list[WorklistItem]:
    """The items after a place of the list, or the last before it; as quick at the end of a list as at its start."""
    columns = _ORDERS[order]
    query = _query(wanted)
    at = before or after
    if at is not None:
        values = [sa.literal(getattr(at, column.name), column.type) for column in columns]
        here = sa.tuple_(*values)
        query = query.where(sa.tuple_(*columns) > here if before else sa.tuple_(*columns) < here)
    if before is not None:
        return _items(transaction, query.order_by(*columns).limit(limit))[::-1]
    return _items(transaction, query.order_by(*(column.desc() for column in columns)).limit(limit))


def place_of(item: WorklistItem) -> Place:
    """Where the item stands."""
    return Place(item.flagged_at, item.verdict.rank, item.study_instance_uid)


def _query(wanted: Filter) -> sa.Select[tuple[object, ...]]:
    return (
        sa.select(worklist, studies.c.accession_number, studies.c.patient_id, studies.c.study_date)
        .join(studies, studies.c.study_instance_uid == worklist.c.study_instance_uid)
        .where(*_conditions(wanted))
    )


def _items(transaction: Transaction, query: sa.Select[tuple[object, ...]]) -> list[WorklistItem]:
    rows = transaction.execute(query).all()
    images = _images(transaction, [row.study_instance_uid for row in rows])
    return [_item(row, images.get(row.study_instance_uid, ())) for row in rows]


def count(transaction: Transaction, wanted: Filter, most: int | None = None) -> int:
    """How many studies a filter matches; with ``most`` the counting ends there."""
    found = sa.select(sa.literal(1)).select_from(worklist).where(*_conditions(wanted))
    if most is not None:
        found = found.limit(most)
    return transaction.execute(sa.select(sa.func.count()).select_from(found.subquery())).scalar_one()


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
    transaction: Transaction,
    study_instance_uid: str,
    resolution: Resolution,
    actor: str,
    comment: str,
    now: datetime,
    *,
    digests: Sequence[str] = (),
    reason: str = "",
    regions: Mapping[str, Sequence[Region]] | None = None,
) -> WorklistItem:
    """Decide an item; the decision becomes a label of the images that it is about.

    ``digests`` names them; without, it is the only flagged image, and of several nobody said which one is meant.
    ``reason`` is a code value of CID 7011, ``regions`` are what the person drew, by digest.
    """
    values: dict[str, object] = {
        "resolution": resolution.value,
        "resolved_by": actor,
        "resolved_at": now,
        "comment": comment,
    }
    item = _move(transaction, study_instance_uid, WorklistState.RESOLVED, actor, resolution.value, comment, now, values)
    announcements.resolved(transaction, study_instance_uid, now)
    drawn = regions or {}
    meant = list(digests) or ([item.images[0].digest] if len(item.images) == 1 else sorted(drawn))
    for digest in meant:
        own = drawn.get(digest, ())
        named = tuple(dict.fromkeys(region.finding for region in own if region.finding))
        decisions.label(
            transaction,
            InstanceDigest(digest),
            resolution,
            actor,
            now,
            reason=reason,
            findings=named or None,
            regions=own,
        )
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
    if wanted.state and set(wanted.state) == UNRESOLVED:
        conditions.append(worklist.c.state != sa.literal_column("'RESOLVED'"))  # as the partial indexes say it
    elif wanted.state:
        conditions.append(worklist.c.state.in_([s.value for s in wanted.state]))
    if wanted.verdict:
        conditions.append(worklist.c.verdict.in_([v.value for v in wanted.verdict]))
    if wanted.claimed_by:
        conditions.append(worklist.c.claimed_by == wanted.claimed_by)
    if wanted.accession_number:
        ordered = sa.select(studies.c.study_instance_uid).where(studies.c.accession_number == wanted.accession_number)
        conditions.append(worklist.c.study_instance_uid.in_(ordered))
    if wanted.since:
        conditions.append(worklist.c.flagged_at >= wanted.since)
    if wanted.until:
        conditions.append(worklist.c.flagged_at < wanted.until)
    conditions += [
        sa.exists().where(
            worklist_facets.c.study_instance_uid == worklist.c.study_instance_uid, worklist_facets.c.label == label
        )
        for label in _labels_of(wanted)
    ]
    if wanted.pending_review:
        pending = worklist_facets.c.label.in_([f"reason:{reason.value}" for reason in PendingReason])
        conditions.append(
            sa.exists().where(worklist_facets.c.study_instance_uid == worklist.c.study_instance_uid, pending)
        )
    if wanted.uid:
        study = instances.c.study_instance_uid
        named = sa.union(
            *(sa.select(study).where(instances.c[name] == wanted.uid)
              for name in ("study_instance_uid", "series_instance_uid", "sop_instance_uid"))
        )  # fmt: skip
        conditions.append(worklist.c.study_instance_uid.in_(named))
    return conditions


def _labels_of(wanted: Filter) -> list[str]:
    given = (
        ("modality", wanted.modality),
        ("body_part", wanted.body_part),
        ("view", wanted.view),
        ("station", wanted.station),
        ("reason", wanted.reason),
    )
    return [f"{kind}:{value}" for kind, value in given if value]


def _find_by(transaction: Transaction, study_instance_uid: str) -> None:
    """Let the study be found by what its flagged images are and were flagged for."""
    names = ("modality", "body_part", "view", "station")
    rows = transaction.execute(
        sa.select(dispositions.c.reasons, *(instances.c[name] for name in names))
        .join(instances, instances.c.digest == dispositions.c.digest)
        .where(dispositions.c.study_instance_uid == study_instance_uid, dispositions.c.flagged)
    )
    labels: set[str] = set()
    for row in rows:
        labels |= {f"{name}:{value}" for name, value in zip(names, row[1:], strict=True) if value}
        labels |= {f"reason:{reason.name}" for reason in documents.load_reasons(row.reasons)}
    for label in sorted(labels):
        insert_or_ignore(transaction, worklist_facets, {"study_instance_uid": study_instance_uid, "label": label})


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


_ORDERS: dict[Order, tuple[sa.ColumnElement[Any], ...]] = {
    Order.NEWEST: (worklist.c.flagged_at, worklist.c.rank, worklist.c.study_instance_uid),
    Order.WORST: (worklist.c.rank, worklist.c.flagged_at, worklist.c.study_instance_uid),
}
