"""Notices by e-mail: preferences, due notices and their results. No text of a mail is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.notice import NoticeKind, NoticePreference, NoticeState, ShiftSpan
from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import WorklistState
from miqa_node.errors import ConflictError
from miqa_node.features.notices.rows import subjects
from miqa_node.features.notices.tables import notice_preferences
from miqa_node.runtime.people import tokens
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.site_records import machine_concerns
from miqa_node.runtime.site_records import rooms as known_rooms
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_missing
from miqa_node.runtime.store.phrase_columns import stored
from miqa_node.runtime.store.tables import (
    acquisition_days,
    acquisitions,
    dispositions,
    instances,
    notices,
    patients,
    studies,
    users,
    worklist,
)
from miqa_node.stages.conclusion.rows.flagged_studies import concerns_quality

KEPT = timedelta(days=90)
LONGEST_ESCALATION = timedelta(days=2)
"""Rejects older than this when escalation is enabled are only on the worklist, not in mails."""
MOST_STUDIES = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """One due notice."""

    notice_id: int
    account: str
    kind: NoticeKind
    subject: str
    since: datetime
    until: datetime
    attempts: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class NoticeStudy:
    """A flagged study in a notice; ``reasons`` are names of findings or other reasons."""

    study_instance_uid: str
    flagged_at: datetime
    verdict: str
    is_resolved: bool
    room: str
    reasons: tuple[str, ...]
    accession_number: str
    patient_name: str
    patient: PatientKey


def preference(transaction: Transaction, account: str) -> NoticePreference:
    """A person's preference; by default none are sent."""
    row = transaction.execute(sa.select(notice_preferences).where(notice_preferences.c.account == account)).mappings()
    row_of = row.one_or_none()
    return _preference(row_of) if row_of else NoticePreference(account, "", digest=False)


def rooms(transaction: Transaction, since: date, *, limit: int) -> list[str]:
    """Rooms with images since a day, sorted."""
    of = acquisition_days.c
    of_all = of.within == "", of.within_value == "", of.dimension == "room", of.day >= since
    query = sa.select(of.value).where(*of_all).distinct().order_by(of.value).limit(limit)
    return [value for value in transaction.execute(query).scalars() if value]


def save(transaction: Transaction, wish: NoticePreference, now: datetime) -> None:
    """Store a person's preference; ConflictError if there is no such account."""
    if transaction.execute(sa.select(users.c.name).where(users.c.name == wish.account)).first() is None:
        raise ConflictError("Notices need an account: make one on the page People.")
    of = notice_preferences.c
    transaction.execute(sa.delete(notice_preferences).where(of.account == wish.account))
    values = {**asdict(wish), "rooms": list(wish.rooms), "changed_at": now}
    transaction.execute(sa.insert(notice_preferences).values(values))
    detail = {"account": wish.account, "what": "notices", "digest": wish.digest, "escalation": wish.escalation}
    records.add(transaction, AuditEntry(AuditEvent.ACCOUNT_CHANGED, now, wish.account, detail=detail))


def plan(transaction: Transaction, shifts: Sequence[ShiftSpan], escalate_after: timedelta, now: datetime) -> None:
    """Plan for each person, once, digests, undecided rejects, rooms and machines newly told, and ends of tokens."""
    rows: list[dict[str, Any]] = []
    of_kind = {
        NoticeKind.ROOM: {at for room in known_rooms.unseen(transaction) if (at := room.whole.since) is not None},
        NoticeKind.MACHINE: {one.since for one in machine_concerns.standing(transaction)},
    }
    ending = tokens.ending(transaction, now)
    for wish, changed_at in _everybody(transaction):
        if wish.wants(NoticeKind.DIGEST):
            ended = (one for one in shifts if one.end > changed_at)
            rows += [_row(wish, NoticeKind.DIGEST, one.subject, one.begin, one.end, now) for one in ended]
        for kind in filter(wish.wants, of_kind):
            lately = (since for since in of_kind[kind] if since > max(changed_at, now - KEPT))
            rows += [_row(wish, kind, since.isoformat(), since, since, now) for since in lately]
        if wish.wants(NoticeKind.ENDING):
            days = subjects.tokens_for(transaction, wish.account, ending)
            rows += [_row(wish, NoticeKind.ENDING, day, now, now, now) for day in days]
        if wish.wants(NoticeKind.ESCALATION):
            span = (now - LONGEST_ESCALATION, now - escalate_after)
            unread = [one for one in flagged(transaction, *span, wish.rooms) if _is_unread(one)]
            rows += [
                _row(wish, NoticeKind.ESCALATION, one.study_instance_uid, one.flagged_at, now, now) for one in unread
            ]
    insert_missing(transaction, notices, rows)


def forget(transaction: Transaction, now: datetime) -> int:
    """Delete notices that were made long ago; returns their number."""
    return transaction.execute(sa.delete(notices).where(notices.c.made_at < now - KEPT)).rowcount


def claim(transaction: Transaction, now: datetime, lease: timedelta) -> tuple[NoticePreference, Notice] | None:
    """Lease the longest due notice to this process; None if none is due.

    If the process is killed while sending, another one takes the notice after the lease.
    """
    query = (
        sa.select(notices)
        .where(notices.c.state == NoticeState.WAITING.value, notices.c.next_attempt_at <= now)
        .order_by(notices.c.next_attempt_at, notices.c.notice_id)
        .limit(1)
    )
    row = transaction.execute(query).one_or_none()
    if row is None:
        return None
    unchanged = (notices.c.notice_id == row.notice_id) & (notices.c.attempts == row.attempts)
    due = notices.c.state == NoticeState.WAITING.value, notices.c.next_attempt_at == row.next_attempt_at
    mine = (
        sa.update(notices)
        .where(unchanged, *due)
        .values(attempts=row.attempts + 1, next_attempt_at=now + lease)
        .returning(notices.c.notice_id)
    )
    if transaction.execute(mine).first() is None:
        return None
    values = {name: getattr(row, name) for name in ("notice_id", "account", "subject", "since", "until", "made_at")}
    notice = Notice(kind=NoticeKind(row.kind), attempts=row.attempts + 1, **values)
    enabled = {wish.account: wish for wish, _ in _everybody(transaction)}
    return enabled.get(row.account, NoticePreference(row.account, "")), notice


def finish(transaction: Transaction, notice: Notice, state: NoticeState, now: datetime, error: str = "") -> None:
    """Close a notice: sent, no longer relevant, or failed for good."""
    values = {"state": state.value, "sent_at": now if state is NoticeState.SENT else None} | stored(last_error=error)
    transaction.execute(sa.update(notices).where(notices.c.notice_id == notice.notice_id).values(values))


def postpone(
    transaction: Transaction, notice: Notice, until: datetime, error: str = "", *, counts: bool = True
) -> None:
    """Try again later; with ``counts`` false, this does not count as an attempt, such as in quiet hours."""
    values = {"next_attempt_at": until, "attempts": notice.attempts - (0 if counts else 1)} | stored(last_error=error)
    transaction.execute(sa.update(notices).where(notices.c.notice_id == notice.notice_id).values(values))


def flagged(transaction: Transaction, since: datetime, until: datetime, rooms: Sequence[str]) -> list[NoticeStudy]:
    """Studies flagged in a span for more than a prediction, earliest first; empty ``rooms`` means all."""
    of = worklist.c
    room = sa.func.coalesce(acquisitions.c.room, instances.c.station)
    # The patient of the flagged image itself; of its study until it is read whose it is.
    named = (sa.func.coalesce(patients.c[name], studies.c[name]).label(name) for name in ("patient_name", "patient_id"))
    whose = (*named, patients.c.authority, patients.c.is_known)
    query = (
        sa.select(worklist, studies.c.accession_number, *whose, room.label("room"), dispositions.c.reasons)
        .join(studies, studies.c.study_instance_uid == of.study_instance_uid)
        .join(dispositions, (dispositions.c.study_instance_uid == of.study_instance_uid) & dispositions.c.flagged)
        .join(instances, instances.c.digest == dispositions.c.digest)
        .outerjoin(acquisitions, acquisitions.c.digest == dispositions.c.digest)
        .outerjoin(patients, patients.c.patient_number == instances.c.patient_number)
        .where(of.flagged_at >= since, of.flagged_at < until, concerns_quality())
        .order_by(of.flagged_at, of.study_instance_uid)
        .limit(20 * MOST_STUDIES)
    )
    query = query.where(room.in_(rooms)) if rooms else query
    by_study: dict[str, NoticeStudy] = {}
    for row in transaction.execute(query).mappings():
        uid = row["study_instance_uid"]
        earlier = by_study[uid].reasons if uid in by_study else ()
        reasons = documents.load_reasons(row["reasons"])
        names = tuple(dict.fromkeys((*earlier, *(one.finding or one.name for one in reasons))))
        by_study[uid] = NoticeStudy(
            uid, row["flagged_at"], row["verdict"], row["state"] == WorklistState.RESOLVED.value, row["room"], names,
            row["accession_number"], row["patient_name"],
            PatientKey(row["patient_id"], row["authority"] if row["is_known"] else None),
        )  # fmt: skip
    return list(by_study.values())[:MOST_STUDIES]


def unread(transaction: Transaction, notice: Notice) -> list[NoticeStudy]:
    """The study of an escalation, unless it has been decided."""
    near = timedelta(seconds=1)
    return [
        one
        for one in flagged(transaction, notice.since - near, notice.since + near, ())
        if one.study_instance_uid == notice.subject and _is_unread(one)
    ]


def _everybody(transaction: Transaction) -> list[tuple[NoticePreference, datetime]]:
    query = sa.select(notice_preferences).join(users, users.c.name == notice_preferences.c.account)
    rows = transaction.execute(query.where(~users.c.disabled)).mappings().all()
    return [(_preference(row), row["changed_at"]) for row in rows]


def _preference(row: sa.RowMapping) -> NoticePreference:
    values = {str(name): value for name, value in row.items() if name != "changed_at"}
    return NoticePreference(**{**values, "rooms": tuple(values["rooms"])})


def _is_unread(study: NoticeStudy) -> bool:
    return not study.is_resolved and study.verdict == Verdict.REJECT.value


def _row(
    wish: NoticePreference, kind: NoticeKind, subject: str, since: datetime, until: datetime, now: datetime
) -> dict[str, Any]:
    return {
        "account": wish.account, "kind": kind.value, "subject": subject, "since": since, "until": until,
        "state": NoticeState.WAITING.value, "attempts": 0, "next_attempt_at": now, "last_error": "", "made_at": now,
    }  # fmt: skip
