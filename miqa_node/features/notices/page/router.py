"""A person's choice of e-mail notices, on the account page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.notice import NoticePreference
from miqa_node.core.language.catalogue import OWN_NAMES
from miqa_node.features.notices.page.wishes import ADDRESS, MAX_ROOMS, TIME, keep
from miqa_node.features.notices.rows import notices
from miqa_node.interfaces.web.access import Reader, identify
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.interfaces.web.values import NO_CONTROLS

ROOM_DAYS = 92
"""The choices are rooms of the last three months."""

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


def account(request: Request) -> str:
    """The form; nothing for somebody without an account, or if the node sends no mail."""
    services: WebServices = request.app.state.services
    who, settings = identify(request, services), services.settings
    if not (who.name and settings.notices.used):
        return ""
    lately = datetime.now(UTC).date() - timedelta(days=ROOM_DAYS)
    with services.database.begin() as transaction:
        wish = notices.preference(transaction, who.name)
        rooms = notices.rooms(transaction, lately, limit=MAX_ROOMS)
    return render(
        "notices/account.html",
        who=who,
        wish=wish,
        rooms=sorted({*rooms, *wish.rooms}),
        language_names=OWN_NAMES,
        patient_data=settings.notices.patient_data,
        escalate_minutes=settings.web.escalate_minutes,
    )


PAGE = Page(router, Permission.READ, file=__file__, account=account)
