"""Time zone and language of every page: those chosen for the browser, otherwise the site's; programs get UTC.

Both belong to the application that answers, so one process can have several applications.
"""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from miqa_node.core.language.catalogue import LANGUAGE, languages
from miqa_node.core.language.local_time import SITE_ZONE

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
