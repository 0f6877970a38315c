"""The display in a room: the verdict on the last exposure, while it can still be repeated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, HTTPException, Path, Query, Request, Response

from miqa_node.core.domain.access import Means, Permission, Principal
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.catalogue import LANGUAGE, spoken
from miqa_node.core.language.local_time import clock, local
from miqa_node.core.words.headline import headline
from miqa_node.core.words.next_step import next_step
from miqa_node.core.words.reason import plain
from miqa_node.errors import NotFoundError
from miqa_node.features.analysis.rows import positionings, stations
from miqa_node.features.analysis.rows.stations import StationExposure
from miqa_node.interfaces.web.access import Display
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.newest import newest_maps
from miqa_node.interfaces.web.outlines import FindingOutline, outlines
from miqa_node.interfaces.web.page import Navigation, Page, Trait
from miqa_node.interfaces.web.services import LIVE_HEARTBEAT_S, Services, WebServices
from miqa_node.interfaces.web.values import Moment
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.units.kinds import PROJECTION_MODALITIES

EARLIER = 12
"""Number of earlier exposures shown as dots."""
MOST_UNSEEN = 3
"""Number of unseen flagged exposures shown one by one; more are folded, so that the newest has most of the screen."""
MOST_FOLDED = 100
"""Number of those that are counted."""
DAYS = 7
MOST_COUNTED = 20
"""Number of unseen flagged exposures that a tile counts."""
MOST_WRONG = 3
"""Number of different faults that a tile names."""

Station = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]

At = Annotated[Moment, Query()]
"""The time at which an exposure was received identifies it without naming image or patient."""

_LIGHTS = {
    Verdict.ACCEPT: "green",
    Verdict.REVIEW: "amber",
    Verdict.REJECT: "red",
    Verdict.NOT_ASSESSED: "unknown",
}
LIGHT_WORDS = {light: verdict.words for verdict, light in _LIGHTS.items()} | {"working": "In progress"}

router = APIRouter()


@dataclass(frozen=True, slots=True)
class RoomPicture:
    """The picture of an exposure with its size in pixels, and its outlines."""

    address: str
    columns: int
    rows: int
    outlines: tuple[FindingOutline, ...]


@dataclass(frozen=True, slots=True)
class RoomTile:
    """A room as the list shows it: its name at the site, its newest image, and what nobody there has seen yet."""

    name: str
    station: str
    address: str
    light: str
    newest: StationExposure | None
    unseen: int
    wrong: tuple[str, ...]
    """What is wrong with the images that nobody has seen, in words; empty if the site turns findings off."""


@router.get("/rooms")
def rooms_page(services: Services, who: Display, every: Annotated[bool, Query(alias="all")] = False) -> str:
    """The rooms of radiographs that sent images recently, or the stations of every modality."""
    since = datetime.now(UTC) - timedelta(days=DAYS)
    with services.database.begin() as transaction:
        names = stations.names(transaction, since, () if every else PROJECTION_MODALITIES)
        tiles = [_tile(services, transaction, name, since) for name in names]
    tiles.sort(key=lambda one: (not one.unseen, one.name.casefold()))
    return render("rooms/rooms.html", who=who, tiles=tiles, every=every, most=MOST_COUNTED, light_words=LIGHT_WORDS,
                  now=datetime.now(UTC))  # fmt: skip


def _tile(services: WebServices, transaction: Transaction, station: str, since: datetime) -> RoomTile:
    newest = next(iter(stations.exposures(transaction, station, since, 1)), None)
    unseen = stations.unseen(transaction, station, MOST_COUNTED + 1, _shift_began(services))
    wrong = dict.fromkeys(word.rstrip(".") for one in unseen for word in _why(one)) if _says_findings(services) else {}
    address = f"/rooms/{quote(station, safe='')}"
    name = room_name(services, station)
    return RoomTile(name, station, address, light_of(newest), newest, len(unseen), tuple(wrong)[:MOST_WRONG])


def room_name(services: WebServices, station: str) -> str:
    """The site's name of the room of a station, as the analysis has it."""
    return services.settings.analysis.rooms.get(station) or station


def _says_findings(services: WebServices) -> bool:
    return services.settings.web.display_findings


@router.get("/rooms/{station:path}/now")
def room_now(request: Request, services: Services, who: Display, station: Station) -> str:
    """The display's current content, which it requests after every change."""
    return render("rooms/room_now.html", who=who, **_now(services, station, _key(request, who)))


@router.get("/rooms/{station:path}/picture.png")
def room_picture(services: Services, _who: Display, station: Station, at: At) -> Response:
    """The picture of the exposure received at ``at``, even if newer ones have arrived."""
    exposure = next((one for one in _exposures(services, station) if one.received_at == at), None)
    if exposure is None or exposure.digest is None or not _may_show(services, exposure):
        raise HTTPException(HTTPStatus.NOT_FOUND, "This display shows no picture of that exposure.")
    try:
        data = Artifacts(services.objects).preview(exposure.digest)
    except NotFoundError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, "The image was not decoded.") from error
    return Response(data, media_type="image/png", headers={"cache-control": "private, max-age=600"})


@router.post("/rooms/{station:path}/acknowledge")
def room_acknowledge(services: Services, _who: Display, station: Station, at: Annotated[Moment, Form()]) -> Response:
    """Record that somebody in the room has seen the flagged exposure; the study stays on the worklist.

    A wall display has no keyboard to sign in with, so its key is sufficient: this decides nothing.
    """
    with services.database.begin() as transaction:
        stations.acknowledge(transaction, station, at, datetime.now(UTC))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/rooms/{station:path}")
def room_page(request: Request, services: Services, who: Display, station: Station) -> str:
    """The display of one station. It shows the picture and, if configured, the end of the accession number."""
    query = _key(request, who)
    return render(
        "rooms/room.html",
        who=who,
        station=room_name(services, station),
        query=f"?{query}" if query else "",
        address=f"/rooms/{quote(station, safe='')}",
        csrf=who.csrf,
        patience_ms=int(LIVE_HEARTBEAT_S * 2500),
        **_now(services, station, query),
    )


def _key(request: Request, who: Principal) -> str:
    """The key of a display without a session, for its further requests."""
    key = request.query_params.get("key", "") if who.means is Means.TOKEN else ""
    return f"key={quote(key, safe='')}" if key else ""


def _exposures(services: WebServices, station: str) -> list[StationExposure]:
    since = datetime.now(UTC) - timedelta(minutes=services.settings.web.display_minutes)
    with services.database.begin() as transaction:
        return stations.exposures(transaction, station, since, EARLIER + 1)


def _unseen(services: WebServices, station: str) -> list[StationExposure]:
    with services.database.begin() as transaction:
        return stations.unseen(transaction, station, MOST_FOLDED + 2, _shift_began(services))


def _shift_began(services: WebServices) -> datetime:
    """Since when flagged exposures wait to be seen in a room: this shift, and what its display still shows."""
    now = local(datetime.now(UTC))
    starts = [time.fromisoformat(start) for start in services.settings.analysis.shifts.values()]
    days = (now.date(), now.date() - timedelta(days=1))
    began = [moment for day in days for one in starts if (moment := datetime.combine(day, one, now.tzinfo)) <= now]
    shown = now - timedelta(minutes=services.settings.web.display_minutes)
    return min(max(began, default=now - timedelta(days=1)), shown).astimezone(UTC)


def _now(services: WebServices, station: str, query: str = "") -> dict[str, object]:
    exposures = _exposures(services, station)
    newest = exposures[0] if exposures else None
    language = LANGUAGE.get()
    disposition = newest.disposition if newest else None
    says = _says_findings(services)
    unseen = [
        (light_of(one), one, newest is None or one.study_instance_uid != newest.study_instance_uid)
        for one in _unseen(services, station)
        if newest is None or one.digest != newest.digest
    ]
    return {
        "newest": newest,
        "light": light_of(newest),
        "headline": headline(newest.assessment, disposition, language) if newest and disposition and says else "",
        "picture": _picture(services, station, newest, query) if newest else None,
        "tail": lambda exposure: _tail(services, exposure),
        "why": _why(newest) if newest and says else (),
        "why_of": lambda exposure: _why(exposure)[:1] if says else (),
        "hints": _hints(newest, language) if newest and says else (),
        "coaching": _coaching(services, newest) if newest and says else [],
        "unseen": unseen,
        "wrong": Counter(title for _, one, _ in unseen if says for title in _why(one)[:1]).most_common(MOST_WRONG),
        "most_unseen": MOST_UNSEEN,
        "most_folded": MOST_FOLDED,
        "earlier": [(light_of(one), one) for one in exposures[1:]],
        "light_words": LIGHT_WORDS,
        "not_ready": services.recent_readiness.get(None),
        "minutes": services.settings.web.display_minutes,
        "now": datetime.now(UTC),
        "offset_s": int((local(datetime.now(UTC)).utcoffset() or timedelta()).total_seconds()),
        "zone": clock(datetime.now(UTC), "%Z"),
        "language": language,
    }  # fmt: skip


def _may_show(services: WebServices, exposure: StationExposure) -> bool:
    """Whether to show pictures: not if the site disables them, or if names are said or found to be in the pixels."""
    assessment = exposure.assessment
    if assessment is None or assessment.header.burned_in_annotation == "YES" or assessment.text:
        return False
    return services.settings.web.display_picture


def _picture(services: WebServices, station: str, exposure: StationExposure, query: str) -> RoomPicture | None:
    assessment = exposure.assessment
    if assessment is None or exposure.digest is None or not _may_show(services, exposure) or not assessment.header.rows:
        return None
    try:
        maps = newest_maps(services, exposure.digest)
    except NotFoundError:
        maps = SaliencyMaps()
    at = quote(exposure.received_at.isoformat(), safe="")
    address = f"/rooms/{quote(station, safe='')}/picture.png?at={at}" + (f"&{query}" if query else "")
    threshold = services.settings.assess.saliency_threshold
    drawn = outlines(assessment, maps, threshold) if _says_findings(services) else ()
    return RoomPicture(address, assessment.header.columns, assessment.header.rows, drawn)


def _tail(services: WebServices, exposure: StationExposure) -> str:
    """The last ``web.display_accession_digits`` characters of the accession number; none by default."""
    digits = services.settings.web.display_accession_digits
    return f"…{exposure.accession_number[-digits:]}" if digits and exposure.accession_number else ""


def light_of(exposure: StationExposure | None) -> str:
    """The display's traffic light for an exposure."""
    if exposure is None:
        return "idle"
    if exposure.disposition is None:
        return "working"
    return _LIGHTS[exposure.disposition.verdict]


def _why(exposure: StationExposure) -> tuple[str, ...]:
    """The reasons without figures, which nobody can read from across a room."""
    reasons = exposure.disposition.reasons if exposure.disposition else ()
    return tuple(dict.fromkeys(plain(reason.text).title for reason in reasons))


def _hints(exposure: StationExposure, language: str) -> tuple[str, ...]:
    """The next step, as the study's page says it: hints of several findings contradict each other."""
    disposition = exposure.disposition
    if disposition is None or not (disposition.verdict.flagged or disposition.attention):
        return ()
    # The advice on unusual images refers to a marked region, but there is no image here.
    here = replace(disposition, reasons=tuple(one for one in disposition.reasons if one.name != "anomaly"))
    with spoken(language):
        return (next_step(exposure.assessment, here),) if here.reasons else ()


def _coaching(services: WebServices, exposure: StationExposure) -> list[str]:
    """What could be better next time, where the site asks for it."""
    if not services.settings.web.display_coaching or exposure.assessment is None or exposure.disposition is None:
        return []
    with services.database.begin() as transaction:
        return positionings.coaching(transaction, exposure.assessment, exposure.disposition)


PAGE = Page(
    router,
    Permission.DISPLAY,
    file=__file__,
    navigation=Navigation("Rooms", "/rooms", 1),
    programs=True,
    traits={"/rooms": Trait.KEY_IN_ADDRESS},
)
