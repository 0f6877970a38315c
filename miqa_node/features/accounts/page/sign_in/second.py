"""The second step of signing in, and managing one's own second factor."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from miqa_node.core.domain.access import Means, Principal
from miqa_node.errors import AccessError
from miqa_node.features.accounts.page.sign_in import app_keys, codes
from miqa_node.features.accounts.page.sign_in.opening import (
    ASK_CODE,
    ENROL,
    HALF_COOKIE,
    asks_more,
    client_of,
    open_session,
    second_step,
)
from miqa_node.features.accounts.page.sign_in.router import (
    Password,
    check_password,
    hashing_turn,
    too_many,
)
from miqa_node.features.accounts.rows import attempts
from miqa_node.features.accounts.rows.attempts import SignInOutcome
from miqa_node.interfaces.web.access import Reader, Who
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.runtime.people import accounts, second_factors, users
from miqa_node.runtime.store.database import Transaction

log = structlog.get_logger(__name__)
router = APIRouter()

Code = Annotated[str, Form(max_length=64)]
WRONG = "The code is wrong. Look at the app again; its code changes every 30 seconds, and each works once."


@router.get(ASK_CODE)
def code_page(request: Request, services: Services, who: Who) -> Response:
    """The form for the code, after the password."""
    _half(request, services)
    return HTMLResponse(render("sign_in/code.html", who=None, csrf=who.csrf, fault=""))


@router.post(ASK_CODE)
def enter_code(request: Request, services: Services, who: Who, code: Code) -> Response:
    """Compare the code of the app, or a recovery code; failures count like wrong passwords."""
    now = datetime.now(UTC)
    user, target = _half(request, services)
    fault = _try(request, services, user.name, code, now)
    if fault:
        page = render("sign_in/code.html", who=None, csrf=who.csrf, fault=fault)
        return HTMLResponse(page, HTTPStatus.FORBIDDEN)
    return open_session(request, services, user.name, target, now)


@router.get(ENROL)
def enrol_page(request: Request, services: Services, who: Who) -> Response:
    """Set up a second factor: before the first session if the role requires it, or from the account page."""
    user, _target = _half(request, services)
    return _set_up_page(services, user, who)


@router.post(ENROL)
def enrol(request: Request, services: Services, who: Who, code: Code) -> Response:
    """Confirm the app's first code: puts the second factor in force, starts a session and shows recovery codes."""
    now = datetime.now(UTC)
    user, target = _half(request, services)
    with services.database.begin() as transaction:
        made = _confirm(transaction, services, user.name, code, now)
        if made:
            second_factors.end_half(transaction, request.cookies.get(HALF_COOKIE, ""))
            attempts.note(transaction, user.name, client_of(request), "code", SignInOutcome.SIGNED_IN, now)
    if not made:
        return _set_up_page(services, user, who, fault=WRONG)
    page = HTMLResponse(render("sign_in/codes.html", who=None, codes=made, target=target))
    return open_session(request, services, user.name, target, now, page=page)


@router.post("/account/second")
def set_up(request: Request, services: Services, who: Reader, password: Password) -> Response:
    """Begin a new second factor. It needs the password, because a new factor could lock out the owner."""
    user, now = _own(services, who), datetime.now(UTC)
    with hashing_turn(request, services, user.name):
        _user, outcome = check_password(services, user.name, password, client_of(request), now)
    if outcome is not SignInOutcome.SIGNED_IN:
        raise HTTPException(HTTPStatus.FORBIDDEN, "The present password is wrong.")
    return second_step(request, services, user.name, ENROL, "/account", now)


@router.post("/account/second/codes")
def renew(request: Request, services: Services, who: Reader, code: Code) -> Response:
    """Replace the recovery codes, given a code of the app."""
    now = datetime.now(UTC)
    user = _proven(request, services, who, code, now)
    with services.database.begin() as transaction:
        made = accounts.renew_recovery_codes(transaction, user.name, who.name, now)
    return HTMLResponse(render("sign_in/codes.html", who=who, codes=made, target="/account"))


@router.post("/account/second/remove")
def remove(request: Request, services: Services, who: Reader, code: Code) -> Response:
    """Remove the second factor, if the role allows it, given a code of the app."""
    if who.role in services.settings.access.second_factor:
        raise HTTPException(HTTPStatus.FORBIDDEN, "Your role needs a second factor. An administrator can reset it.")
    now = datetime.now(UTC)
    user = _proven(request, services, who, code, now)
    with services.database.begin() as transaction:
        accounts.remove_factor(transaction, user.name, who.name, now)
    return RedirectResponse("/account", HTTPStatus.SEE_OTHER)


def _half(request: Request, services: WebServices) -> tuple[users.User, str]:
    """The account whose password was right in this browser, and the page to continue with."""
    with services.database.begin() as transaction:
        try:
            secret = request.cookies.get(HALF_COOKIE, "")
            name, target = second_factors.half(transaction, secret, datetime.now(UTC))
        except AccessError as error:
            raise HTTPException(HTTPStatus.FORBIDDEN, str(error)) from error
        user = users.load(transaction, name)
        step = asks_more(transaction, services, user)
    if user.disabled:
        raise HTTPException(HTTPStatus.FORBIDDEN, "This account is disabled.")
    if request.url.path != (step or ENROL):
        raise HTTPException(HTTPStatus.SEE_OTHER, "The other step is next.", {"location": step or "/sign-in"})
    return user, target


def _try(request: Request, services: WebServices, name: str, code: str, now: datetime) -> str:
    """Why a code is not accepted, in words; empty if it is accepted, which uses it up."""
    client = client_of(request)
    with services.database.begin() as transaction:
        number, allowed = attempts.begin(transaction, name, client, "code", services.settings.access, now)
        if not allowed:
            attempts.end(transaction, number, name, client, "code", SignInOutcome.THROTTLED, now)
            return too_many()
        means = _used(transaction, services, name, code, now)
        if not means:
            attempts.end(transaction, number, name, client, "code", SignInOutcome.REFUSED, now)
            log.warning("code refused", account=name, peer=client.address)
            return WRONG
        attempts.end(transaction, number, name, client, means, SignInOutcome.SIGNED_IN, now)
        second_factors.end_half(transaction, request.cookies.get(HALF_COOKIE, ""))
    return ""


def _used(transaction: Transaction, services: WebServices, name: str, code: str, now: datetime) -> str:
    """The kind of an accepted code; empty if it is not accepted."""
    factor = second_factors.find(transaction, name)
    if factor is None or not factor.confirmed:
        return ""
    if _is_code(transaction, name, app_keys.key_of(transaction, services, name, factor), code, now):
        return "code"
    if second_factors.use_recovery_code(transaction, name, code):
        accounts.note_recovery(transaction, name, second_factors.codes_left(transaction, name), now)
        return "recovery code"
    return ""


def _is_code(transaction: Transaction, name: str, key: str, code: str, now: datetime) -> bool:
    step = codes.step_of(key, code, now) if key else 0
    return bool(step) and second_factors.use_step(transaction, name, step)


def _confirm(transaction: Transaction, services: WebServices, name: str, code: str, now: datetime) -> list[str]:
    """Recovery codes if the code is right, otherwise none."""
    key = _begun(transaction, services, name)
    return accounts.add_factor(transaction, name, now) if _is_code(transaction, name, key, code, now) else []


def _begun(transaction: Transaction, services: WebServices, name: str) -> str:
    """The key for the app; a new one if the old one cannot be decrypted."""
    new_key = partial(app_keys.new_key, services)
    key = app_keys.key_of(transaction, services, name, second_factors.begin(transaction, name, new_key))
    if key:
        return key
    second_factors.keep_key(transaction, name, new_key())
    return _begun(transaction, services, name)


def _own(services: WebServices, who: Principal) -> users.User:
    """The account of the person, who must be signed in with a password."""
    if who.means is not Means.SESSION:
        raise HTTPException(HTTPStatus.FORBIDDEN, "Only somebody who is signed in has a second factor.")
    with services.database.begin() as transaction:
        user = users.load(transaction, who.name)
    if user.subject:
        raise HTTPException(HTTPStatus.FORBIDDEN, "The site's sign-on asks for your second factor, not this node.")
    return user


def _proven(request: Request, services: WebServices, who: Principal, code: str, now: datetime) -> users.User:
    user = _own(services, who)
    if fault := _try(request, services, user.name, code, now):
        raise HTTPException(HTTPStatus.FORBIDDEN, fault)
    return user


def _set_up_page(services: WebServices, user: users.User, who: Principal, fault: str = "") -> HTMLResponse:
    with services.database.begin() as transaction:
        key = _begun(transaction, services, user.name)
    side, path = codes.picture(codes.address(key, user.name, services.settings.node.name))
    page = render(
        "sign_in/enrol.html",
        who=None,
        csrf=who.csrf,
        name=user.name,
        key=" ".join(key[at : at + 4] for at in range(0, len(key), 4)),
        side=side,
        path=path,
        required=user.role in services.settings.access.second_factor,
        fault=fault,
    )
    return HTMLResponse(page, HTTPStatus.FORBIDDEN if fault else HTTPStatus.OK)


PAGE = Page(router, public=True)
