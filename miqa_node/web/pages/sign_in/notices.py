"""What a person wants to hear of by e-mail, on the page of the account."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Response
from fastapi.responses import RedirectResponse

from miqa_node.domain.notice import NoticePreference
from miqa_node.language.catalogue import languages
from miqa_node.store import notices
from miqa_node.web.access import Reader
from miqa_node.web.fields import NO_CONTROLS
from miqa_node.web.services import Services, WebServices

ADDRESS = r"^$|^[^\s@<>,;]+@[^\s@<>,;]+$"
TIME = r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]$"
MAX_ROOMS = 100

router = APIRouter()

Room = Annotated[str, Form(max_length=64, pattern=NO_CONTROLS)]


@router.post("/account/notices")
def choose_notices(
    services: Services,
    who: Reader,
    address: Annotated[str, Form(max_length=254, pattern=ADDRESS)] = "",
    language: Annotated[str, Form(max_length=8)] = "",
    room: Annotated[list[Room], Form(max_length=MAX_ROOMS)] = [],  # noqa: B006 - FastAPI copies it
    digest: Annotated[bool, Form()] = False,
    escalation: Annotated[bool, Form()] = False,
    quiet_from: Annotated[str, Form(pattern=TIME)] = "",
    quiet_until: Annotated[str, Form(pattern=TIME)] = "",
) -> Response:
    """Keep it; an empty address gets no mail."""
    rooms = tuple(dict.fromkeys(one for one in room if one))
    wish = NoticePreference(who.name, address, language, rooms, digest, escalation, quiet_from, quiet_until)
    keep(services, wish)
    return RedirectResponse("/account#notices", HTTPStatus.SEE_OTHER)


def keep(services: WebServices, wish: NoticePreference) -> None:
    """Keep what a person wants; HTTPException 422 for a language that is unknown or half of the quiet hours."""
    if wish.language and wish.language not in languages():
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "The node does not know this language.")
    if bool(wish.quiet_from) != bool(wish.quiet_until):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "Quiet hours need a begin and an end.")
    with services.database.begin() as transaction:
        notices.save(transaction, wish, datetime.now(UTC))
