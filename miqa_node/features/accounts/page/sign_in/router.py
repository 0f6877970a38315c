"""Pages for setting up the node, signing in and out, and changing the password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from zoneinfo import available_timezones

import structlog
from fastapi import APIRouter, Form, HTTPException, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from miqa_node.core.domain.access import Means, Principal, Role, account_name
from miqa_node.core.language.catalogue import OWN_NAMES, languages
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import AccessError, InputError
from miqa_node.features.accounts.page.sign_in import passwords
from miqa_node.features.accounts.page.sign_in.opening import (
    address_of,
    asks_more,
    client_of,
    end_session,
    inside,
    open_session,
    proceed,
    set_cookie,
)
from miqa_node.features.accounts.rows import attempts
from miqa_node.features.accounts.rows.attempts import FAILURES_COUNT_FOR, Client, SignInOutcome
from miqa_node.interfaces.web.access import COOKIE, Reader, Who
from miqa_node.interfaces.web.card import ACCOUNT, EVERY_BAR, PageCard
from miqa_node.interfaces.web.html.cards import PageCards
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page, Trait
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE, ZONE_COOKIE, is_zone
from miqa_node.runtime.people import accounts, second_factors, users

log = structlog.get_logger(__name__)
router = APIRouter()

Name = Annotated[str, Form(max_length=64)]
Password = Annotated[str, Form(max_length=passwords.MAX_CHARACTERS)]
Next = Annotated[str, Query(max_length=2000)]
Secret = Annotated[str, Path(max_length=128)]

KEPT_S = 400 * 86_400
"""The maximum lifetime of a cookie in browsers."""
BY_LINK = "one-time link"
"""The actor in an account's history who made it or chose its password."""
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
    with hashing_turn(request, services, name):
        user, outcome = check_password(services, name, password, client_of(request), now)
    if outcome is not SignInOutcome.SIGNED_IN or user is None:
        log.warning("sign-in failed", outcome=outcome.value, peer=address_of(request))
        fault = WRONG if outcome is SignInOutcome.REFUSED else too_many()
        status = HTTPStatus.FORBIDDEN if outcome is SignInOutcome.REFUSED else HTTPStatus.TOO_MANY_REQUESTS
        return _sign_in_page(services, who, next, fault, status)
    return proceed(request, services, user, next, now)


@router.post("/sign-out")
def sign_out(request: Request, services: Services, who: Who) -> Response:
    """End this browser's session."""
    with services.database.begin() as transaction:
        end_session(transaction, request, datetime.now(UTC))
    if who.name:
        log.info("signed out", account=who.name)
    answer = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/welcome/{secret}")
def welcome_page(services: Services, who: Who, secret: Secret) -> Response:
    """The page of a one-time link: the first administrator's account, or the choice of a password."""
    return _welcome_page(services, who, secret, "")


@router.post("/welcome/{secret}")
def welcome(
    request: Request, services: Services, who: Who, secret: Secret, password: Password, again: Password, name: Name = ""
) -> Response:
    """Use up the link, and sign in."""
    now = datetime.now(UTC)
    access = services.settings.access
    try:
        with services.database.begin() as transaction:
            invited = users.invited(transaction, secret, now)
        chosen = invited or account_name(name)
        if password != again:
            raise AccessError("The two passwords differ.")  # noqa: TRY301 - shown like the others
        passwords.check_new(password, chosen, access.password_min_characters)
        with hashing_turn(request, services):
            password_hash = passwords.hash_password(password)
        with services.database.begin() as transaction:
            users.use_invitation(transaction, secret, now)
            if invited:
                accounts.set_password(transaction, invited, password_hash, BY_LINK, now)
            else:
                accounts.add(transaction, chosen, Role.ADMIN, BY_LINK, now, password_hash=password_hash)
            user = users.load(transaction, chosen)
            more = asks_more(transaction, services, user)
            outcome = SignInOutcome.PASSWORD_RIGHT if more else SignInOutcome.SIGNED_IN
            attempts.note(transaction, chosen, client_of(request), "link", outcome, now)
    except AccessError as error:
        return _welcome_page(services, who, secret, str(error), name)
    log.info("password chosen by link", account=chosen, set_up=not invited)
    return proceed(request, services, user, "/", now)


@router.get("/account")
def account_page(request: Request, services: Services, who: Reader, changed: bool = False) -> str:
    """The person's own account; ``changed`` reports a new password."""
    return _account(services, who, request, changed=changed)


@router.post("/account/language")
def choose_language(
    request: Request,
    _: Reader,
    language: Annotated[str, Form(max_length=8)] = "",
    zone: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Language and time zone of this browser; an empty value means the site's, an unknown one changes nothing."""
    if (language and language not in languages()) or (zone and not is_zone(zone)):
        raise InputError("The node does not know this language or time zone.")
    answer = RedirectResponse("/account", HTTPStatus.SEE_OTHER)
    for name, value in ((LANGUAGE_COOKIE, language), (ZONE_COOKIE, zone)):
        set_cookie(answer, request, name, value, KEPT_S if value else 0)
    return answer


@router.post("/account/password")
def change_password(
    request: Request, services: Services, who: Reader, password: Password, new: Password, again: Password
) -> Response:
    """Change the password; every other browser of the account is signed out."""
    now = datetime.now(UTC)
    try:
        if new != again:
            raise AccessError("The two passwords differ.")  # noqa: TRY301
        passwords.check_new(new, who.name, services.settings.access.password_min_characters)
        with hashing_turn(request, services, who.name):
            user, outcome = check_password(services, who.name, password, client_of(request), now)
            if outcome is not SignInOutcome.SIGNED_IN or user is None:
                raise AccessError("The present password is wrong.")  # noqa: TRY301
            password_hash = passwords.hash_password(new)
        with services.database.begin() as transaction:
            accounts.set_password(transaction, who.name, password_hash, who.name, now)
    except AccessError as error:
        return HTMLResponse(_account(services, who, request, fault=str(error)), HTTPStatus.FORBIDDEN)
    log.info("password changed", account=who.name)
    return open_session(request, services, who.name, "/account?changed=true", now)


@contextmanager
def hashing_turn(request: Request, services: WebServices, name: str = "") -> Iterator[None]:
    """A slot to compute a hash; HTTPException 503 while too many wait for one, unless the account was here before."""
    client = client_of(request)
    with services.database.begin() as transaction:
        is_known = bool(name) and attempts.is_known(
            transaction, name.strip().lower(), datetime.now(UTC), client.address, client.place
        )
    if not is_known and not services.signing_in.enter(client.address):
        too_many = "Too many people sign in at once; try again in a moment."
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, too_many, {"retry-after": "2"})
    try:
        with services.password_turn:
            yield
    finally:
        if not is_known:
            services.signing_in.leave(client.address)


def check_password(
    services: WebServices, user_name: str, password: str, client: Client, now: datetime
) -> tuple[users.User | None, SignInOutcome]:
    """The account if the password is right; either result is recorded. Names without an account are answered alike."""
    settings, typed = services.settings, user_name.strip().lower()
    with services.database.begin() as transaction:
        user = users.find(transaction, typed)
        login_name = user.name if user else ""
        slowed = login_name or attempts.stand_in(typed, settings)
        number, allowed = attempts.begin(transaction, slowed, client, "password", settings.access, now)
    outcome = SignInOutcome.REFUSED
    if not allowed:
        outcome = SignInOutcome.THROTTLED
    elif passwords.matches(user.password_hash if user else "", password) and user and user.has_pages:
        outcome = SignInOutcome.SIGNED_IN
    with services.database.begin() as transaction:
        more = outcome is SignInOutcome.SIGNED_IN and user is not None and asks_more(transaction, services, user)
        noted = SignInOutcome.PASSWORD_RIGHT if more else outcome
        attempts.end(transaction, number, login_name, client, "password", noted, now)
        if outcome is SignInOutcome.SIGNED_IN and user and passwords.is_outdated(user.password_hash):
            users.renew_hash(transaction, user.name, passwords.hash_password(password))
    return user, outcome


def too_many() -> str:
    """The message after too many failures."""
    return Phrase(TOO_MANY, minutes=FAILURES_COUNT_FOR // timedelta(minutes=1))


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


def _account(services: WebServices, who: Principal, request: Request, *, fault: str = "", changed: bool = False) -> str:
    access, cards = services.settings.access, PageCards(services, who)
    with services.database.begin() as transaction:
        user = users.find(transaction, who.name) if who.means is Means.SESSION else None
        factor = second_factors.find(transaction, who.name)
        codes = second_factors.codes_left(transaction, who.name)
    return render(
        "sign_in/account.html",
        who=who,
        fault=fault,
        changed=changed,
        min_characters=access.password_min_characters,
        is_local=user is not None and not user.subject,
        has_factor=factor is not None and factor.confirmed,
        codes_left=codes,
        language=request.cookies.get(LANGUAGE_COOKIE, ""),
        zone=request.cookies.get(ZONE_COOKIE, ""),
        zones=sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")),
        language_names=OWN_NAMES,
        required=who.role in access.second_factor,
        cards=cards,
        of_others=cards.of(ACCOUNT, None),
    )


PAGE = Page(router, file=__file__, public=True, traits={"/sign-in": Trait.SIGN_IN, "/account": Trait.OWN_ACCOUNT})
LINK = PageCard(EVERY_BAR, "account_link.html", __file__)
"""The way to one's own account."""
