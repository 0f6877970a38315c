"""A person's choice of e-mail notices, on the account page."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from miqa_node.domain.notice import NoticePreference
from miqa_node.store.fields import NO_CONTROLS
from miqa_node.web.access import Reader
from miqa_node.web.notices import ADDRESS, MAX_ROOMS, TIME, keep
from miqa_node.web.services import Services

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
    """Store the choice; an empty address gets no mail."""
    wish = NoticePreference(who.name, address, language, tuple(room), digest, escalation, quiet_from, quiet_until)
    keep(services, wish)
    return RedirectResponse("/account#notices", HTTPStatus.SEE_OTHER)
