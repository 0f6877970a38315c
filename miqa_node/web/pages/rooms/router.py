"""The display in a room: the verdict on the last exposure, while it can still be repeated."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Request

from miqa_node.domain.access import Means, Permission
from miqa_node.domain.policy import Verdict
from miqa_node.report.narrative import advice
from miqa_node.store import stations
from miqa_node.store.stations import StationExposure
from miqa_node.web.access import Display
from miqa_node.web.html import render, verdict_words
from miqa_node.web.page import Navigation, Page
from miqa_node.web.services import Services, WebServices

EARLIER = 12
"""So many exposures before the newest are shown as dots."""
DAYS = 7

Station = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]

_FIGURES = re.compile(r": probability [0-9.]+, severity [0-9.]+$")

_LIGHTS = {
    Verdict.ACCEPT: "green",
    Verdict.REVIEW: "amber",
    Verdict.REJECT: "red",
    Verdict.NOT_ASSESSED: "unknown",
}
LIGHT_WORDS = {light: verdict_words(verdict) for verdict, light in _LIGHTS.items()} | {"working": "In progress"}

router = APIRouter()


@router.get("/rooms")
def rooms_page(services: Services, who: Display) -> str:
    """The stations that sent images recently, each with its own display."""
    since = datetime.now(UTC) - timedelta(days=DAYS)
    with services.database.begin() as transaction:
        names = stations.names(transaction, since)
    return render("rooms/rooms.html", who=who, stations=[(name, f"/rooms/{quote(name, safe='')}") for name in names])


@router.get("/rooms/{station:path}/now")
def room_now(services: Services, who: Display, station: Station) -> str:
    """What the display shows now; it asks for this after every change."""
    return render("rooms/room_now.html", who=who, **_now(services, station))


@router.get("/rooms/{station:path}")
def room_page(request: Request, services: Services, who: Display, station: Station) -> str:
    """The display of one station. It shows no patient data."""
    key = request.query_params.get("key", "") if who.means is Means.TOKEN else ""
    return render(
        "rooms/room.html",
        who=who,
        station=station,
        query=f"?key={quote(key, safe='')}" if key else "",
        address=f"/rooms/{quote(station, safe='')}",
        patience_ms=int(services.settings.web.live_heartbeat_s * 2500),
        **_now(services, station),
    )


def _now(services: WebServices, station: str) -> dict[str, object]:
    now = datetime.now(UTC)
    since = now - timedelta(minutes=services.settings.web.display_minutes)
    with services.database.begin() as transaction:
        exposures = stations.exposures(transaction, station, since, EARLIER + 1)
    newest = exposures[0] if exposures else None
    return {
        "newest": newest,
        "light": light_of(newest),
        "why": _why(newest) if newest else (),
        "hints": _hints(newest, services.settings.node.language) if newest else (),
        "earlier": [(light_of(one), one) for one in exposures[1:]],
        "light_words": LIGHT_WORDS,
        "minutes": services.settings.web.display_minutes,
        "language": services.settings.node.language,
    }


def light_of(exposure: StationExposure | None) -> str:
    """The light that the display shows for an exposure."""
    if exposure is None:
        return "idle"
    if exposure.disposition is None:
        return "working"
    return _LIGHTS[exposure.disposition.verdict]


def _why(exposure: StationExposure) -> tuple[str, ...]:
    """The reasons without figures, which cannot be read from across a room."""
    reasons = exposure.disposition.reasons if exposure.disposition else ()
    return tuple(dict.fromkeys(_FIGURES.sub("", reason.text) for reason in reasons))


def _hints(exposure: StationExposure, language: str) -> tuple[str, ...]:
    if exposure.disposition is None:
        return ()
    # The advice on unusual images refers to a marked region, and there is no image here.
    given = (
        advice(reason, exposure.assessment, language)
        for reason in exposure.disposition.reasons
        if reason.name != "anomaly"
    )
    return tuple(dict.fromkeys(hint for hint in given if hint))


PAGE = Page(router, Permission.DISPLAY, file=__file__, navigation=Navigation("Rooms", "/rooms", 1))
