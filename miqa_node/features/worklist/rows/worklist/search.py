"""Finds flagged studies by filters, page by page, or one by its UID."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.prediction import PENDING_NAMES
from miqa_node.core.domain.verdict import Verdict, is_experimental
from miqa_node.core.domain.worklist import Resolution, WorklistComment, WorklistImage, WorklistItem, WorklistState
from miqa_node.core.language.phrase import joined
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.errors import NotFoundError
from miqa_node.features.worklist.filter import WorklistFilter
from miqa_node.features.worklist.rows import free_text
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import (
    assessments,
    dispositions,
    instances,
    patient_conflicts,
    patients,
    studies,
    worklist,
    worklist_events,
    worklist_facets,
)
from miqa_node.stages.conclusion.rows.flagged_studies import SELF, concerns_quality
from miqa_node.stages.units.kinds import is_slice_class
from miqa_node.stages.units.rows.standing import standings

MOST_SEARCHED = 2000
"""The newest studies in which a text is looked for in stations, rooms and operators."""
COMMENTED = "commented"
"""The action of an event that is only a comment."""


_EVERYTHING = WorklistFilter(every_list=True)


class WorklistOrder(StrEnum):
    """The order of the list."""

    NEWEST = "newest"
    WORST = "worst"


@dataclass(frozen=True, slots=True)
class WorklistPosition:
    """The position of an item in a list, for paging through lists of any length."""

    flagged_at: datetime
    rank: int
    severity: int
    study_instance_uid: str


UNRESOLVED = frozenset({WorklistState.OPEN, WorklistState.CLAIMED})


def select(transaction: Transaction, criteria: WorklistFilter, *, limit: int, offset: int = 0) -> list[WorklistItem]:
    """Flagged studies, newest first, with their flagged images."""
    query = _query(criteria).order_by(*_first_to_last(WorklistOrder.NEWEST))
    return _items(transaction, query.limit(limit).offset(offset))


def page(
    transaction: Transaction,
    criteria: WorklistFilter,
    *,
    limit: int,
    order: WorklistOrder = WorklistOrder.NEWEST,
    after: WorklistPosition | None = None,
    before: WorklistPosition | None = None,
    among: Sequence[str] | None = None,
) -> list[WorklistItem]:
    """The items after a position, or the last before it; as fast at the end of a list as at its start.

    ``among`` are the studies that match, or the first of them, if they are known: they are not searched again.
    """
    columns = _ORDERS[order]
    conditions: list[sa.ColumnElement[bool]] = (
        _conditions(criteria) if among is None else [worklist.c.study_instance_uid.in_(among)]
    )
    at = before or after
    if at is not None:
        values = [sa.literal(getattr(at, column.name), column.type) for column in columns]
        here = sa.tuple_(*values)
        conditions.append(sa.tuple_(*columns) > here if before else sa.tuple_(*columns) < here)
    # Indexes hold all that finds the studies of a page; rows of tables are read for these only.
    studies_of_page = sa.select(worklist.c.study_instance_uid).where(*conditions)
    studies_of_page = studies_of_page.order_by(*(columns if before else _first_to_last(order))).limit(limit)
    query = _query().where(worklist.c.study_instance_uid.in_(studies_of_page))
    return _items(transaction, query.order_by(*_first_to_last(order)))


def count(transaction: Transaction, criteria: WorklistFilter, most: int | None = None) -> int:
    """Number of studies that match a filter; counting stops at ``most``."""
    matches = sa.select(sa.literal(1)).select_from(worklist).where(*_conditions(criteria))
    if most is not None:
        matches = matches.limit(most)
    return transaction.execute(sa.select(sa.func.count()).select_from(matches.subquery())).scalar_one()


def newest(transaction: Transaction, criteria: WorklistFilter, most: int) -> list[str]:
    """UIDs of the studies that match a filter, newest first, at most ``most``."""
    return list(transaction.execute(_newest(criteria, most)).scalars())


def facets(transaction: Transaction, study_uids: Sequence[str], kinds: Sequence[str]) -> dict[str, dict[str, int]]:
    """Number of some studies by label of these kinds (``station``, ``reason`` …), most frequent first."""
    count = sa.func.count()
    query = (
        sa.select(worklist_facets.c.label, count)
        .where(worklist_facets.c.study_instance_uid.in_(study_uids))
        .group_by(worklist_facets.c.label)
        .order_by(count.desc(), worklist_facets.c.label)
    )
    counted: dict[str, dict[str, int]] = {kind: {} for kind in kinds}
    for label, number in transaction.execute(query):
        kind, _, value = label.partition(":")
        if kind in counted:
            counted[kind][value] = number
    return counted


def show(transaction: Transaction, study_instance_uid: str) -> WorklistItem:
    """One item; NotFoundError if the study is not on the list."""
    query = _query().where(worklist.c.study_instance_uid == study_instance_uid)
    row = transaction.execute(query).one_or_none()
    if row is None:
        raise NotFoundError("No study {study_instance_uid} is on the worklist.", study_instance_uid=study_instance_uid)
    return _with_parts(transaction, [row])[0]


def place_of(item: WorklistItem) -> WorklistPosition:
    """The position of the item."""
    return WorklistPosition(item.flagged_at, item.verdict.rank, item.severity, item.study_instance_uid)


def _query(criteria: WorklistFilter = _EVERYTHING) -> sa.Select[tuple[object, ...]]:
    return (
        sa.select(worklist, studies.c.accession_number, studies.c.patient_id, studies.c.study_date, _CONFLICT)
        .join(studies, studies.c.study_instance_uid == worklist.c.study_instance_uid)
        .where(*_conditions(criteria))
    )


_CONFLICT = (
    sa.exists()
    .where(
        patient_conflicts.c.study_instance_uid == worklist.c.study_instance_uid,
        patient_conflicts.c.resolved_at.is_(None),
    )
    .label("patients_conflict")
)


def _newest(criteria: WorklistFilter, most: int) -> sa.Select[str]:
    query = sa.select(worklist.c.study_instance_uid).where(*_conditions(criteria))
    return query.order_by(*_first_to_last(WorklistOrder.NEWEST)).limit(most)


def _first_to_last(order: WorklistOrder) -> list[sa.ColumnElement[Any]]:
    return [column.desc() for column in _ORDERS[order]]


def _items(transaction: Transaction, query: sa.Select[tuple[object, ...]]) -> list[WorklistItem]:
    return _with_parts(transaction, transaction.execute(query).all())


def _with_parts(transaction: Transaction, rows: Sequence[sa.Row[tuple[object, ...]]]) -> list[WorklistItem]:
    uids = [row.study_instance_uid for row in rows]
    images, comments, late = _images(transaction, uids), _comments(transaction, uids), _late(transaction, uids)
    return [
        _item(row, images.get(uid, ()), comments.get(uid, ()), late.get(uid, ""))
        for row, uid in zip(rows, uids, strict=True)
    ]


def _states(criteria: WorklistFilter) -> Iterator[sa.ColumnElement[bool]]:
    """Yield what asks for states; without any, a study whose flag the node itself closed is no flagged one."""
    if criteria.state and set(criteria.state) == UNRESOLVED:
        yield worklist.c.state != sa.literal_column("'RESOLVED'")  # in the form of the partial indexes
    elif criteria.state:
        yield worklist.c.state.in_([s.value for s in criteria.state])
    elif not (criteria.names_studies or criteria.every_list):
        yield sa.or_(worklist.c.state != WorklistState.RESOLVED.value, worklist.c.resolved_by != SELF)


def _conditions(criteria: WorklistFilter) -> list[sa.ColumnElement[bool]]:
    conditions = list(_states(criteria))
    if criteria.verdict:
        conditions.append(worklist.c.verdict.in_([v.value for v in criteria.verdict]))
    if criteria.claimed_by:
        conditions.append(worklist.c.claimed_by == criteria.claimed_by)
    if criteria.accession_number:
        ordered = sa.select(studies.c.study_instance_uid).where(studies.c.accession_number == criteria.accession_number)
        conditions.append(worklist.c.study_instance_uid.in_(ordered))
    if criteria.search:
        newest = _newest(criteria.model_copy(update={"search": ""}), MOST_SEARCHED)
        conditions.append(worklist.c.study_instance_uid.in_(free_text.studies_begin(criteria.search, newest)))
    if criteria.since:
        conditions.append(worklist.c.flagged_at >= criteria.since)
    if criteria.until:
        conditions.append(worklist.c.flagged_at < criteria.until)
    conditions += [
        sa.exists().where(
            worklist_facets.c.study_instance_uid == worklist.c.study_instance_uid, worklist_facets.c.label.in_(labels)
        )
        for labels in _labels_of(criteria)
    ]
    if criteria.leaves_predictions_out:
        conditions.append(concerns_quality())
    if criteria.pending_review:
        pending = worklist_facets.c.label.in_([f"reason:{name}" for name in sorted(PENDING_NAMES)])
        conditions.append(
            sa.exists().where(worklist_facets.c.study_instance_uid == worklist.c.study_instance_uid, pending)
        )
    if criteria.uid:
        study = instances.c.study_instance_uid
        named = sa.union(
            *(sa.select(study).where(instances.c[name] == criteria.uid)
              for name in ("study_instance_uid", "series_instance_uid", "sop_instance_uid"))
        )  # fmt: skip
        conditions.append(worklist.c.study_instance_uid.in_(named))
    return conditions


def _labels_of(criteria: WorklistFilter) -> list[list[str]]:
    """For each condition the labels of which a study has one."""
    conditions = (
        ("modality", (criteria.modality,)),
        ("body_part", STANDARD.body_parts.spellings(criteria.body_part)),
        ("view", STANDARD.views.spellings(criteria.view)),
        ("station", (criteria.station,)),
        ("reason", (criteria.reason,)),
    )
    return [[f"{kind}:{value}" for value in values] for kind, values in conditions if values[0]]


def _images(transaction: Transaction, study_uids: list[str]) -> dict[str, tuple[WorklistImage, ...]]:
    query = (
        sa.select(
            instances,
            dispositions.c.verdict,
            dispositions.c.reasons,
            dispositions.c.certificate,
            assessments.c.score,
            sa.func.coalesce(patients.c.patient_id, studies.c.patient_id).label("patient_id"),
            patients.c.authority,
            patients.c.is_known,
        )
        .join(dispositions, dispositions.c.digest == instances.c.digest)
        .join(studies, studies.c.study_instance_uid == instances.c.study_instance_uid)
        .join(patients, patients.c.patient_number == instances.c.patient_number, isouter=True)
        .join(assessments, assessments.c.digest == instances.c.digest, isouter=True)
        .where(
            instances.c.study_instance_uid.in_(study_uids),
            dispositions.c.flagged,
        )
        .order_by(instances.c.received_at, instances.c.sop_instance_uid, instances.c.digest)
    )
    images: dict[str, tuple[WorklistImage, ...]] = {}
    for row in transaction.execute(query):
        reasons = documents.load_reasons(row.reasons)
        image = WorklistImage(
            sop_instance_uid=row.sop_instance_uid,
            digest=row.digest,
            verdict=Verdict(row.verdict),
            score=row.score,
            reasons=tuple(reason.text for reason in reasons),
            modality=row.modality,
            body_part=row.body_part,
            view=row.view,
            station=row.station,
            certificate=row.certificate,
            patient_id=row.patient_id,
            authority=row.authority if row.is_known else None,
            experimental=is_experimental(reasons),
            laterality=row.header.get("image_laterality", ""),
            description=row.header.get("series_description", ""),
            names=tuple(reason.name for reason in reasons),
        )
        images[row.study_instance_uid] = (*images.get(row.study_instance_uid, ()), image)
    return images


def patient_names(transaction: Transaction, study_uids: Sequence[str]) -> dict[str, str]:
    """The names of the patients of some studies, as their headers write them."""
    of = studies.c
    rows = transaction.execute(
        sa.select(of.study_instance_uid, of.patient_name).where(of.study_instance_uid.in_(study_uids))
    ).all()
    return {row.study_instance_uid: row.patient_name for row in rows}


def _late(transaction: Transaction, study_uids: list[str]) -> dict[str, str]:
    """What came of series of some studies after their verdicts."""
    speaks = sa.or_(assessments.c.digest.is_not(None), dispositions.c.flagged)
    query = (
        sa.select(instances.c.study_instance_uid, instances.c.header, instances.c.modality, instances.c.sop_class_uid)
        .join(dispositions, dispositions.c.digest == instances.c.digest)
        .join(assessments, assessments.c.digest == instances.c.digest, isouter=True)
        .where(instances.c.study_instance_uid.in_(study_uids), speaks)
        .order_by(instances.c.received_at)
    )
    slices = [row for row in transaction.execute(query) if is_slice_class(row.modality, row.sop_class_uid)]
    units = standings(transaction, [documents.load_header(row.header) for row in slices])
    late: dict[str, dict[str, None]] = {}
    for row, unit in zip(slices, units, strict=True):
        if unit is not None and (sentence := unit.late.sentence):
            late.setdefault(row.study_instance_uid, {})[sentence] = None
    return {study: joined(" ", list(sentences)) for study, sentences in late.items()}


def _comments(transaction: Transaction, study_uids: list[str]) -> dict[str, tuple[WorklistComment, ...]]:
    of = worklist_events.c
    query = sa.select(of.study_instance_uid, of.at, of.actor, of.comment).order_by(of.event_id)
    comments: dict[str, tuple[WorklistComment, ...]] = {}
    for uid, at, actor, text in transaction.execute(
        query.where(of.study_instance_uid.in_(study_uids), of.action == COMMENTED)
    ):
        comments[uid] = (*comments.get(uid, ()), WorklistComment(at, actor, text))
    return comments


def _item(
    row: sa.Row[tuple[object, ...]],
    images: tuple[WorklistImage, ...],
    comments: tuple[WorklistComment, ...],
    late: str,
) -> WorklistItem:
    ids = [image.patient_id for image in images] or [row.patient_id]
    return WorklistItem(
        study_instance_uid=row.study_instance_uid,
        accession_number=row.accession_number,
        patient_id=row.patient_id if row.patient_id in ids else ids[0],
        study_date=row.study_date,
        verdict=Verdict(row.verdict),
        state=WorklistState(row.state),
        flagged_at=row.flagged_at,
        severity=row.severity,
        claimed_by=row.claimed_by,
        resolution=Resolution(row.resolution) if row.resolution else None,
        resolved_by=row.resolved_by,
        resolved_at=row.resolved_at,
        comment=row.comment,
        decision=row.decision_id,
        retaken_at=row.retaken_at,
        images=images,
        comments=comments,
        late=late,
        patients_conflict=row.patients_conflict,
    )


_ORDERS: dict[WorklistOrder, tuple[sa.ColumnElement[Any], ...]] = {
    WorklistOrder.NEWEST: (worklist.c.flagged_at, worklist.c.rank, worklist.c.study_instance_uid),
    WorklistOrder.WORST: (
        worklist.c.rank,
        worklist.c.severity,
        worklist.c.flagged_at,
        worklist.c.study_instance_uid,
    ),
}
