"""The state of the node's surroundings: destinations of results, senders of images, and alarms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from miqa_node.core.language.phrase import Phrase, joined

FRESH = timedelta(minutes=3)
"""Maximum age of a check: the process behind an older one has ended or hangs."""
RENEWAL_TIME = timedelta(days=14)
"""Programs that renew certificates, even those of 47 days, do it earlier than so long before the end."""
RENEWAL = "Put a new one in its place: the node takes it without a restart."
DAMAGE = "Check the disk. miqa-node fsck --deep names them; the same images sent again replace them."


class DestinationHealth(StrEnum):
    """The health of a destination. HELD: a person has stopped sending there. UNKNOWN: not checked yet."""

    ANSWERS = "answers"
    FAILING = "failing"
    HELD = "held"
    UNKNOWN = "unknown"


class DestinationAction(StrEnum):
    """An action on a destination as a whole; deliveries that wait during a HOLD are sent after the RELEASE."""

    ECHO = "echo"
    HOLD = "hold"
    RELEASE = "release"
    RESEND = "resend"
    """Send failed deliveries again."""
    DRAIN = "drain"
    """Retry waiting deliveries at once."""


@dataclass(frozen=True, slots=True)
class DestinationCheck:
    """One process's last check of a destination. ``since``: the time since which the result has been the same."""

    destination: str
    node: str
    kind: str
    address: str
    by_option: bool
    """Configured by ``run --destination``, not in the file."""
    answers: bool
    detail: str
    """The successful answer, or the error, in words."""
    breaker_open: bool
    since: datetime
    checked_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether the process behind it still runs."""
        return now - self.checked_at < FRESH


@dataclass(frozen=True, slots=True)
class DestinationBacklog:
    """The deliveries that wait for one destination."""

    waiting: int = 0
    held: int = 0
    failed: int = 0
    oldest_at: datetime | None = None
    last_error: str = ""
    last_sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DestinationHold:
    """Nothing is sent to a destination until a person releases it."""

    destination: str
    held_at: datetime
    actor: str
    comment: str


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """The overall status of a destination. ``since`` is None if it was never checked."""

    name: str
    kind: str
    address: str
    by_option: bool
    health: DestinationHealth
    detail: str
    since: datetime | None
    checked_at: datetime | None
    backlog: DestinationBacklog
    hold: DestinationHold | None

    @property
    def urgency(self) -> int:
        """Rank in lists: what fails first, then what it does not take, what nobody asks, and what is well."""
        if self.health is DestinationHealth.FAILING:
            return 0
        if self.backlog.failed or self.backlog.last_error:
            return 1
        return 3 if self.health is DestinationHealth.ANSWERS else 2


@dataclass(frozen=True, slots=True)
class SenderStatus:
    """A peer that requested an association: when it was last accepted, and last rejected and why."""

    calling_ae_title: str
    peer_address: str
    admitted_at: datetime | None
    refused_at: datetime | None
    refusals: int
    reason: str
    hint: str

    @property
    def is_refused(self) -> bool:
        """Whether its last attempt failed."""
        return self.refused_at is not None and (self.admitted_at is None or self.refused_at > self.admitted_at)


@dataclass(frozen=True, slots=True)
class CertificateEnd:
    """When a certificate that the node presents ends, by its setting or destination."""

    name: str
    at: datetime

    def is_near(self, now: datetime) -> bool:
        """Whether somebody has to renew it now."""
        return self.at - now < RENEWAL_TIME


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that needs a person now."""

    subject: str
    text: str
    since: datetime | None


def status_of(
    name: str,
    checks: Sequence[DestinationCheck],
    backlog: DestinationBacklog,
    hold: DestinationHold | None,
    now: datetime,
) -> DestinationStatus:
    """One destination as seen by all processes that send there; it fails if it fails for one of them."""
    by_age = sorted(checks, key=lambda one: one.checked_at)
    fresh = [one for one in by_age if one.is_fresh(now)]
    failing = [one for one in fresh if not one.answers or one.breaker_open]
    newest = next((group[-1] for group in (failing, fresh, by_age) if group), None)
    health, since = DestinationHealth.UNKNOWN, newest.checked_at if newest else None
    if hold is not None:
        health, since = DestinationHealth.HELD, hold.held_at
    elif failing:
        health, since = DestinationHealth.FAILING, min(one.since for one in failing)
    elif fresh:
        health, since = DestinationHealth.ANSWERS, max(one.since for one in fresh)
    return DestinationStatus(
        name,
        newest.kind if newest else "",
        newest.address if newest else "",
        newest.by_option if newest else False,
        health,
        newest.detail if newest and fresh else "",
        since,
        newest.checked_at if newest else None,
        backlog,
        hold,
    )


def certificate_alarms(ends: Iterable[CertificateEnd], now: datetime) -> Iterator[Alarm]:
    """Alarms of certificates that have ended, or that have to be renewed now."""
    for one in ends:
        if one.at <= now:
            yield Alarm(Phrase("The certificate of {name} has ended", name=one.name), RENEWAL, one.at)
        elif one.is_near(now):
            yield Alarm(
                Phrase("The certificate of {name} ends on {day}", name=one.name, day=f"{one.at:%Y-%m-%d}"),
                RENEWAL,
                None,
            )


def damage_alarm(number: int, since: datetime | None) -> Alarm:
    """The alarm of stored objects that are lost or damaged."""
    subject = Phrase.of_number(
        "{count} stored object is lost or damaged", "{count} stored objects are lost or damaged", number
    )
    return Alarm(subject, DAMAGE, since)


def alarms(destinations: Sequence[DestinationStatus], longest_wait: timedelta, now: datetime) -> Iterator[Alarm]:
    """Alarms of destinations: one fails, or a delivery waits longer than ``longest_wait``.

    A destination that a person holds raises no alarm.
    """
    for one in destinations:
        backlog = one.backlog
        waiting = Phrase.of_number("{count} delivery waits.", "{count} deliveries wait.", backlog.waiting)
        late = backlog.oldest_at is not None and now - backlog.oldest_at > longest_wait
        if one.health is DestinationHealth.FAILING:
            text = joined(" ", [*([waiting] if backlog.waiting else []), *filter(None, [one.detail])])
            yield Alarm(Phrase("{name} fails", name=one.name), text, one.since)
        elif late and one.health is not DestinationHealth.HELD:
            nobody = one.health is DestinationHealth.UNKNOWN
            why = Phrase("No running process sends there.") if nobody else backlog.last_error
            text = joined(" ", [waiting, *filter(None, [why])])
            yield Alarm(Phrase("{name} is behind", name=one.name), text, backlog.oldest_at)
