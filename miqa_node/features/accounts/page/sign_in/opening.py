"""The step after the right password, link or sign-on: a session for this browser, or the second factor first."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Literal

import structlog
from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from miqa_node.features.accounts.rows import attempts
from miqa_node.features.accounts.rows.attempts import Client
from miqa_node.interfaces.web.access import COOKIE, session_times
from miqa_node.interfaces.web.oidc import SignOn
from miqa_node.interfaces.web.recheck import sealed
from miqa_node.interfaces.web.security import proxy_of
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.people import second_factors, sessions
from miqa_node.runtime.people.users import User
from miqa_node.runtime.store.database import Transaction

log = structlog.get_logger(__name__)

HALF_COOKIE = "miqa_half"
BROWSER_COOKIE = "miqa_browser"
"""Tells a browser that an account signed in with before, whatever its address: it has its own wrong passwords."""
HALF_PATH = "/sign-in"
ASK_CODE, ENROL = "/sign-in/code", "/sign-in/enrol"
MAX_SESSIONS = 20
"""Browsers that one account is signed in with at the same time; the oldest is signed out."""


def asks_more(transaction: Transaction, services: WebServices, user: User) -> str:
    """The second step's page: entering the code, or setting it up if the role requires one; empty if not needed.

    The site's provider asks its own users for a second factor.
    """
    factor = second_factors.find(transaction, user.name)
    if factor is not None and factor.confirmed:
        return ASK_CODE
    return ENROL if user.role in services.settings.access.second_factor and not user.subject else ""


def proceed(request: Request, services: WebServices, user: User, target: str, now: datetime) -> Response:
    """After the right password or a link: open a session, or go on to the second step."""
    with services.database.begin() as transaction:
        step = asks_more(transaction, services, user)
    if step:
        return second_step(request, services, user.name, step, target, now)
    return open_session(request, services, user.name, target, now)


def second_step(request: Request, services: WebServices, name: str, step: str, target: str, now: datetime) -> Response:
    """Go on to the page of the second step; a cookie of ten minutes says that the password was right."""
    with services.database.begin() as transaction:
        secret = second_factors.begin_half(transaction, name, inside(target), now)
    answer = RedirectResponse(step, HTTPStatus.SEE_OTHER)
    lifetime_s = second_factors.HALF_LIFETIME.total_seconds()
    set_cookie(answer, request, HALF_COOKIE, secret, lifetime_s, HALF_PATH, samesite="strict")
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
    """Open a new session for this browser, replacing any other, and redirect to the requested page.

    ``sign_on``: the provider's claims, if the person signed on there. ``page`` is shown first, if given.
    """
    with services.database.begin() as transaction:
        end_session(transaction, request, now)
        sessions.forget_ended(transaction, now, **session_times(services))
        secret = sessions.start(transaction, name, now, most=MAX_SESSIONS)
        if sign_on is not None:
            token = sealed(secret, sign_on.refresh_token)
            sessions.confirm(transaction, secret, token, now, provider_sid=sign_on.sid)
        browser = attempts.keep_browser(transaction, name, request.cookies.get(BROWSER_COOKIE, ""), now)
    log.info("signed in", account=name, peer=address_of(request))
    answer = page or RedirectResponse(inside(target), HTTPStatus.SEE_OTHER)
    set_cookie(answer, request, COOKIE, secret, services.settings.access.session_lifetime_s)
    set_cookie(answer, request, BROWSER_COOKIE, browser, attempts.KNOWN_FOR.total_seconds())
    answer.delete_cookie(HALF_COOKIE, path=HALF_PATH)
    return answer


def inside(target: str) -> str:
    r"""The address if it is one of this node's pages, otherwise the first page.

    >>> inside("/studies/1.2"), inside("//evil.example"), inside("https://evil.example"), inside("/\\evil.example")
    ('/studies/1.2', '/', '/', '/')
    """
    plain = target.startswith("/") and not target.startswith("//") and "\\" not in target and target.isprintable()
    return target if plain else "/"


def set_cookie(
    answer: Response, request: Request, name: str, value: str, max_age_s: float, path: str = "/",
    samesite: Literal["lax", "strict"] = "lax",
) -> None:  # fmt: skip
    """Give a browser a cookie; it would not send a strict one on the redirect from the site's sign-on."""
    secure = request.url.scheme == "https"
    answer.set_cookie(name, value, int(max_age_s), path=path, secure=secure, httponly=True, samesite=samesite)


def end_session(transaction: Transaction, request: Request, now: datetime) -> None:
    """End this browser's session, if it has one."""
    detail = proxy_of(request.scope)
    sessions.end(transaction, request.cookies.get(COOKIE, ""), now, address_of(request), detail=detail)


def client_of(request: Request) -> Client:
    """Where an attempt to sign in comes from."""
    return Client(address_of(request), request.cookies.get(BROWSER_COOKIE, ""), proxy_of(request.scope))


def address_of(request: Request) -> str:
    """The client's address."""
    return request.client.host if request.client else "local"
