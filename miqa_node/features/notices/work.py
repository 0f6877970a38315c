"""Sends notices by e-mail, each once: digests of shifts, undecided rejects, rooms and machines, ends of tokens."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from miqa_node.core.domain.notice import NoticeKind, NoticePreference, NoticeState, last_shifts
from miqa_node.core.language.catalogue import languages, reworded, say, say_number, spoken
from miqa_node.core.observe import metrics
from miqa_node.core.settings import Settings
from miqa_node.core.taxonomy.reasons import reason_words
from miqa_node.core.words import whole_room
from miqa_node.errors import DeliveryError, DeliveryRefusedError
from miqa_node.features.notices.rows import notices, subjects
from miqa_node.features.notices.rows.notices import Notice, NoticeStudy
from miqa_node.parts import PartContext, PartKind
from miqa_node.runtime.people import tokens
from miqa_node.runtime.people.tokens import RENEW, Token
from miqa_node.runtime.site_records.machine_concerns import MachineConcern
from miqa_node.runtime.site_records.rooms import Room
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.work.clock_trust import TrustedNow, plain_now
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.deliver.mail import send_mail

AT_ONCE = 50
"""Maximum number of notices per poll; the others wait for the next poll."""
INTERVAL_S, FORGET_INTERVAL_S = 30.0, 3600.0
RETRY_AFTER = timedelta(minutes=5)
"""After an attempt that failed; also how long a process that was killed holds a notice."""
GIVE_UP_AFTER = timedelta(days=1)

Send = Callable[[str, str, str, str], None]

log = structlog.get_logger(__name__)


class NoticeSender(RegularWork):
    """Plans and sends due notices; any number of processes may run it on one database."""

    def __init__(
        self, database: Database, settings: Settings, send: Send | None = None, trusted_now: TrustedNow = plain_now
    ) -> None:
        super().__init__("notices", INTERVAL_S, "notices wait for the database")
        self._database, self._settings = database, settings
        self._zone = settings.node.zone
        self._send = send or partial(send_mail, settings.notices)
        self._trusted_now, self._forgot_at = trusted_now, float("-inf")

    def look(self) -> None:
        """Plan due notices, and send them."""
        now, rules = datetime.now(UTC), self._settings
        shifts = last_shifts(rules.analysis.shifts, now, self._zone)
        with self._database.begin() as transaction:
            notices.plan(transaction, shifts, timedelta(minutes=rules.web.escalate_minutes), now)
        self._forget_old()
        for _ in range(AT_ONCE):
            if self._stopping.is_set():
                return
            with self._database.begin() as transaction:
                due = notices.claim(transaction, datetime.now(UTC), RETRY_AFTER)
            if due is None:
                return
            self._try(*due)

    def _forget_old(self) -> None:
        if time.monotonic() - self._forgot_at < FORGET_INTERVAL_S or (now := self._trusted_now()) is None:
            return
        self._forgot_at = time.monotonic()
        with self._database.begin() as transaction:
            notices.forget(transaction, now)

    def _try(self, wish: NoticePreference, notice: Notice) -> None:
        now = datetime.now(UTC)
        quiet_end = wish.quiet_end(now.astimezone(self._zone))
        with self._database.begin() as transaction:
            if not wish.wants(notice.kind):
                notices.finish(transaction, notice, NoticeState.VOID, now)
                return
            if quiet_end is not None:
                notices.postpone(transaction, notice, quiet_end.astimezone(UTC), counts=False)
                return
            mail = self._mail_of(transaction, wish, notice)
            if mail is None:
                notices.finish(transaction, notice, NoticeState.VOID, now)
                return
        with spoken(wish.language if wish.language in languages() else self._settings.node.language):
            subject, text = mail()
        try:
            self._send(wish.address, subject, text, self._message_id(notice))
        except DeliveryError as error:
            self._failed(notice, error)
            return
        with self._database.begin() as transaction:
            notices.finish(transaction, notice, NoticeState.SENT, datetime.now(UTC))
        metrics.NOTICES.labels(kind=notice.kind.value, outcome="sent").inc()
        log.info("notice sent", notice=notice.notice_id, kind=notice.kind.value, attempts=notice.attempts)

    def _failed(self, notice: Notice, error: DeliveryError) -> None:
        now = datetime.now(UTC)
        is_over = now - notice.made_at > GIVE_UP_AFTER
        is_lasting = isinstance(error, DeliveryRefusedError)
        with self._database.begin() as transaction:
            if is_over or is_lasting:
                notices.finish(transaction, notice, NoticeState.FAILED, now, str(error))
            else:
                notices.postpone(transaction, notice, now + RETRY_AFTER, str(error))
        metrics.NOTICES.labels(kind=notice.kind.value, outcome="failed").inc()
        log.warning("notice not sent", notice=notice.notice_id, error=str(error), again=not (is_over or is_lasting))

    def _mail_of(
        self, transaction: Transaction, wish: NoticePreference, notice: Notice
    ) -> Callable[[], tuple[str, str]] | None:
        """What writes its subject and text; None if there is nothing to say any more."""
        match notice.kind:
            case NoticeKind.ROOM:
                rooms = subjects.rooms_since(transaction, notice.since, wish.rooms)
                return partial(self._about_rooms, rooms) if rooms else None
            case NoticeKind.MACHINE:
                concerns = subjects.machines_since(transaction, notice.since)
                return partial(self._about_machines, concerns) if concerns else None
            case NoticeKind.ENDING:
                soon = tokens.ending(transaction, datetime.now(UTC))
                ending = subjects.tokens_for(transaction, wish.account, soon).get(notice.subject)
                return partial(self._about_tokens, ending) if ending else None
            case NoticeKind.ESCALATION:
                studies = notices.unread(transaction, notice)
            case NoticeKind.DIGEST:
                studies = notices.flagged(transaction, notice.since, notice.until, wish.rooms)
        return partial(self._about_studies, notice, studies) if studies else None

    def _message_id(self, notice: Notice) -> str:
        """Message-ID; the same for each transmission of a notice, so mail programs see repeats (RFC 5322 3.6.4)."""
        settings = self._settings
        text = f"{notice.account}\0{notice.kind.value}\0{notice.subject}\0{settings.notices.sender}"
        return f"<{hashlib.sha256(text.encode()).hexdigest()[:32]}@{settings.notices.sender.partition('@')[2]}>"

    def _about_studies(self, notice: Notice, studies: Sequence[NoticeStudy]) -> tuple[str, str]:
        rooms = ", ".join(dict.fromkeys(one.room for one in studies))
        lines = [line for one in studies for line in self._lines(one)]
        if notice.kind is NoticeKind.ESCALATION:
            minutes = int((datetime.now(UTC) - studies[0].flagged_at).total_seconds() // 60)
            subject = say("Undecided reject: {room}", room=rooms)
            head = say_number(
                "Nobody has decided this study for {count} minute.",
                "Nobody has decided this study for {count} minutes.",
                minutes,
            )
        else:
            day, _, shift = notice.subject.partition("/")
            count = len(studies)
            named = {"shift": reworded(shift), "day": day}
            subject = say("Flagged studies: {count}, shift {shift} of {day}", count=count, **named)
            head = say("Flagged in this shift: {rooms}", rooms=rooms)
        return self._mail(subject, head, lines)

    def _about_rooms(self, rooms: Sequence[Room]) -> tuple[str, str]:
        places = dict.fromkeys(reworded(str(one.place)) for one in rooms)
        lines = [line for one in rooms for line in self._lines_of_room(one)]
        head = say("Most images of a room show the same: look at the room, not at each image.")
        return self._mail(say("A room to look at: {room}", room="; ".join(places)), head, lines)

    def _about_machines(self, concerns: Sequence[MachineConcern]) -> tuple[str, str]:
        lines = [line for one in concerns for line in (reworded(one.text), f"  {self._settings.web_url}{one.path}", "")]
        subject = say_number(
            "Quality control: {count} row to look at", "Quality control: {count} rows to look at", len(concerns)
        )
        return self._mail(subject, say("Phantom scans that fail or are overdue:"), lines)

    def _about_tokens(self, ending: Sequence[Token]) -> tuple[str, str]:
        ends = [(one, one.expires_at.astimezone(self._zone)) for one in ending if one.expires_at is not None]
        lines = [f"{one.token_id} · {one.name} · {one.label} · {at:%Y-%m-%d %H:%M}" for one, at in ends]
        subject = say("Tokens that end soon: {count}", count=len(ending))
        return self._mail(subject, say("What sends them is refused from then on."), [*lines, "", reworded(RENEW), ""])

    def _lines_of_room(self, room: Room) -> Iterator[str]:
        yield f"{reworded(str(room.place))} · {whole_room.shown(room.whole.unseen)}"
        yield f"  {whole_room.to_check(room.whole.unseen)}"
        yield f"  {self._settings.web_url}"
        yield ""

    def _mail(self, subject: str, head: str, lines: Sequence[str]) -> tuple[str, str]:
        form = f"{self._settings.web_url}/account/notices"
        foot = say("You chose these notices on your page Account: {link}", link=form)
        return f"[miqa] {subject}", "\n".join([head, "", *lines, foot, ""])

    def _lines(self, study: NoticeStudy) -> Iterator[str]:
        settings = self._settings
        at = study.flagged_at.astimezone(self._zone)
        digits = settings.web.display_accession_digits
        tail = study.accession_number[-digits:] if digits else ""
        names = ", ".join(reason_words(name) for name in study.reasons)
        state = say("decided") if study.is_resolved else say("open")
        parts = (f"{at:%Y-%m-%d %H:%M}", study.room, names, tail and f"…{tail}", state)
        yield " · ".join(part for part in parts if part)
        if settings.notices.patient_data:
            yield f"  {study.patient_name.replace('^', ' ').strip()} {study.patient.label}".rstrip()
        yield f"  {settings.web_url}/studies/{study.study_instance_uid}"
        yield ""


def _open(context: PartContext) -> NoticeSender | None:
    settings = context.settings
    return NoticeSender(context.database, settings, trusted_now=context.clock.now) if settings.notices.used else None


PART = PartKind("notices", _open)
