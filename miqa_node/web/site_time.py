"""Time zone and language of every page: those chosen for the browser, otherwise the site's; programs get UTC.

Both belong to the application that answers, so one process can have several applications.
"""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from miqa_node.language.catalogue import LANGUAGE, languages

SITE_ZONE: ContextVar[ZoneInfo | None] = ContextVar("site_zone", default=None)
"""None is the system's zone."""
LANGUAGE_COOKIE, ZONE_COOKIE = "miqa_language", "miqa_zone"
"""A person's choice for this browser on the account page; empty means the site's."""


class SiteTime:
    """ASGI middleware: pages use the language and zone of the settings, unless the person chose others for the browser.

    None is the system's zone.
    """

    def __init__(self, app: ASGIApp, zone: ZoneInfo | None, language: str) -> None:
        self._app = app
        self._zone = zone
        self._language = language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request in the person's language and zone."""
        chosen = _cookies(scope)
        language, zone = chosen.get(LANGUAGE_COOKIE, ""), chosen.get(ZONE_COOKIE, "")
        LANGUAGE.set(language if language in languages() else self._language)
        SITE_ZONE.set(ZoneInfo(zone) if is_zone(zone) else self._zone)
        await self._app(scope, receive, send)


def is_zone(name: str) -> bool:
    """Whether it is the name of a time zone."""
    return name in _zones()


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _cookies(scope: Scope) -> dict[str, str]:
    cookie = next((value for name, value in scope.get("headers", ()) if name == b"cookie"), b"")
    return cookie_parser(cookie.decode("latin-1")) if b"miqa_" in cookie else {}


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
