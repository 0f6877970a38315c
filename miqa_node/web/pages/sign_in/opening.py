"""What follows the right password, link or sign-on: a session of this browser, or first the second factor."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

import structlog
from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from miqa_node.store import second_factors, sessions
from miqa_node.store.database import Transaction
from miqa_node.store.users import User
from miqa_node.web.access import COOKIE, session_times
from miqa_node.web.oidc import SignOn
from miqa_node.web.recheck import sealed
from miqa_node.web.services import WebServices

log = structlog.get_logger(__name__)

HALF_COOKIE = "miqa_half"
HALF_PATH = "/sign-in"
ASK_CODE, ENROL = "/sign-in/code", "/sign-in/enrol"


def asks_more(transaction: Transaction, services: WebServices, user: User) -> str:
    """The page of the second step: for the code, or for setting it up where the role needs it; empty if there is none.

    Who signs on at the site's provider is asked there.
    """
    factor = second_factors.find(transaction, user.name)
    if factor is not None and factor.confirmed:
        return ASK_CODE
    return ENROL if user.role in services.settings.access.second_factor and not user.subject else ""


def proceed(request: Request, services: WebServices, user: User, target: str, now: datetime) -> Response:
    """After the right password, or a link: in, or on to the second step."""
    with services.database.begin() as transaction:
        step = asks_more(transaction, services, user)
        secret = second_factors.begin_half(transaction, user.name, inside(target), now) if step else ""
    if not step:
        return open_session(request, services, user.name, target, now)
    answer = RedirectResponse(step, HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        HALF_COOKIE,
        secret,
        max_age=int(second_factors.HALF_LIFETIME.total_seconds()),
        path=HALF_PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


def open_session(
    request: Request,
    services: WebServices,
    name: str,
    target: str,
    now: datetime,
    sign_on: SignOn | None = None,
    page: Response | None = None,
) -> Response:
    """A new session for this browser, whatever it had before, and on to the page that was asked for.

    ``sign_on``: what the site's provider said, for those who signed on there. ``page`` is shown first, if given.
    """
    with services.database.begin() as transaction:
        sessions.end(transaction, request.cookies.get(COOKIE, ""), now, address_of(request))
        sessions.forget_ended(transaction, now, **session_times(services))
        secret = sessions.start(transaction, name, now, most=services.settings.access.max_sessions)
        if sign_on is not None:
            token = sealed(secret, sign_on.refresh_token)
            sessions.confirm(transaction, secret, token, now, provider_sid=sign_on.sid)
    log.info("signed in", account=name, peer=address_of(request))
    answer = page or RedirectResponse(inside(target), HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=int(services.settings.access.session_lifetime_s),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",  # strict would lose it on the way back from the site's sign-on
    )
    answer.delete_cookie(HALF_COOKIE, path=HALF_PATH)
    return answer


def inside(target: str) -> str:
    r"""The address if it is one of this node's pages, else the first page.

    >>> inside("/studies/1.2"), inside("//evil.example"), inside("https://evil.example"), inside("/\\evil.example")
    ('/studies/1.2', '/', '/', '/')
    """
    plain = target.startswith("/") and not target.startswith("//") and "\\" not in target and target.isprintable()
    return target if plain else "/"


def address_of(request: Request) -> str:
    """Where the request comes from."""
    return request.client.host if request.client else "local"
