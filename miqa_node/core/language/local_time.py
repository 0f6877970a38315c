"""Times as those who read them live: in the zone of the site, or that chosen for a browser."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

SITE_ZONE: ContextVar[ZoneInfo | None] = ContextVar("site_zone", default=None)
"""None is the system's zone."""


def local(at: datetime) -> datetime:
    """The same moment on the site's clock."""
    return at.astimezone(SITE_ZONE.get())


def moment(at: datetime) -> str:
    """A time to the second, with its zone."""
    return f"{local(at):%Y-%m-%d %H:%M:%S %Z}"


def clock(at: datetime, pattern: str = "%H:%M:%S %Z") -> str:
    """The time of day."""
    return local(at).strftime(pattern)


def zone_name() -> str:
    """The zone's current abbreviation, such as CET, with its name if the settings give one."""
    zone = SITE_ZONE.get()
    short = f"{local(datetime.now(UTC)):%Z}"
    return f"{short} ({zone.key})" if zone is not None and zone.key != short else short


def midnight(day: date) -> datetime:
    """The moment at which a day of the site begins."""
    zone = SITE_ZONE.get()
    at = datetime.combine(day, time())
    return at.replace(tzinfo=zone) if zone is not None else at.astimezone()


def instant(text: str) -> datetime | None:
    """An ISO 8601 moment with its offset, in UTC; None if the text is not one."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):  # no moment, or in UTC not in the calendar
        return None
