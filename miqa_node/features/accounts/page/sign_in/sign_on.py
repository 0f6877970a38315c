"""Signing on at the site's OpenID Connect provider."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from miqa_node.core.domain.access import account_name
from miqa_node.core.keys.secrets import new_secret
from miqa_node.errors import AccessError, UnansweredError
from miqa_node.features.accounts.page.sign_in.opening import client_of, inside, open_session, set_cookie
from miqa_node.features.accounts.rows import attempts
from miqa_node.features.accounts.rows.attempts import SignInOutcome
from miqa_node.interfaces.web.oidc import CLOCK_LEEWAY_S, Provider, SignOn, role_of, why_no_role
from miqa_node.interfaces.web.page import Page, Trait
from miqa_node.interfaces.web.recheck import PROVIDER
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.runtime.people import accounts, sessions, users

log = structlog.get_logger(__name__)
router = APIRouter()

COOKIE = "miqa_sign_on"
BACK = "/sign-on/back"
BACK_CHANNEL = "/sign-on/logout"
"""The address of back-channel logout, which the provider itself asks."""
FLOW_LIMIT_S = 600


@router.get("/sign-on")
def sign_on(request: Request, services: Services, next: Annotated[str, Query(max_length=2000)] = "/") -> Response:  # noqa: A002
    """Redirect the browser to the provider; a cookie of ten minutes has the values expected on return."""
    provider = _provider(services)
    flow = {"state": new_secret(), "nonce": new_secret(), "verifier": new_secret(), "next": inside(next)}
    try:
        address = provider.authorize_address(
            redirect_uri(request, services), flow["state"], flow["nonce"], flow["verifier"]
        )
    except AccessError as error:
        raise HTTPException(HTTPStatus.BAD_GATEWAY, str(error)) from error
    answer = RedirectResponse(address, HTTPStatus.SEE_OTHER)
    set_cookie(
        answer, request, COOKIE, base64.urlsafe_b64encode(json.dumps(flow).encode()).decode(), FLOW_LIMIT_S, "/sign-on"
    )
    return answer


@router.get(BACK)
def back(request: Request, services: Services, state: str = "", code: str = "", error: str = "") -> Response:
    """The provider's redirect back: open a session for the person it names."""
    provider = _provider(services)
    now = datetime.now(UTC)
    flow = _flow(request)
    try:
        if not flow or not state or state != flow["state"]:
            raise AccessError("This sign-on was not begun in this browser, or too long ago. Try again.")  # noqa: TRY301
        if error or not code:
            raise AccessError("The site's sign-on did not let you in.")  # noqa: TRY301
        sign_on = provider.redeem(code, redirect_uri(request, services), flow["nonce"], flow["verifier"])
        name = _account(services, sign_on, now)
    except AccessError as refusal:
        with services.database.begin() as transaction:
            attempts.note(transaction, "", client_of(request), "oidc", SignInOutcome.REFUSED, now)
        log.warning("sign-on failed", reason=str(refusal))
        raise HTTPException(HTTPStatus.FORBIDDEN, str(refusal)) from refusal
    with services.database.begin() as transaction:
        attempts.note(transaction, name, client_of(request), "oidc", SignInOutcome.SIGNED_IN, now)
    answer = open_session(request, services, name, flow["next"], now, sign_on)
    answer.delete_cookie(COOKIE, path="/sign-on")
    return answer


@router.post(BACK_CHANNEL)
def logged_out(services: Services, logout_token: Annotated[str, Form(max_length=20_000)]) -> Response:
    """The provider reports a sign-out (Back-Channel Logout 1.0): end the person's sessions here, too.

    A replayed token does not end sessions begun after the token was issued.
    """
    provider, now = _provider(services), datetime.now(UTC)
    try:
        notice = provider.logout_notice(logout_token)
    except UnansweredError as error:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    except AccessError as error:
        log.warning("logout token refused", reason=str(error))
        answer = {"error": "invalid_request", "error_description": str(error)}
        return JSONResponse(answer, HTTPStatus.BAD_REQUEST)
    before = notice.at + timedelta(seconds=CLOCK_LEEWAY_S)
    with services.database.begin() as transaction:
        names = sessions.end_at_provider(transaction, notice.subject, notice.sid, before, now)
    log.info("signed out at the site's sign-on", accounts=sorted(set(names)), sessions=len(names))
    return Response("", HTTPStatus.OK)


def redirect_uri(request: Request, services: WebServices) -> str:
    """The address to which the provider redirects the browser; it must be registered there."""
    return services.address(request) + BACK


def _account(services: WebServices, sign_on: SignOn, now: datetime) -> str:
    """Name of the subject's account, created at the first sign-on; its role is the provider's current one."""
    settings, claims = services.settings.oidc, sign_on.claims
    role = role_of(claims, settings)
    with services.database.begin() as transaction:
        user = users.of_subject(transaction, sign_on.subject)
        if role is None:
            log.warning("a sign-on has no role", **why_no_role(claims, settings))
            raise AccessError("You have no role on this node. Ask its administrator.")
        if user is None:
            name = _name_of(claims, settings.name_claim)
            if users.find(transaction, name) is not None:
                # Never take over an account: a name chosen at the provider must not open another person's account.
                raise AccessError(
                    "The name {name} belongs to another account of this node. Ask its administrator.", name=name
                )
            return accounts.add(transaction, name, role, PROVIDER, now, subject=sign_on.subject).name
        if user.disabled:
            raise AccessError("This account is disabled. Ask the node's administrator.")
        accounts.follow_role(transaction, user, role, PROVIDER, now)
        return user.name


def _name_of(claims: Mapping[str, Any], name_claim: str) -> str:
    try:
        return account_name(str(claims.get(name_claim) or claims["sub"]))
    except AccessError as error:
        raise AccessError(
            "The site's sign-on calls you what no account here can be called (its claim {name_claim}). {error} "
            "The node's administrator can choose another claim (oidc.name_claim).",
            name_claim=name_claim,
            error=error,
        ) from error


def _flow(request: Request) -> dict[str, str]:
    try:
        flow = json.loads(base64.urlsafe_b64decode(request.cookies.get(COOKIE, "")))
        return {key: str(flow[key]) for key in ("state", "nonce", "verifier", "next")}
    except (ValueError, KeyError, TypeError, RecursionError):  # anybody can send any cookie
        return {}


def _provider(services: WebServices) -> Provider:
    if not services.settings.oidc.used:
        raise HTTPException(HTTPStatus.NOT_FOUND, "This node has no sign-on of the site; oidc.issuer is not set.")
    return services.provider


PAGE = Page(router, public=True, traits={BACK_CHANNEL: Trait.SIGNED_FORM})
