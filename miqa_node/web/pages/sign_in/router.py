"""Pages on which people set the node up, sign in and out, and change their password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Form, HTTPException, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from miqa_node.domain.access import Means, Principal, Role, account_name
from miqa_node.errors import AccessError
from miqa_node.store import accounts, sessions, users
from miqa_node.store.sessions import SignInOutcome
from miqa_node.web.access import COOKIE, Reader, Who, session_times
from miqa_node.web.html import render
from miqa_node.web.oidc import SignOn
from miqa_node.web.page import Page
from miqa_node.web.pages.sign_in import passwords
from miqa_node.web.recheck import sealed
from miqa_node.web.services import Services, WebServices

log = structlog.get_logger(__name__)
router = APIRouter()

Name = Annotated[str, Form(max_length=64)]
Password = Annotated[str, Form(max_length=passwords.MAX_CHARACTERS)]
Next = Annotated[str, Query(max_length=2000)]
Secret = Annotated[str, Path(max_length=128)]

BY_LINK = "one-time link"
"""Who made an account or chose its password, in its history."""
WRONG = "Name or password is wrong."
TOO_MANY = "Too many wrong passwords. Wait {minutes} minutes, or ask an administrator for a new link."


@router.get("/sign-in")
def sign_in_page(services: Services, who: Who, next: Next = "/") -> Response:  # noqa: A002 - the parameter's name
    """The form, and the button of the site's own sign-on."""
    if who.means is Means.SESSION:
        return RedirectResponse(inside(next), HTTPStatus.SEE_OTHER)
    return _sign_in_page(services, who, next, "")


@router.post("/sign-in")
def sign_in(
    request: Request,
    services: Services,
    who: Who,
    name: Name,
    password: Password,
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
) -> Response:
    """Check name and password; failures are delayed, and after too many of them further attempts are refused."""
    now = datetime.now(UTC)
    with _turn(request, services):
        user, outcome = _check(services, name, password, address_of(request), now)
    if outcome is not SignInOutcome.SIGNED_IN or user is None:
        log.warning("sign-in failed", outcome=outcome.value, peer=address_of(request))
        minutes = round(services.settings.access.sign_in_window_s / 60)
        fault = WRONG if outcome is SignInOutcome.REFUSED else TOO_MANY.format(minutes=minutes)
        status = HTTPStatus.FORBIDDEN if outcome is SignInOutcome.REFUSED else HTTPStatus.TOO_MANY_REQUESTS
        return _sign_in_page(services, who, next, fault, status)
    return open_session(request, services, user.name, next, now)


@router.post("/sign-out")
def sign_out(request: Request, services: Services, who: Who) -> Response:
    """End this browser's session."""
    with services.database.begin() as transaction:
        sessions.end(transaction, request.cookies.get(COOKIE, ""), datetime.now(UTC), address_of(request))
    if who.name:
        log.info("signed out", account=who.name)
    answer = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/welcome/{secret}")
def welcome_page(services: Services, who: Who, secret: Secret) -> Response:
    """Where a one-time link leads: the first administrator's account, or the choice of a password."""
    return _welcome_page(services, who, secret, "")


@router.post("/welcome/{secret}")
def welcome(
    request: Request, services: Services, who: Who, secret: Secret, password: Password, again: Password, name: Name = ""
) -> Response:
    """Use the link up, and sign in."""
    now = datetime.now(UTC)
    access = services.settings.access
    try:
        with services.database.begin() as transaction:
            invited = users.invited(transaction, secret, now)
        chosen = invited or account_name(name)
        if password != again:
            raise AccessError("The two passwords differ.")  # noqa: TRY301 - shown like the others
        passwords.check_new(password, chosen, access.password_min_characters)
        with _turn(request, services):
            kept = passwords.hash_password(password)
        with services.database.begin() as transaction:
            users.use_invitation(transaction, secret, now)
            if invited:
                accounts.set_password(transaction, invited, kept, BY_LINK, now)
            else:
                accounts.add(transaction, chosen, Role.ADMIN, BY_LINK, now, password_hash=kept)
            sessions.note(transaction, chosen, address_of(request), "link", SignInOutcome.SIGNED_IN, now)
    except AccessError as error:
        return _welcome_page(services, who, secret, str(error), name)
    log.info("password chosen by link", account=chosen, set_up=not invited)
    return open_session(request, services, chosen, "/", now)


@router.get("/account")
def account_page(services: Services, who: Reader, changed: bool = False) -> str:
    """The person's own account; ``changed`` reports a new password."""
    return _account(services, who, changed=changed)


@router.post("/account/password")
def change_password(
    request: Request, services: Services, who: Reader, password: Password, new: Password, again: Password
) -> Response:
    """Choose another password: every other browser of the account is signed out."""
    now = datetime.now(UTC)
    try:
        if new != again:
            raise AccessError("The two passwords differ.")  # noqa: TRY301
        passwords.check_new(new, who.name, services.settings.access.password_min_characters)
        with _turn(request, services):
            user, outcome = _check(services, who.name, password, address_of(request), now)
            if outcome is not SignInOutcome.SIGNED_IN or user is None:
                raise AccessError("The present password is wrong.")  # noqa: TRY301
            kept = passwords.hash_password(new)
        with services.database.begin() as transaction:
            accounts.set_password(transaction, who.name, kept, who.name, now)
    except AccessError as error:
        return HTMLResponse(_account(services, who, fault=str(error)), HTTPStatus.FORBIDDEN)
    log.info("password changed", account=who.name)
    return open_session(request, services, who.name, "/account?changed=true", now)


@contextmanager
def _turn(request: Request, services: WebServices) -> Iterator[None]:
    """The right to compute a hash; HTTPException 503 while too many wait for it."""
    address = address_of(request)
    if not services.signing_in.enter(address):
        too_many = "Too many people sign in at once; try again in a moment."
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, too_many, {"retry-after": "2"})
    try:
        with services.password_turn:
            yield
    finally:
        services.signing_in.leave(address)


def open_session(
    request: Request, services: WebServices, name: str, target: str, now: datetime, known: SignOn | None = None
) -> Response:
    """A new session for this browser, whatever it had before, and on to the page that was asked for.

    ``known``: what the site's provider said, for those who signed on there.
    """
    with services.database.begin() as transaction:
        sessions.end(transaction, request.cookies.get(COOKIE, ""), now, address_of(request))
        sessions.forget_ended(transaction, now, **session_times(services))
        secret = sessions.start(transaction, name, now, most=services.settings.access.max_sessions)
        if known is not None:
            token = sealed(secret, known.refresh_token)
            sessions.confirm(transaction, secret, token, now, provider_sid=known.sid)
    log.info("signed in", account=name, peer=address_of(request))
    answer = RedirectResponse(inside(target), HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=int(services.settings.access.session_lifetime_s),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",  # strict would lose it on the way back from the site's sign-on
    )
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


def _check(
    services: WebServices, given: str, password: str, address: str, now: datetime
) -> tuple[users.User | None, SignInOutcome]:
    """The account if the password is right; either result is recorded."""
    access = services.settings.access
    try:
        name = account_name(given)
    except AccessError:
        name = ""
    with services.database.begin() as transaction:
        user = users.find(transaction, name) if name else None
        known = user.name if user else ""
        since = now - timedelta(seconds=access.sign_in_window_s)
        of_name, of_address = sessions.failures(transaction, known, address, since)
    outcome = SignInOutcome.REFUSED
    if of_address >= access.sign_in_failures_per_address or (user and of_name >= access.sign_in_failures):
        outcome = SignInOutcome.THROTTLED
    elif passwords.matches(user.password_hash if user else "", password) and user and not user.disabled:
        outcome = SignInOutcome.SIGNED_IN
    with services.database.begin() as transaction:
        sessions.note(transaction, known, address, "password", outcome, now)
        if outcome is SignInOutcome.SIGNED_IN and user and passwords.is_outdated(user.password_hash):
            users.renew_hash(transaction, user.name, passwords.hash_password(password))
    return user, outcome


def _sign_in_page(
    services: WebServices, who: Principal, target: str, fault: str, status: HTTPStatus = HTTPStatus.OK
) -> HTMLResponse:
    page = render(
        "sign_in/sign_in.html",
        who=None,
        csrf=who.csrf,
        fault=fault,
        next=inside(target),
        sign_on=services.settings.oidc.used,
    )
    return HTMLResponse(page, status)


def _welcome_page(services: WebServices, who: Principal, secret: str, fault: str, name: str = "") -> HTMLResponse:
    try:
        with services.database.begin() as transaction:
            invited = users.invited(transaction, secret, datetime.now(UTC))
    except AccessError as error:
        raise HTTPException(HTTPStatus.GONE, str(error)) from error
    page = render(
        "sign_in/welcome.html",
        who=None,
        csrf=who.csrf,
        invited=invited,
        name=name,
        fault=fault,
        min_characters=services.settings.access.password_min_characters,
    )
    return HTMLResponse(page, HTTPStatus.FORBIDDEN if fault else HTTPStatus.OK)


def _account(services: WebServices, who: Principal, *, fault: str = "", changed: bool = False) -> str:
    least = services.settings.access.password_min_characters
    return render("sign_in/account.html", who=who, fault=fault, changed=changed, min_characters=least)


PAGE = Page(router, file=__file__, public=True)
