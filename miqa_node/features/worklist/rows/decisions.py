"""A person's decision about a flagged study: a permanent row, withdrawn by another row, and a label of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.delivery import REJECTION, DeliveryAction, DeliveryState
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelId, LabelOrigin, ReaderOpinion, RegionOutline
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.taxonomy.lookup import defect_names, is_expected, reason_code
from miqa_node.runtime.site_records import label_requests, labels
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import decisions, deliveries, dispositions, results
from miqa_node.stages.deliver.rows import delivery_jobs


def record(
    transaction: Transaction,
    study_instance_uid: str,
    resolution: Resolution,
    actor: str,
    comment: str,
    reason: str,
    images: Sequence[str],
    now: datetime,
) -> int:
    """Record a decision; returns its number."""
    values = {"study_instance_uid": study_instance_uid, "at": now, "actor": actor, "resolution": resolution.value}
    values |= {"reason": reason, "comment": comment, "images": list(images)}
    return int(transaction.execute(sa.insert(decisions).values(values).returning(decisions.c.decision_id)).scalar_one())


def withdraw(
    transaction: Transaction, study_instance_uid: str, decision: int, actor: str, comment: str, now: datetime
) -> None:
    """Withdraw a decision: its labels no longer count."""
    images = transaction.execute(sa.select(decisions.c.images).where(decisions.c.decision_id == decision)).scalar_one()
    values = {"study_instance_uid": study_instance_uid, "at": now, "actor": actor, "resolution": None, "reason": ""}
    values |= {"comment": comment, "images": images, "withdraws": decision}
    transaction.execute(sa.insert(decisions).values(values))
    labels.recount_decision(transaction, decision, now)


def count(transaction: Transaction, study_instance_uid: str) -> int:
    """Number of decisions and withdrawals for a study."""
    query = sa.select(sa.func.count()).where(decisions.c.study_instance_uid == study_instance_uid)
    return int(transaction.execute(query).scalar_one())


@dataclass(frozen=True, slots=True)
class RecordedRejection:
    """What a rejection note is made from; ``number`` counts earlier decisions about the study."""

    actor: str
    at: datetime
    reason: str
    comment: str
    images: tuple[InstanceDigest, ...]
    number: int


def rejection(transaction: Transaction, decision: int) -> RecordedRejection:
    """A decision that images are rejected, as it was recorded."""
    of = decisions.c
    row = transaction.execute(sa.select(decisions).where(of.decision_id == decision)).one()
    earlier = sa.select(sa.func.count()).where(
        of.study_instance_uid == row.study_instance_uid, of.decision_id < decision
    )
    images = tuple(map(InstanceDigest, row.images))
    number = int(transaction.execute(earlier).scalar_one())
    return RecordedRejection(row.actor, row.at, row.reason, row.comment, images, number)


@dataclass(frozen=True, slots=True)
class NoteDelivery:
    """The rejection note of a decision for one archive; ``due`` is when it is sent."""

    archive: str
    state: DeliveryState
    due: datetime

    @property
    def arrived(self) -> bool:
        """Whether the archive has it."""
        return self.state in (DeliveryState.SENT, DeliveryState.COMMITTED)


def notes_of(transaction: Transaction, decision: int) -> list[NoteDelivery]:
    """The deliveries of a decision's rejection notes."""
    query = (
        sa.select(deliveries.c.destination, deliveries.c.state, deliveries.c.next_attempt_at)
        .join(results, results.c.sop_instance_uid == deliveries.c.sop_instance_uid)
        .where(results.c.decision_id == decision, results.c.kind == REJECTION)
        .order_by(deliveries.c.destination)
    )
    return [NoteDelivery(row[0], DeliveryState(row[1]), row[2]) for row in transaction.execute(query)]


def keep(
    transaction: Transaction, study_instance_uid: str, images: Sequence[str], actor: str, comment: str, now: datetime
) -> None:
    """Cancel the waiting rejection notes of earlier decisions about images that somebody now calls good."""
    rejections = sa.select(decisions.c.decision_id, decisions.c.images).where(
        decisions.c.study_instance_uid == study_instance_uid, decisions.c.resolution == Resolution.CONFIRMED.value
    )
    for number, rejected in transaction.execute(rejections).all():
        if set(images) & set(rejected):
            cancel_notes(transaction, number, actor, comment, now)


def cancel_notes(transaction: Transaction, decision: int, actor: str, comment: str, now: datetime) -> tuple[str, ...]:
    """Cancel the waiting rejection notes of a decision; returns the archives that already have one."""
    query = sa.select(results.c.sop_instance_uid).where(results.c.decision_id == decision, results.c.kind == REJECTION)
    for uid in transaction.execute(query).scalars().all():
        match = delivery_jobs.DeliveryFilter(uid=uid)
        delivery_jobs.act_on_all(transaction, DeliveryAction.CANCEL, match, actor, comment, now)
    return tuple(note.archive for note in notes_of(transaction, decision) if note.arrived)


def hidden_in(transaction: Transaction, study_instance_uid: str) -> tuple[str, ...]:
    """The archives that got a rejection note of a decision that no longer holds; only they can restore the images.

    It was withdrawn, or a later one calls an image good.
    """
    of_study = sa.select(decisions).where(decisions.c.study_instance_uid == study_instance_uid)
    rows = transaction.execute(of_study.order_by(decisions.c.decision_id)).all()
    withdrawn = {row.withdraws for row in rows}
    good: set[str] = set()
    outdated = []
    for row in reversed(rows):
        resolution = None if row.resolution is None else Resolution(row.resolution)
        if resolution is Resolution.CONFIRMED and (row.decision_id in withdrawn or good & set(row.images)):
            outdated.append(row.decision_id)
        elif resolution is not None and not resolution.rejects and row.decision_id not in withdrawn:
            good |= set(row.images)
    query = (
        sa.select(deliveries.c.destination)
        .join(results, results.c.sop_instance_uid == deliveries.c.sop_instance_uid)
        .where(
            results.c.decision_id.in_(outdated),
            results.c.kind == REJECTION,
            deliveries.c.state.in_([DeliveryState.SENT.value, DeliveryState.COMMITTED.value]),
        )
        .distinct()
    )
    return tuple(sorted(transaction.execute(query).scalars()))


def label(
    transaction: Transaction,
    digest: InstanceDigest,
    resolution: Resolution,
    actor: str,
    now: datetime,
    *,
    decision: int | None = None,
    reason: str = "",
    regions: Sequence[RegionOutline] = (),
) -> LabelId | None:
    """Store a person's decision about one image as a label.

    ``reason`` is a code value of CID 7011, if the person gave one, and ``regions`` are what the person drew.
    Otherwise the flag's reason stands if it is the only one, because the decision is about it.
    """
    bad = resolution.rejects
    named, objects = _stated(regions)
    if resolution is Resolution.DISMISSED:
        wrong, is_said = named, True  # the flag was wrong
        objects = tuple(one for one in objects if not is_expected(one))
    else:
        wrong = named or _flagged_for(transaction, digest)
        is_said = bool(named) or (bad and len(wrong) == 1)
    meant = tuple(dict.fromkeys((*wrong, *objects))) if is_said else None
    if bad and not reason and len(wrong) == 1:
        reason = reason_code(FindingName(wrong[0])).value
    request = label_requests.find(transaction, digest, LabelOrigin.SPOT_CHECK)
    opinion = ReaderOpinion(
        actor=actor,
        origin=LabelOrigin.SPOT_CHECK if request else LabelOrigin.DECISION,
        bad=bad,
        rejects=bad,
        findings=meant,
        reason=reason if bad else "",
        regions=tuple(regions),
        sampled=request.share if request else 1.0,
    )
    return labels.add(transaction, digest, opinion, now, decision)


def _stated(regions: Sequence[RegionOutline]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The findings that a person named, which say what is wrong; and those of objects that are there besides."""
    named = [one.finding for one in regions if one.finding and one.kind is None and not is_expected(one.finding)]
    objects = [one.finding for one in regions if one.finding and one.finding not in named]
    return tuple(dict.fromkeys(named)), tuple(dict.fromkeys(objects))


def _flagged_for(transaction: Transaction, digest: InstanceDigest) -> tuple[str, ...]:
    """Names of the reasons of an image's verdict, empty unless all of them are findings of the taxonomy."""
    reasons = transaction.execute(
        sa.select(dispositions.c.reasons).where(dispositions.c.digest == digest)
    ).scalar_one_or_none()
    names = tuple(one.name for one in documents.load_reasons(reasons or []))
    return names if set(names) <= set(defect_names()) else ()
