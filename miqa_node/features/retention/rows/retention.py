"""Selects what is to go: first the row is marked, then its file is deleted (stages/units/rows/removal.py).

If the process is killed in between, the next round deletes the files of marked rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.retention import RemovalCause, RetentionGroup
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import WorklistState
from miqa_node.core.settings import Settings
from miqa_node.features.retention.rows.retention_walk import Condition, RetentionWalk
from miqa_node.features.retention.tables import origin
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import BARE, KEPT
from miqa_node.stages.deliver.rows.deliveries import UNDELIVERED

Studies = Sequence[str] | sa.Select[tuple[str]]

_FLAGS = (Verdict.REVIEW.value, Verdict.REJECT.value)
_of, _verdicts, _flagged_studies = t.instances.c, t.dispositions.c, t.worklist.c

_DECIDED = t.instances.outerjoin(t.dispositions, _verdicts.digest == _of.digest).outerjoin(
    t.worklist, _flagged_studies.study_instance_uid == _of.study_instance_uid
)
"""Instances, each with its verdict and the entry of its study on the worklist."""


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """Days after which originals are removed; 0 is never. ``sources``, by calling AE title, override ``accepted``."""

    accepted: int
    flagged: int
    sources: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of the settings."""
        rules = settings.retention
        return cls(rules.accepted_days, rules.flagged_days, rules.sources)


@dataclass(frozen=True, slots=True)
class Holding:
    """Number and size of the originals of one group; ``due`` of them are older than their limit."""

    group: RetentionGroup
    images: int
    size_bytes: int
    due: int
    due_bytes: int


def is_on(transaction: Transaction, enabled: bool | str) -> bool:
    """Whether originals are removed: what ``retention.enabled`` says; for "new", whether the database began empty."""
    if isinstance(enabled, bool):
        return enabled
    return bool(transaction.execute(sa.select(origin.c.began_empty)).scalar())


def holdings(transaction: Transaction, limits: AgeLimits, now: datetime) -> list[Holding]:
    """All stored originals by group, in the order of :class:`RetentionGroup`."""
    waits = {group: studies.distinct().subquery() for group, studies in _waiting().items()}
    stored = _DECIDED
    for studies in waits.values():
        stored = stored.outerjoin(studies, studies.c.study_instance_uid == _of.study_instance_uid)
    waiting: dict[RetentionGroup, sa.ColumnElement[bool]] = {
        one: studies.c.study_instance_uid.is_not(None) for one, studies in waits.items()
    }
    waiting[RetentionGroup.HOLD] = sa.or_(waiting[RetentionGroup.HOLD], _is_of_held_patient())
    group = sa.case(
        *((waits_for, one.value) for one, waits_for in waiting.items()),
        (~_is_unpromised(), RetentionGroup.PROMISED.value),
        (_is_flagged(), RetentionGroup.FLAGGED.value),
        else_=RetentionGroup.ACCEPTED.value,
    )
    due = sa.and_(*(~waits_for for waits_for in waiting.values()), _is_unpromised(), _is_old(limits, now))
    query = (
        sa.select(
            group.label("name"),
            sa.func.count(),
            sa.func.sum(_of.size_bytes),
            sa.func.count(sa.case((due, 1))),
            sa.func.sum(sa.case((due, _of.size_bytes), else_=0)),
        )
        .select_from(stored)
        .where(KEPT)
        .group_by("name")
    )
    rows = {row[0]: row for row in transaction.execute(query)}
    return [
        Holding(one, *(int(rows[one.value][column] or 0) if one.value in rows else 0 for column in range(1, 5)))
        for one in RetentionGroup
    ]


def remove_old(
    transaction: Transaction, limits: AgeLimits, now: datetime, limit: int, walk: RetentionWalk | None = None
) -> int:
    """Mark up to ``limit`` originals that are older than their limit; returns their number.

    All removals go through the images from the oldest arrival on; ``walk`` remembers how far they came.
    """
    days = _shortest(limits)
    arrived = _arrived_at() < now - timedelta(days=days) if days else sa.false()
    return _mark(transaction, (arrived, _is_old(limits, now)), RemovalCause.AGE, now, limit, walk or RetentionWalk())


def remove_for_space(
    transaction: Transaction, group: RetentionGroup, now: datetime, limit: int, walk: RetentionWalk | None = None
) -> int:
    """Mark up to ``limit`` originals of a group regardless of age; returns their number."""
    condition = _is_flagged() if group is RetentionGroup.FLAGGED else ~_is_flagged()
    return _mark(transaction, (sa.true(), condition), RemovalCause.SPACE, now, limit, walk or RetentionWalk())


def remove_artifacts(
    transaction: Transaction, before: datetime | None, now: datetime, limit: int, walk: RetentionWalk | None = None
) -> int:
    """Mark previews, maps and results of up to ``limit`` images whose original is gone; returns their number.

    With ``before``, only of images decided before it. Images with an undelivered result are skipped.
    """
    arrived, old = (
        (sa.true(), sa.true()) if before is None else (_of.received_at < before, _verdicts.decided_at < before)
    )

    def choose(rows: Sequence[sa.Row[Any]]) -> Sequence[str]:
        chosen = _among(rows, BARE, old).order_by(_of.received_at, _of.digest).limit(limit)
        return transaction.execute(chosen).scalars().all()

    digests = (walk or RetentionWalk()).choose(transaction, _of.received_at, (BARE, arrived), choose, limit)
    marked = sa.update(t.instances).where(_of.digest.in_(digests), BARE).values(artifacts_removed_at=now)
    return len(transaction.execute(marked.returning(_of.digest)).all()) if digests else 0


def _mark(
    transaction: Transaction,
    conditions: tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]],
    cause: RemovalCause,
    now: datetime,
    limit: int,
    walk: RetentionWalk,
) -> int:
    arrived, condition = conditions

    def choose(rows: Sequence[sa.Row[Any]]) -> Sequence[str]:
        chosen = _among(rows, KEPT, condition).order_by(_since(), _of.digest).limit(limit)
        return transaction.execute(chosen).scalars().all()

    # Selected before the first write, so that SQLite's write lock is not held while many rows are read.
    digests = walk.choose(transaction, _arrived_at(), (KEPT, arrived), choose, limit)
    chosen = _of.digest.in_(digests)
    studies = sa.select(_of.study_instance_uid).where(chosen).correlate(None)
    marked = (
        sa.update(t.instances)
        # Checked again on the rows themselves, because a person or a peer may be requesting one at this moment.
        .where(chosen, KEPT, _is_unpromised(), *_is_disposable(studies))
        .values(removed_at=now, removal_cause=cause.value, deleted_at=None)
    )
    return len(transaction.execute(marked.returning(_of.digest)).all()) if digests else 0


def _among(rows: Sequence[sa.Row[Any]], *conditions: Condition) -> sa.Select[str]:
    """Digests of those of the rows that nothing requires to stay, and that meet the conditions."""
    studies = sorted({row.study_instance_uid for row in rows})
    query = sa.select(_of.digest).select_from(_DECIDED).where(_of.digest.in_([row.digest for row in rows]))
    return query.where(*conditions, *_is_free(studies))


def _waiting() -> dict[RetentionGroup, sa.Select[tuple[str]]]:
    """Why studies wait for something, the first that applies, and which."""
    lists: dict[RetentionGroup, sa.SelectBase] = {
        RetentionGroup.UNDECIDED: _undecided(),
        RetentionGroup.HOLD: _held(),
        RetentionGroup.OPEN: _opened(),
        RetentionGroup.UNDELIVERED: _undelivered(),
    }
    return {group: sa.select(one.subquery().c.study_instance_uid) for group, one in lists.items()}


def _is_free(among: Studies | None = None) -> tuple[sa.ColumnElement[bool], ...]:
    """Nothing requires the original to stay: it is in one of the removable groups."""
    study = _of.study_instance_uid
    waits = study.not_in(_undelivered(among)), study.not_in(_undecided(among))
    return *_is_disposable(among), *waits, _is_unpromised()


def _is_disposable(among: Studies | None = None) -> tuple[sa.ColumnElement[bool], ...]:
    """No person needs the study."""
    return _of.study_instance_uid.not_in(_opened(among)), _of.study_instance_uid.not_in(_held()), ~_is_of_held_patient()


# Studies that wait for something, all or those among some. No list depends on the current image, so each is computed
# once.


def _undecided(among: Studies | None = None) -> sa.CompoundSelect[tuple[str]]:
    one, verdict = t.instances.alias(), t.dispositions.alias()
    in_store = one.c.removed_at.is_(None)
    new = (
        sa.select(one.c.study_instance_uid)
        .select_from(one.outerjoin(verdict, verdict.c.digest == one.c.digest))
        .where(in_store, verdict.c.digest.is_(None), _is_among(one.c.study_instance_uid, among))
    )
    again = (
        sa.select(one.c.study_instance_uid)
        .select_from(one.join(t.reassessments, t.reassessments.c.digest == one.c.digest))
        .where(t.reassessments.c.concluded_at.is_(None), _is_among(one.c.study_instance_uid, among))
    )
    return sa.union_all(new, again)


def _held() -> sa.CompoundSelect[tuple[str]]:
    """Held as a whole, or with images of which it is not read yet whose they are."""
    holds, study, image = t.legal_holds.alias(), t.studies.alias(), t.instances.alias()
    in_force = holds.c.cleared_at.is_(None)
    unread = (
        sa.select(study.c.study_instance_uid)
        .select_from(
            study.join(holds, holds.c.patient_id == study.c.patient_id).join(
                image, image.c.study_instance_uid == study.c.study_instance_uid
            )
        )
        .where(in_force, holds.c.patient_id != "", image.c.patient_number.is_(None))
    )
    return sa.union_all(sa.select(holds.c.study_instance_uid).where(in_force), unread)


def _is_of_held_patient() -> sa.ColumnElement[bool]:
    holds, patient = t.legal_holds.alias(), t.patients.alias()
    is_same = sa.or_(
        holds.c.authority.is_(None),  # of an earlier version: everybody with the ID
        sa.and_(patient.c.is_known, patient.c.authority == holds.c.authority),
    )
    held = (
        sa.select(patient.c.patient_number)
        .select_from(patient.join(holds, holds.c.patient_id == patient.c.patient_id))
        .where(holds.c.cleared_at.is_(None), holds.c.patient_id != "", is_same)
    )
    return sa.func.coalesce(_of.patient_number, 0).in_(held)


def _opened(among: Studies | None = None) -> sa.Select[tuple[str]]:
    study, state = t.worklist.alias().c["study_instance_uid", "state"]
    return sa.select(study).where(state != WorklistState.RESOLVED.value, _is_among(study, among))


def _undelivered(among: Studies | None = None) -> sa.Select[tuple[str]]:
    about = t.instances.alias()
    waits = sa.or_(
        t.deliveries.c.state.in_(UNDELIVERED),
        sa.and_(t.deliveries.c.state == DeliveryState.SENT.value, t.deliveries.c.commit_at.is_not(None)),
    )
    return (
        sa.select(about.c.study_instance_uid)
        .select_from(
            t.deliveries.join(t.results, t.results.c.sop_instance_uid == t.deliveries.c.sop_instance_uid).join(
                about, about.c.digest == t.results.c.digest
            )
        )
        .where(waits, _is_among(about.c.study_instance_uid, among))
    )


def _is_among(study: sa.ColumnElement[str], among: Studies | None) -> sa.ColumnElement[bool]:
    return sa.true() if among is None else study.in_(among)


def _is_flagged() -> sa.ColumnElement[bool]:
    """The verdict flags it, or a person labelled it or was asked to."""
    labelled = sa.exists().where(t.labels.c.digest == _of.digest)
    has_request = sa.exists().where(t.requests.c.digest == _of.digest, t.requests.c.answered_at.is_(None))
    return sa.or_(_verdicts.flagged, _verdicts.verdict.in_(_FLAGS), labelled, has_request)


def _is_unpromised() -> sa.ColumnElement[bool]:
    return sa.or_(_of.promised_at.is_(None), _of.archived_at.is_not(None))


def _since() -> sa.ColumnElement[datetime]:
    """The start of an original's age."""
    return sa.func.coalesce(_of.restored_at, _flagged_studies.resolved_at, _verdicts.decided_at)


def _arrived_at() -> sa.ColumnElement[datetime]:
    """The same or earlier, and without a look at other tables; has an index."""
    return sa.func.coalesce(_of.restored_at, _of.received_at, type_=t.UtcDateTime())


def _shortest(limits: AgeLimits) -> int:
    return min((days for days in (limits.accepted, limits.flagged, *limits.sources.values()) if days), default=0)


def _is_old(limits: AgeLimits, now: datetime) -> sa.ColumnElement[bool]:
    def older(days: int) -> sa.ColumnElement[bool]:
        before = sa.bindparam(None, now - timedelta(days=days), t.UtcDateTime())
        return _since() < before if days else sa.false()

    by_source = [(_of.calling_ae_title == source, older(days)) for source, days in limits.sources.items()]
    accepted = sa.case(*by_source, else_=older(limits.accepted)) if by_source else older(limits.accepted)
    by_group = sa.case((_is_flagged(), older(limits.flagged)), else_=accepted)
    return sa.and_(older(_shortest(limits)), by_group)
