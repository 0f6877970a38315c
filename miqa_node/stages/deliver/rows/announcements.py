"""Events for webhooks: written in the transaction that causes them, and delivered by the outbox.

A study is announced when its outcome changes: flagged at once, passed after a quiet period, resolved when people
decide. Until then a flagged study stays flagged, as on the worklist (docs/adr/0009).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.delivery import EventNotice
from miqa_node.core.domain.event import (
    EventOrigin,
    EventType,
    StudyStanding,
    event_body,
    image_body,
    new_event_id,
    node_event_body,
)
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.verdict import SPOT_CHECK, Verdict
from miqa_node.core.domain.worklist import Resolution, WorklistState
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import announcements, dispositions, events, instances, worklist
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.deliver.rows.stated import Destinations, ResultQueue


class Announcement(StrEnum):
    """The last announcement about a study."""

    NOTHING = ""
    PASSED = "passed"
    FLAGGED = "flagged"
    RESOLVED = "resolved"


class Announcer:
    """Writes events for subscribers; ``listeners`` names the destinations of an event type.

    A study is quiet, and may have passed, if none of its images got a verdict for ``quiet_s``. Objects of the
    modalities ``not_images``, such as reports, do not count.
    """

    def __init__(
        self,
        listeners: Callable[[EventType], Sequence[str]],
        origin: EventOrigin,
        quiet_s: float = 300.0,
        not_images: Collection[str] = (),
        destinations: Destinations = dict,
    ) -> None:
        self.results = ResultQueue(destinations, origin)
        self._listeners = listeners
        self._not_images = sorted(not_images)
        self._origin = origin
        self._quiet = timedelta(seconds=quiet_s)

    def decided(self, transaction: Transaction, judgement: Judgement, now: datetime, *, is_image: bool) -> None:
        """An image, or the series represented by it, has its verdict and is on the worklist if flagged."""
        if not any(map(self._listeners, EventType)):
            return
        instance, disposition = judgement.instance, judgement.disposition
        uid = instance.header.study_instance_uid
        insert_or_ignore(
            transaction,
            announcements,
            {"study_instance_uid": uid, "outcome": Announcement.NOTHING.value, "rank": -1, "sequence": 0},
        )
        # The row is locked from here on: concurrent verdicts on images of one study are announced one by one.
        row = transaction.execute(
            sa.update(announcements)
            .where(announcements.c.study_instance_uid == uid)
            .values(look_at=now + self._quiet)
            .returning(announcements.c.outcome, announcements.c.rank)
        ).one()
        if not is_image:
            return
        image = image_body(judgement)
        standing = standing_of(transaction, uid, self._not_images)
        self._write(transaction, EventType.IMAGE_ASSESSED, instance.digest, standing, now, image)
        rank = disposition.verdict.rank
        is_news = row.outcome != Announcement.FLAGGED.value or rank > row.rank
        if disposition.flagged and (is_news or _was_listed_at(transaction, uid, now)):
            self._come_to(transaction, uid, Announcement.FLAGGED, rank)
            self._write(transaction, EventType.STUDY_FLAGGED, instance.digest, standing, now, image)

    def look(self, transaction: Transaction, now: datetime) -> int:
        """Announce quiet studies that have passed, and flagged ones that readers have decided; return their number."""
        due = announcements.c.look_at <= now
        if not transaction.execute(sa.select(sa.exists().where(due))).scalar_one():  # takes no write lock
            return 0
        # An image that waits for a verdict restarts the quiet period when it gets one.
        studies = transaction.execute(
            sa.update(announcements)
            .where(due)
            .values(look_at=None)
            .returning(announcements.c.study_instance_uid, announcements.c.outcome, announcements.c.rank)
        ).all()
        announced = 0
        for uid, outcome, rank in studies:
            standing = standing_of(transaction, uid, self._not_images)
            resolution = _resolution(transaction, uid) if outcome == Announcement.FLAGGED.value else None
            if resolution is not None:
                self._come_to(transaction, uid, Announcement.RESOLVED, rank)
                event_type = EventType.STUDY_RESOLVED
            elif outcome == Announcement.RESOLVED.value and _is_unresolved(transaction, uid):
                self._come_to(transaction, uid, Announcement.FLAGGED, rank)
                event_type = EventType.STUDY_FLAGGED
            elif outcome == Announcement.NOTHING.value and standing.has_passed:
                self._come_to(transaction, uid, Announcement.PASSED, Verdict.ACCEPT.rank)
                event_type = EventType.STUDY_PASSED
            else:
                continue
            self._write(transaction, event_type, _newest(transaction, uid), standing, now, resolution=resolution)
            announced += 1
        return announced

    def node_judges(self, transaction: Transaction, reason: str, now: datetime) -> None:
        """Announce that the node judges no images, or again if ``reason`` is empty; once each, also after a restart."""
        event_type = EventType.NODE_PAUSED if reason else EventType.NODE_RESUMED
        names = self._listeners(event_type)
        if not names or bool(reason) == self._is_known_to_pause(transaction):
            return
        event_id = new_event_id()
        body = node_event_body(event_id, event_type, now, self._origin, reason)
        _queue(transaction, event_id, event_type, None, body, names, now)

    def _is_known_to_pause(self, transaction: Transaction) -> bool:
        query = sa.select(events.c.event_type, events.c.body).where(events.c.digest.is_(None))
        for event_type, body in transaction.execute(query.order_by(events.c.occurred_at.desc())):
            if json.loads(body)["data"]["node"] == self._origin.node:
                return bool(event_type == EventType.NODE_PAUSED.value)
        return False

    def _come_to(self, transaction: Transaction, uid: str, outcome: Announcement, rank: int) -> None:
        transaction.execute(
            sa.update(announcements)
            .where(announcements.c.study_instance_uid == uid)
            .values(outcome=outcome.value, rank=rank)
        )

    def _write(
        self,
        transaction: Transaction,
        event_type: EventType,
        digest: InstanceDigest,
        standing: StudyStanding,
        now: datetime,
        image: Mapping[str, Any] | None = None,
        resolution: Resolution | None = None,
    ) -> None:
        names = self._listeners(event_type)
        if not names:
            return
        sequence = transaction.execute(
            sa.update(announcements)
            .where(announcements.c.study_instance_uid == standing.study_instance_uid)
            .values(sequence=announcements.c.sequence + 1)
            .returning(announcements.c.sequence)
        ).scalar_one()
        event_id = new_event_id()
        body = event_body(event_id, event_type, now, sequence, self._origin, standing, image, resolution)
        _queue(transaction, event_id, event_type, digest, body, names, now)


def _queue(
    transaction: Transaction,
    event_id: str,
    event_type: EventType,
    digest: InstanceDigest | None,
    body: Mapping[str, Any],
    names: Sequence[str],
    now: datetime,
) -> None:
    values = {"event_id": event_id, "event_type": event_type.value, "digest": digest, "occurred_at": now}
    transaction.execute(sa.insert(events).values(values | {"body": json.dumps(body, ensure_ascii=False)}))
    for name in names:
        deliveries.queue(transaction, EventNotice(event_id, event_type.value), name, now)


def resolved(transaction: Transaction, study_instance_uid: str, now: datetime) -> None:
    """People decided about a flagged study: the next look announces it to the subscribers that got the flag."""
    _look_again(transaction, study_instance_uid, Announcement.FLAGGED, now)


def reopened(transaction: Transaction, study_instance_uid: str, now: datetime) -> None:
    """A decision was withdrawn: the next look announces the flag again to the subscribers that got the resolution."""
    _look_again(transaction, study_instance_uid, Announcement.RESOLVED, now)


def _look_again(transaction: Transaction, study_instance_uid: str, announced: Announcement, now: datetime) -> None:
    of_study = announcements.c.study_instance_uid == study_instance_uid
    update = sa.update(announcements).where(of_study, announcements.c.outcome == announced.value)
    transaction.execute(update.values(look_at=now))


def body_of(transaction: Transaction, event_id: str) -> bytes:
    """The JSON of an event, the same bytes each time."""
    body: str = transaction.execute(sa.select(events.c.body).where(events.c.event_id == event_id)).scalar_one()
    return body.encode()


def standing_of(transaction: Transaction, study_instance_uid: str, not_images: Sequence[str]) -> StudyStanding:
    """The current standing of a study; objects of the modalities ``not_images`` do not count."""
    of_study = sa.and_(instances.c.study_instance_uid == study_instance_uid, instances.c.modality.not_in(not_images))
    joined = instances.outerjoin(dispositions, dispositions.c.digest == instances.c.digest)
    counted = transaction.execute(
        sa.select(dispositions.c.verdict, sa.func.count())
        .select_from(joined)
        .where(of_study)
        .group_by(dispositions.c.verdict)
    )
    counts = {row[0]: int(row[1]) for row in counted}
    waiting = counts.pop(None, 0)
    flags = transaction.execute(
        sa.select(dispositions.c.verdict, dispositions.c.reasons)
        .select_from(joined)
        .where(of_study, dispositions.c.flagged)
    )
    flagged = sum(Verdict(row.verdict).flagged or _says_more_than_audit(row.reasons) for row in flags)
    return StudyStanding(study_instance_uid, {Verdict(v): count for v, count in counts.items()}, flagged, waiting)


def _says_more_than_audit(reasons: list[dict[str, Any]]) -> bool:
    """Whether it is more than a spot check: an accepted image drawn for one is on the worklist, but has passed."""
    return any(reason.name != SPOT_CHECK.name for reason in documents.load_reasons(reasons))


def _was_listed_at(transaction: Transaction, study_instance_uid: str, now: datetime) -> bool:
    """Whether the study was put on the worklist, or reopened, in this transaction."""
    listed = sa.exists().where(worklist.c.study_instance_uid == study_instance_uid, worklist.c.flagged_at == now)
    return transaction.execute(sa.select(listed)).scalar_one()


def _resolution(transaction: Transaction, study_instance_uid: str) -> Resolution | None:
    """The readers' decision about the study; None while it is open."""
    row = transaction.execute(
        sa.select(worklist.c.resolution).where(
            worklist.c.study_instance_uid == study_instance_uid, worklist.c.state == WorklistState.RESOLVED.value
        )
    ).scalar_one_or_none()
    return None if row is None else Resolution(row)


def _is_unresolved(transaction: Transaction, study_instance_uid: str) -> bool:
    """Whether the study is on the worklist and waits for a person."""
    waits = worklist.c.state != WorklistState.RESOLVED.value
    query = sa.exists().where(worklist.c.study_instance_uid == study_instance_uid, waits)
    return bool(transaction.execute(sa.select(query)).scalar_one())


def _newest(transaction: Transaction, study_instance_uid: str) -> InstanceDigest:
    query = (
        sa.select(dispositions.c.digest)
        .where(dispositions.c.study_instance_uid == study_instance_uid)
        .order_by(dispositions.c.decided_at.desc(), dispositions.c.digest)
        .limit(1)
    )
    return InstanceDigest(transaction.execute(query).scalar_one())
