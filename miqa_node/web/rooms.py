"""The display in a room: what became of the exposure that was just made, for whoever can still make a better one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Request

from miqa_node.domain.access import Means
from miqa_node.domain.policy import Verdict
from miqa_node.report.narrative import advice, gate_class
from miqa_node.store import stations
from miqa_node.store.stations import Exposure
from miqa_node.web.access import Display, page_router
from miqa_node.web.html import render
from miqa_node.web.services import Services, WebServices

EARLIER = 12
"""So many exposures before the newest are shown as dots."""
DAYS = 7

Station = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]

_FIGURES = re.compile(r": probability [0-9.]+, severity [0-9.]+$")

router = page_router()


@router.get("/rooms")
def rooms_page(services: Services, who: Display) -> str:
    """The stations that sent images lately, each with a display of its own."""
    since = datetime.now(UTC) - timedelta(days=DAYS)
    with services.database.begin() as transaction:
        names = stations.names(transaction, since)
    return render("rooms.html", who=who, stations=[(name, f"/rooms/{quote(name, safe='')}") for name in names])


@router.get("/rooms/{station:path}/now")
def room_now(services: Services, who: Display, station: Station) -> str:
    """What the display shows now; it asks for this after every change."""
    return render("room_now.html", who=who, **_now(services, station))


@router.get("/rooms/{station:path}")
def room_page(request: Request, services: Services, who: Display, station: Station) -> str:
    """The display of one station. Nothing on it says who was examined."""
    key = request.query_params.get("key", "") if who.means is Means.TOKEN else ""
    return render(
        "room.html",
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
        found = stations.exposures(transaction, station, since, EARLIER + 1)
    newest = found[0] if found else None
    return {
        "newest": newest,
        "light": light_of(newest),
        "why": _why(newest) if newest else (),
        "hints": _hints(newest, services.settings.node.language) if newest else (),
        "earlier": [(light_of(one), one) for one in found[1:]],
        "minutes": services.settings.web.display_minutes,
        "language": services.settings.node.language,
    }


def light_of(exposure: Exposure | None) -> str:
    """Which of the display's faces an exposure has."""
    if exposure is None:
        return "idle"
    if exposure.disposition is None:
        return "working"
    return {
        Verdict.ACCEPT: "green",
        Verdict.REVIEW: "amber",
        Verdict.REJECT: "red",
        Verdict.NOT_ASSESSED: "unknown",
    }[exposure.disposition.verdict]


def _why(exposure: Exposure) -> tuple[str, ...]:
    """The reasons without their figures, which nobody reads from across a room."""
    reasons = exposure.disposition.reasons if exposure.disposition else ()
    return tuple(dict.fromkeys(_FIGURES.sub("", reason.text) for reason in reasons))


def _hints(exposure: Exposure, language: str) -> tuple[str, ...]:
    if exposure.disposition is None:
        return ()
    gate = gate_class(exposure.assessment) if exposure.assessment else None
    # What is said of unusual images asks for a look at a marked region, and there is no image here.
    given = (advice(reason, gate, language) for reason in exposure.disposition.reasons if reason.name != "anomaly")
    return tuple(dict.fromkeys(hint for hint in given if hint))
