"""The administrator's page of accounts, roles, links and tokens; changes are recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from miqa_node.core.domain.access import Permission, Principal, Role, account_name
from miqa_node.errors import AccessError, ConflictError, NotFoundError
from miqa_node.interfaces.web.access import Admin, is_set_up
from miqa_node.interfaces.web.card import PEOPLE_CHANGES
from miqa_node.interfaces.web.html.cards import PageCards
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Navigation, Page
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.runtime.people import accounts

MOST_EVENTS = 50

router = APIRouter()

Name = Annotated[str, Form(max_length=64)]


class Change(StrEnum):
    """The buttons beside an account."""

    ROLE = "role"
    LINK = "link"
    SIGN_OUT = "sign-out"
    RESET_FACTOR = "reset-factor"
    DISABLE = "disable"
    ENABLE = "enable"


@dataclass(frozen=True, slots=True)
class PeopleNotice:
    """A one-time notice: a link, a token, or the reason why nothing was changed."""

    name: str = ""
    link: str = ""
    until: datetime | None = None
    token: str = ""
    fault: str = ""


@router.get("/people")
def people_page(services: Services, who: Admin) -> Response:
    """All accounts."""
    return _page(services, who, PeopleNotice())


@router.post("/people")
def add(
    request: Request, services: Services, who: Admin, name: Name, role: Annotated[Role, Form()] = Role.VIEWER
) -> Response:
    """Create an account; shows once the link for choosing a password."""
    now = datetime.now(UTC)
    if not is_set_up(services) and role is not Role.ADMIN:
        return _page(
            services, who, PeopleNotice(fault="The first account must be an administrator's: make yours first.")
        )
    try:
        with services.database.begin() as transaction:
            made = accounts.add(transaction, name, role, who.actor, now)
            notice = PeopleNotice(made.name)
            if role is not Role.SERVICE:
                lifetime_s = services.settings.access.invitation_lifetime_s
                secret, until = accounts.link(transaction, made.name, lifetime_s, who.actor, now)
                notice = PeopleNotice(made.name, link=services.welcome_link(request, secret), until=until)
    except (AccessError, ConflictError) as error:
        return _page(services, who, PeopleNotice(fault=str(error)))
    return _page(services, who, notice)


@router.post("/people/change")
def change(
    request: Request,
    services: Services,
    who: Admin,
    name: Name,
    change: Annotated[Change, Form()],
    role: Annotated[Role, Form()] = Role.VIEWER,
) -> Response:
    """The buttons of an account."""
    now, actor = datetime.now(UTC), who.actor
    notice = PeopleNotice()
    try:
        with services.database.begin() as transaction:
            match change:
                case Change.ROLE:
                    accounts.set_role(transaction, name, role, actor, now)
                case Change.LINK:
                    lifetime_s = services.settings.access.invitation_lifetime_s
                    secret, until = accounts.link(transaction, name, lifetime_s, actor, now)
                    notice = PeopleNotice(account_name(name), link=services.welcome_link(request, secret), until=until)
                case Change.SIGN_OUT:
                    accounts.sign_out(transaction, name, actor, now)
                case Change.RESET_FACTOR:
                    accounts.remove_factor(transaction, name, actor, now)
                case Change.DISABLE | Change.ENABLE:
                    accounts.set_disabled(transaction, name, actor, now, disabled=change is Change.DISABLE)
    except (AccessError, ConflictError, NotFoundError) as error:
        return _page(services, who, PeopleNotice(fault=str(error)))
    return _page(services, who, notice) if notice.link else _to(name)


@router.post("/people/tokens")
def add_token(
    services: Services,
    who: Admin,
    name: Name,
    scope: Annotated[list[Permission], Form(max_length=20)] = [],  # noqa: B006 - FastAPI copies it
    label: Annotated[str, Form(max_length=accounts.MAX_LABEL_CHARACTERS)] = "",
    days: Annotated[int | None, Form(ge=1, le=accounts.MAX_TOKEN_DAYS)] = None,
) -> Response:
    """Make a token; it is shown once."""
    try:
        with services.database.begin() as transaction:
            secret = accounts.add_token(transaction, name, label, scope, days, who.actor, datetime.now(UTC))
    except (AccessError, NotFoundError) as error:
        return _page(services, who, PeopleNotice(fault=str(error)))
    return _page(services, who, PeopleNotice(account_name(name), token=secret))


@router.post("/people/tokens/rotate")
def rotate_token(
    services: Services,
    who: Admin,
    name: Name,
    token_id: Annotated[int, Form(ge=1, le=2**62)],
    hours: Annotated[float, Form(ge=0, le=accounts.MAX_OVERLAP_HOURS)] = accounts.OVERLAP_HOURS,
) -> Response:
    """Replace a token, which still works for some hours; the new one is shown once."""
    now, overlap = datetime.now(UTC), timedelta(hours=hours)
    try:
        with services.database.begin() as transaction:
            secret = accounts.rotate_token(transaction, token_id, overlap, None, who.actor, now)
    except NotFoundError as error:
        return _page(services, who, PeopleNotice(fault=str(error)))
    return _page(services, who, PeopleNotice(account_name(name), token=secret))


@router.post("/people/tokens/revoke")
def revoke_token(
    services: Services, who: Admin, name: Name, token_id: Annotated[int, Form(ge=1, le=2**62)]
) -> Response:
    """Revoke a token at once."""
    try:
        with services.database.begin() as transaction:
            accounts.revoke_token(transaction, token_id, who.actor, datetime.now(UTC))
    except NotFoundError as error:
        return _page(services, who, PeopleNotice(fault=str(error)))
    return _to(name)


def _page(services: WebServices, who: Principal, notice: PeopleNotice) -> HTMLResponse:
    with services.database.begin() as transaction:
        listed = accounts.every(transaction)
        events = accounts.events(transaction, limit=MOST_EVENTS)
    cards = PageCards(services, who)
    page = render(
        "people/people.html",
        who=who,
        notice=notice,
        accounts=listed,
        events=events,
        roles=list(Role) if listed or services.settings.oidc.used else [Role.ADMIN],
        permissions=list(Permission),
        overlap_hours=accounts.OVERLAP_HOURS,
        now=datetime.now(UTC),
        cards=cards,
        of_others=cards.of(PEOPLE_CHANGES, None),
    )
    return HTMLResponse(page, HTTPStatus.CONFLICT if notice.fault else HTTPStatus.OK)


def _to(name: str) -> Response:
    return RedirectResponse(f"/people#{account_name(name)}", HTTPStatus.SEE_OTHER)


PAGE = Page(router, Permission.ADMIN, file=__file__, navigation=Navigation("People", "/people", 6))
