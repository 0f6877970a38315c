"""Notices by e-mail: a person's preferences, the ends of shifts, and quiet hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

LONGEST_SHIFT = timedelta(days=1)


class NoticeKind(StrEnum):
    """The subject of a mail."""

    DIGEST = "digest"
    """The flagged studies of a shift."""
    ESCALATION = "escalation"
    """A rejected study that nobody has decided for too long."""
    ROOM = "room"
    """Rooms of which something new is told as a whole."""
    MACHINE = "machine"
    """Machines whose quality control fails or is overdue."""
    ENDING = "ending"
    """Tokens of programs that end soon: for everybody with an address, as it is no matter of taste."""


class NoticeState(StrEnum):
    """What has become of a notice."""

    WAITING = "WAITING"
    SENT = "SENT"
    VOID = "VOID"
    """The person no longer wants it, or the study was decided meanwhile."""
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class NoticePreference:
    """One person's preferences. Empty ``rooms`` means all; quiet hours are in the site's local time, "" for none."""

    account: str
    address: str
    language: str = ""
    rooms: tuple[str, ...] = ()
    digest: bool = True
    escalation: bool = False
    quiet_from: str = ""
    quiet_until: str = ""
    machines: bool = False

    def wants(self, kind: NoticeKind) -> bool:
        """Whether the person gets mails of this kind."""
        wishes = {NoticeKind.ESCALATION: self.escalation, NoticeKind.MACHINE: self.machines, NoticeKind.ENDING: True}
        return bool(self.address) and wishes.get(kind, self.digest)

    def quiet_end(self, local: datetime) -> datetime | None:
        """The end of the quiet hours at a local time; None outside quiet hours.

        >>> from datetime import UTC
        >>> one = NoticePreference("mara", "m@example.org", quiet_from="22:00", quiet_until="06:00")
        >>> one.quiet_end(datetime(2026, 1, 2, 23, 30, tzinfo=UTC)).isoformat()
        '2026-01-03T06:00:00+00:00'
        >>> one.quiet_end(datetime(2026, 1, 2, 6, 0, tzinfo=UTC)) is None
        True
        """
        if not self.quiet_from or not self.quiet_until or self.quiet_from == self.quiet_until:
            return None
        begin, end, at = (time.fromisoformat(text) for text in (self.quiet_from, self.quiet_until, f"{local:%H:%M:%S}"))
        is_quiet = begin <= at < end if begin < end else at >= begin or at < end
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=int(end <= at))
        return datetime.combine(day, end, local.tzinfo)


@dataclass(frozen=True, slots=True)
class ShiftSpan:
    """One shift of one day, from ``begin`` to before ``end``, in the site's local time."""

    day: date
    name: str
    begin: datetime
    end: datetime

    @property
    def subject(self) -> str:
        """The key of its digest."""
        return f"{self.day}/{self.name}"


def last_shifts(shifts: Mapping[str, str], now: datetime, zone: ZoneInfo | None) -> list[ShiftSpan]:
    """The shifts that ended within the last 24 hours, the earliest first; ``shifts`` maps names to "06:00".

    >>> now = datetime(2026, 1, 2, 15, 0, tzinfo=ZoneInfo("UTC"))
    >>> [one.subject for one in last_shifts({"early": "06:00", "late": "14:00"}, now, ZoneInfo("UTC"))]
    ['2026-01-01/late', '2026-01-02/early']
    """
    local = now.astimezone(zone)
    starts = sorted((time.fromisoformat(start), name) for name, start in shifts.items())
    days = [local.date() + timedelta(days=number) for number in range(-2, 2)]
    moments = [
        (datetime.combine(day, start, zone or local.tzinfo), name, day) for day in days for start, name in starts
    ]
    spans = [ShiftSpan(day, name, begin, after[0]) for (begin, name, day), after in pairwise(moments)]
    return [one for one in spans if local - LONGEST_SHIFT < one.end <= local]
