"""Sign-on at the site's OpenID Connect provider: the authorization code flow of OpenID Connect Core 1.0 with PKCE."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from typing import Annotated, Any
from urllib.parse import urlencode

import httpx2
import jwt
import structlog
from fastapi import HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from miqa_node.domain.access import Role, account_name
from miqa_node.errors import AccessError
from miqa_node.settings import OidcSettings
from miqa_node.store import sessions, users
from miqa_node.store.secrets import new_secret
from miqa_node.store.sessions import Outcome
from miqa_node.web.access import page_router
from miqa_node.web.services import Services, WebServices
from miqa_node.web.sign_in import address_of, inside, open_session

log = structlog.get_logger(__name__)
router = page_router()

COOKIE = "miqa_sign_on"
BACK = "/sign-on/back"
FLOW_LIMIT_S = 600
KEEP_KEYS_S = 3600.0
REFETCH_KEYS_S = 30.0
"""A key that is not known makes the keys be read again, but not more often than this."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with public keys only: with the others whoever knows the client's secret could sign."""
CLOCK_LEEWAY_S = 60


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the provider's discovery document says, and its keys."""

    authorize: str
    token: str
    keys: Mapping[str, jwt.PyJWK]
    read_at: float


class Provider:
    """Knows one provider; reads its addresses and keys when they are first needed."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._endpoints: Endpoints | None = None

    def authorize_address(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser is sent."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._known().authorize}?{urlencode(asked)}"

    def claims(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> dict[str, Any]:
        """What the provider says of whoever brought the code; AccessError when it says nothing to be trusted."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._settings.client_id,
            "code_verifier": verifier,
        }
        if secret := self._settings.client_secret.get_secret_value():
            form["client_secret"] = secret
        answer = self._ask("POST", self._known().token, data=form)
        return self._verified(str(answer.get("id_token", "")), nonce)

    def _verified(self, id_token: str, nonce: str) -> dict[str, Any]:
        try:
            key = self._key(str(jwt.get_unverified_header(id_token).get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                id_token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._settings.client_id,
                issuer=self._settings.issuer,
                leeway=CLOCK_LEEWAY_S,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise AccessError(f"The provider's ID token is not valid: {type(error).__name__}.") from error
        if claims.get("nonce") != nonce:
            raise AccessError("The provider's ID token is not the answer to this sign-on.")
        if claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise AccessError("The provider's ID token was made for another client.")
        return claims

    def _key(self, kid: str) -> jwt.PyJWK:
        known = self._known()
        if kid not in known.keys and time.monotonic() - known.read_at > REFETCH_KEYS_S:
            known = self._known(renew=True)
        if kid in known.keys:
            return known.keys[kid]
        if not kid and len(known.keys) == 1:
            return next(iter(known.keys.values()))
        raise AccessError("The provider's ID token is signed with a key that the provider does not publish.")

    def _known(self, *, renew: bool = False) -> Endpoints:
        with self._lock:
            known = self._endpoints
            if known is None or renew or time.monotonic() - known.read_at > KEEP_KEYS_S:
                known = self._endpoints = self._discover()
            return known

    def _discover(self) -> Endpoints:
        issuer = self._settings.issuer
        found = self._ask("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise AccessError("The provider calls itself by another name than oidc.issuer.")
        try:
            keys = {
                str(key.key_id or ""): key
                for key in jwt.PyJWKSet.from_dict(self._ask("GET", str(found["jwks_uri"]))).keys
                if key.public_key_use in (None, "sig")
            }
            return Endpoints(str(found["authorization_endpoint"]), str(found["token_endpoint"]), keys, time.monotonic())
        except (KeyError, jwt.PyJWTError) as error:
            raise AccessError("The provider's discovery document or keys cannot be understood.") from error

    def _ask(self, method: str, address: str, data: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = httpx2.request(
                method, address, data=data, timeout=self._settings.timeout_s, headers={"accept": "application/json"}
            )
            answer.raise_for_status()
            document = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise AccessError(f"The site's sign-on does not answer as it should ({type(error).__name__}).") from error
        if not isinstance(document, dict):
            raise AccessError("The site's sign-on does not answer as it should.")
        return document


@router.get("/sign-on")
def sign_on(request: Request, services: Services, next: Annotated[str, Query(max_length=2000)] = "/") -> Response:  # noqa: A002
    """Send the browser to the provider; what must come back with it waits in a cookie of ten minutes."""
    provider = _provider(request, services)
    flow = {"state": new_secret(), "nonce": new_secret(), "verifier": new_secret(), "next": inside(next)}
    try:
        address = provider.authorize_address(
            redirect_uri(request, services), flow["state"], flow["nonce"], flow["verifier"]
        )
    except AccessError as error:
        raise HTTPException(HTTPStatus.BAD_GATEWAY, str(error)) from error
    answer = RedirectResponse(address, HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        base64.urlsafe_b64encode(json.dumps(flow).encode()).decode(),
        max_age=FLOW_LIMIT_S,
        path="/sign-on",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get(BACK)
def back(request: Request, services: Services, state: str = "", code: str = "", error: str = "") -> Response:
    """The provider sent the browser back: open a session for whom it names."""
    provider = _provider(request, services)
    now = datetime.now(UTC)
    flow = _flow(request)
    try:
        if not flow or not state or state != flow["state"]:
            raise AccessError("This sign-on was not begun in this browser, or too long ago. Try again.")  # noqa: TRY301
        if error or not code:
            raise AccessError("The site's sign-on did not let you in.")  # noqa: TRY301
        claims = provider.claims(code, redirect_uri(request, services), flow["nonce"], flow["verifier"])
        name = _account(services, claims, now)
    except AccessError as refusal:
        with services.database.begin() as transaction:
            sessions.note(transaction, "", address_of(request), "oidc", Outcome.REFUSED, now)
        log.warning("sign-on failed", reason=str(refusal))
        raise HTTPException(HTTPStatus.FORBIDDEN, str(refusal)) from refusal
    with services.database.begin() as transaction:
        sessions.note(transaction, name, address_of(request), "oidc", Outcome.SIGNED_IN, now)
    answer = open_session(request, services, name, flow["next"], now)
    answer.delete_cookie(COOKIE, path="/sign-on")
    return answer


def role_of(claims: Mapping[str, Any], settings: OidcSettings) -> Role | None:
    """The highest role that the words of the role claim give; None lets nobody in."""
    given = claims.get(settings.role_claim, ())
    words = {given} if isinstance(given, str) else {str(word) for word in given} if isinstance(given, list) else set()
    for role, wanted in (
        (Role.ADMIN, settings.admins),
        (Role.REVIEWER, settings.reviewers),
        (Role.VIEWER, settings.viewers),
    ):
        if words & set(wanted):
            return role
    return None


def redirect_uri(request: Request, services: WebServices) -> str:
    """Where the provider sends the browser back to; it must be registered there."""
    base = services.settings.web.public_url or str(request.base_url)
    return base.rstrip("/") + BACK


def _account(services: WebServices, claims: Mapping[str, Any], now: datetime) -> str:
    """Name of the account of this subject, made at its first sign-on; its role is what the provider says today."""
    settings = services.settings.oidc
    role = role_of(claims, settings)
    subject = f"{claims['iss']} {claims['sub']}"
    with services.database.begin() as transaction:
        user = users.of_subject(transaction, subject)
        if role is None:
            raise AccessError("You are known, but nobody gave you a role on this node. Ask its administrator.")
        if user is None:
            name = account_name(str(claims.get(settings.name_claim) or claims["sub"]))
            if users.find(transaction, name) is not None:
                # Never taken over: whoever can choose a name at the provider must not get another's account here.
                raise AccessError(f"The name {name} belongs to another account of this node. Ask its administrator.")
            return users.add(transaction, name, role, now, subject=subject).name
        if user.disabled:
            raise AccessError("This account is disabled. Ask the node's administrator.")
        if user.role is not role:
            users.set_role(transaction, user.name, role)
        return user.name


def _flow(request: Request) -> dict[str, str]:
    try:
        flow = json.loads(base64.urlsafe_b64decode(request.cookies.get(COOKIE, "")))
        return {key: str(flow[key]) for key in ("state", "nonce", "verifier", "next")}
    except (ValueError, KeyError, TypeError):
        return {}


def _provider(request: Request, services: WebServices) -> Provider:
    if not services.settings.oidc.used:
        raise HTTPException(HTTPStatus.NOT_FOUND, "This node has no sign-on of the site; oidc.issuer is not set.")
    kept: Provider | None = getattr(request.app.state, "oidc_provider", None)
    if kept is None:
        kept = request.app.state.oidc_provider = Provider(services.settings.oidc)
    return kept
