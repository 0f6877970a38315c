"""Pilots for administrators: how far each is, pause, and its report; and the images that readers grade."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Path, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission, Principal
from miqa_node.core.domain.study_protocol import PROTOCOL_NAME, Grade
from miqa_node.core.language.catalogue import LANGUAGE
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.pilot.lines import to_csv
from miqa_node.features.pilot.report import pilot_html, pilot_pdf, sheets_of
from miqa_node.features.pilot.rows import images, pilots, sample
from miqa_node.features.pilot.rows.lines import lines_of
from miqa_node.features.pilot.rows.pilots import StoredPilot
from miqa_node.features.pilot.rows.sample import SampleReading
from miqa_node.interfaces.web.access import Admin, Reviewer
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Navigation, Page
from miqa_node.interfaces.web.readings import READING, Rating, meanings
from miqa_node.interfaces.web.services import Services
from miqa_node.runtime.store.database import Transaction

router, reading_router = APIRouter(), APIRouter()

PilotName = Annotated[str, Path(pattern=f"^{PROTOCOL_NAME}$")]
ImageId = Annotated[int, Path(ge=1, le=2**53)]
MEDIA_TYPES = {"html": "text/html; charset=utf-8", "pdf": "application/pdf", "csv": "text/csv; charset=utf-8"}
LATELY = timedelta(minutes=10)
"""The pace is of so long."""


@router.get("/pilots")
def pilots_page(services: Services, who: Admin) -> str:
    """All pilots, the newest first."""
    since = datetime.now(UTC) - LATELY
    with services.database.begin() as transaction:
        rows = [
            (one, pilots.counts(transaction, one.name), images.judged_since(transaction, one.name, since))
            for one in pilots.select(transaction)
        ]
    return render("pilots/pilots.html", who=who, pilots=rows, minutes=LATELY // timedelta(minutes=1))


@router.get("/pilots/{name}")
def pilot_page(services: Services, who: Admin, name: PilotName) -> str:
    """The report as far as it goes."""
    with services.database.begin() as transaction:
        stored, counts = pilots.find(transaction, name), pilots.counts(transaction, name)
        sampled, losses = sample.counts(transaction, name), sample.losses(transaction, name)
        failures, missing = images.failures(transaction, name), pilots.missing(transaction, name)
        lines = lines_of(transaction, name, services.settings.policy, services.policy_in_force)
    return render(
        "pilots/pilot.html",
        who=who,
        pilot=stored,
        counts=counts,
        sample=sampled,
        failures=failures,
        missing=missing,
        kinds=Counter(words for _, words in failures).most_common(),
        losses=sorted(losses.values()),
        sheets=sheets_of(lines),
    )


@router.post("/pilots/{name}/pause")
def pause(services: Services, _who: Admin, name: PilotName, is_paused: Annotated[bool, Form()] = False) -> Response:
    """Have the run wait after the image that it has, or go on."""
    with services.database.begin() as transaction:
        pilots.find(transaction, name)
        pilots.pause(transaction, name, is_paused=is_paused)
    return RedirectResponse("/pilots", HTTPStatus.SEE_OTHER)


@router.get("/pilots/{name}/report.{kind}")
def report_file(
    services: Services, _who: Admin, name: PilotName, kind: Annotated[str, Path(pattern="^(html|pdf|csv)$")]
) -> Response:
    """The report as a file."""
    with services.database.begin() as transaction:
        lines = lines_of(transaction, name, services.settings.policy, services.policy_in_force)
    language = LANGUAGE.get()
    if kind == "pdf":
        content = pilot_pdf(lines, language)
    else:
        content = (pilot_html(lines, language) if kind == "html" else to_csv(lines)).encode()
    headers = {"Content-Disposition": f'attachment; filename="pilot-{name}.{kind}"'}
    return Response(content, media_type=MEDIA_TYPES[kind], headers=headers)


@reading_router.get("/pilots/{name}/read")
def reading_page(services: Services, who: Reviewer, name: PilotName) -> str:
    """The next image of this reader, and nothing of what the node said of it."""
    with services.database.begin() as transaction:
        stored = _pilot_for(transaction, name, who)
        waiting = sample.to_read(transaction, name, who.name, is_second=who.name != stored.readers[0])
        counts = sample.counts(transaction, name)
    first = waiting[0] if waiting else None
    return render(
        "pilot_reading/reading.html",
        who=who,
        name=name,
        image=first,
        remaining=len(waiting),
        drawn=counts.drawn,
        **READING,
    )


@reading_router.post("/pilots/{name}/read")
def answer(
    services: Services,
    who: Reviewer,
    name: PilotName,
    image: Annotated[int, Form(ge=1, le=2**53)],
    grade: Annotated[Grade, Form()],
    rating: Rating,
    reason: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Store a reading; only this reader's next image can be read."""
    words = meanings(reason)
    with services.database.begin() as transaction:
        stored = _pilot_for(transaction, name, who)
        waiting = sample.to_read(transaction, name, who.name, is_second=who.name != stored.readers[0])
        if image not in waiting[:1]:
            raise ConflictError("This is not your next image; it may have been read in another window.")
        reading = SampleReading(image, who.name, grade.value, rating, words, datetime.now(UTC))
        sample.read(transaction, name, reading)
    return RedirectResponse(f"/pilots/{name}/read", HTTPStatus.SEE_OTHER)


@reading_router.get("/pilots/{name}/pictures/{image}.jpg")
def picture(services: Services, who: Reviewer, name: PilotName, image: ImageId) -> Response:
    """An image of the sample, for its readers."""
    with services.database.begin() as transaction:
        _pilot_for(transaction, name, who)
        content = sample.picture(transaction, name, image)
    if content is None:
        raise NotFoundError("There is no such image in the sample.")
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _pilot_for(transaction: Transaction, name: str, who: Principal) -> StoredPilot:
    stored = pilots.find(transaction, name)
    if who.name not in stored.readers:
        raise HTTPException(HTTPStatus.FORBIDDEN, "The sample does not name you as a reader.")
    return stored


PAGE = Page(router, Permission.ADMIN, file=__file__, navigation=Navigation("Pilot", "/pilots", 6))
READ = Page(reading_router, Permission.REVIEW, file=__file__)
