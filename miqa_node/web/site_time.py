"""The site's time zone on every page: people read local time, programs get UTC.

The zone is that of the application that answers, so that several may live in one process.
"""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from starlette.types import ASGIApp, Receive, Scope, Send

SITE_ZONE: ContextVar[ZoneInfo | None] = ContextVar("site_zone", default=None)
"""None is the system's zone."""


class SiteTime:
    """ASGI middleware: pages show times in the zone of the settings, or in the system's if that is empty."""

    def __init__(self, app: ASGIApp, zone: str) -> None:
        self._app = app
        self._zone = ZoneInfo(zone) if zone else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request in the site's zone."""
        SITE_ZONE.set(self._zone)
        await self._app(scope, receive, send)


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
    """How the zone is called now, such as CET, with its name if the settings give one."""
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
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None
