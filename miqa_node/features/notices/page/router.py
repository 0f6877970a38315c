"""A person's choice of e-mail notices, on the account page, and how sending goes, on that of operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.notice import NoticePreference
from miqa_node.core.language.catalogue import OWN_NAMES
from miqa_node.features.notices.page.wishes import ADDRESS, MAX_ROOMS, TIME, keep
from miqa_node.features.notices.rows import notices
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.card import ACCOUNT, OPERATIONS, CardContext, PageCard
from miqa_node.interfaces.web.page import Page, Trait, addresses_of
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import NO_CONTROLS
from miqa_node.runtime.site_records import notice_status

ROOM_DAYS = 92
"""The choices are rooms of the last three months."""

router = APIRouter()

Room = Annotated[str, Form(max_length=64, pattern=NO_CONTROLS)]


@router.get("/account/notices")
def way_to_form(_: Reader) -> Response:
    """The form on the page of one's account; mails name this address."""
    return to_form()


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
    machines: Annotated[bool, Form()] = False,
) -> Response:
    """Store the choice; an empty address gets no mail."""
    quiet = quiet_from, quiet_until
    wish = NoticePreference(who.name, address, language, tuple(room), digest, escalation, *quiet, machines)
    keep(services, wish)
    return to_form()


def to_form() -> Response:
    """To the page that has the form."""
    account = next(addresses_of(Trait.OWN_ACCOUNT), "/")
    return RedirectResponse(f"{account}#notices", HTTPStatus.SEE_OTHER)


def _wish(context: CardContext, _: Sequence[None]) -> Iterator[dict[str, object] | None]:
    """What the form needs; None for somebody without an account, or if the node sends no mail."""
    services, settings = context.services, context.services.settings
    if not (context.who.name and settings.notices.used):
        yield None
        return
    lately = datetime.now(UTC).date() - timedelta(days=ROOM_DAYS)
    with services.database.begin() as transaction:
        wish = notices.preference(transaction, context.who.name)
        rooms = notices.rooms(transaction, lately, limit=MAX_ROOMS)
    yield {
        "wish": wish,
        "rooms": sorted({*rooms, *wish.rooms}),
        "language_names": OWN_NAMES,
        "patient_data": settings.notices.patient_data,
        "escalate_minutes": settings.web.escalate_minutes,
    }


def _status(context: CardContext, _: Sequence[None]) -> Iterator[dict[str, object] | None]:
    """How sending goes; None if the node sends no mail."""
    if not context.services.settings.notices.used:
        yield None
        return
    with context.services.database.begin() as transaction:
        yield {"notices": notice_status.status(transaction, datetime.now(UTC))}


PAGE = Page(router, Permission.READ, file=__file__)
WISH = PageCard(ACCOUNT, "account.html", __file__, _wish)
STATUS = PageCard(OPERATIONS, "status.html", __file__, _status)
