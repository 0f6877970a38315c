"""The site's OpenID Connect provider: authorization code flow with PKCE, renewal, and back-channel logout.

OpenID Connect Core 1.0 and Back-Channel Logout 1.0; PyJWT checks signatures and registered claims.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import httpx2
import jwt
import structlog

from miqa_node.core.domain.access import Role
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import OidcSettings
from miqa_node.errors import AccessError, UnansweredError

log = structlog.get_logger(__name__)

TIMEOUT_S = 10.0
KEEP_KEYS_S = 3600.0
REFETCH_KEYS_S = 30.0
"""Minimum time between reloads of the provider's keys, which an unknown key triggers."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with public keys only; with shared keys, anyone who knows the client's secret could sign."""
CLOCK_LEEWAY_S = 60
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_REGISTERED = ["exp", "iat", "aud", "iss"]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The provider's discovery document and keys; ``user`` is empty without a userinfo endpoint."""

    authorize: str
    token: str
    user: str
    keys: Mapping[str, jwt.PyJWK]
    read_at: float


@dataclass(frozen=True, slots=True)
class SignOn:
    """The claims about a person, and the refresh token; empty if the provider issues none."""

    claims: Mapping[str, Any]
    refresh_token: str

    @property
    def subject(self) -> str:
        """Issuer and subject, the identity of the account."""
        return subject_of(self.claims)

    @property
    def sid(self) -> str:
        """The provider's session identifier; empty if it gives none."""
        return str(self.claims.get("sid") or "")


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """A sign-out at the provider: a subject, one of its sessions, or both; a missing one is empty."""

    subject: str
    sid: str
    at: datetime


class Provider:
    """One provider; its addresses and keys are read on first use."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._endpoints: Endpoints | None = None

    def authorize_address(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """The address that the browser is redirected to."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._known().authorize}?{urlencode(query)}"

    def redeem(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> SignOn:
        """Redeem a code for the sign-on; AccessError if the provider's answer cannot be trusted."""
        answer = self._tokens(
            grant_type="authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier
        )
        claims = self._verified(str(answer.get("id_token", "")))
        if claims.get("nonce") != nonce:
            raise AccessError("The provider's ID token is not the answer to this sign-on.")
        return SignOn(claims, str(answer.get("refresh_token") or ""))

    def renew(self, refresh_token: str, subject: str) -> SignOn:
        """The provider's current claims about a person (OpenID Connect Core 12).

        Raises
        ------
        UnansweredError
            The provider is unavailable.
        AccessError
            The provider no longer confirms the person.
        """
        answer = self._tokens(grant_type="refresh_token", refresh_token=refresh_token)
        if answer.get("id_token"):
            claims = self._verified(str(answer["id_token"]))
        elif self._known().user:
            headers = {"authorization": f"Bearer {answer.get('access_token', '')}"}
            claims = {"iss": self._settings.issuer, **self._ask("GET", self._known().user, headers=headers)}
        else:
            claims = {}
        if "sub" not in claims:
            raise AccessError("The provider renews sign-ons without saying for whom.")
        if subject_of(claims) != subject:
            raise AccessError("The provider renewed the sign-on of another person.")
        return SignOn(claims, str(answer.get("refresh_token") or refresh_token))

    def logout_notice(self, logout_token: str) -> LogoutNotice:
        """The content of a logout token (Back-Channel Logout 1.0, 2.6); AccessError if it is not valid."""
        claims = self._decoded(logout_token, "logout token", [*_REGISTERED, "jti"])
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
            raise AccessError("The token is not a logout token.")
        if "nonce" in claims:  # an ID token
            raise AccessError("A logout token has no nonce.")
        sid, has_subject = str(claims.get("sid") or ""), bool(claims.get("sub"))
        if not sid and not has_subject:
            raise AccessError("The logout token says neither who nor which session.")
        return LogoutNotice(subject_of(claims) if has_subject else "", sid, datetime.fromtimestamp(claims["iat"], UTC))

    def _tokens(self, **form: str) -> dict[str, Any]:
        form["client_id"] = self._settings.client_id
        if secret := self._settings.client_secret.get_secret_value():
            form["client_secret"] = secret
        return self._ask("POST", self._known().token, data=form)

    def _verified(self, id_token: str) -> dict[str, Any]:
        claims = self._decoded(id_token, "ID token", [*_REGISTERED, "sub"])
        if claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise AccessError("The provider's ID token was made for another client.")
        return claims

    def _decoded(self, token: str, what: str, required: list[str]) -> dict[str, Any]:
        try:
            key = self._key(str(jwt.get_unverified_header(token).get("kid", "")), what)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._settings.client_id,
                issuer=self._settings.issuer,
                leeway=CLOCK_LEEWAY_S,
                options={"require": required},
            )
        except jwt.PyJWTError as error:
            raise AccessError(
                "The provider's {what} is not valid: {name}.", what=Phrase(what), name=type(error).__name__
            ) from error
        return claims

    def _key(self, kid: str, what: str) -> jwt.PyJWK:
        keys = self._known()
        if kid not in keys.keys and time.monotonic() - keys.read_at > REFETCH_KEYS_S:
            keys = self._known(renew=True)
        if kid in keys.keys:
            return keys.keys[kid]
        if not kid and len(keys.keys) == 1:
            return next(iter(keys.keys.values()))
        raise AccessError(
            "The provider's {what} is signed with a key that the provider does not publish.", what=Phrase(what)
        )

    def _known(self, *, renew: bool = False) -> Endpoints:
        with self._lock:
            endpoints = self._endpoints
            if endpoints is None or renew or time.monotonic() - endpoints.read_at > KEEP_KEYS_S:
                endpoints = self._endpoints = self._discover()
            return endpoints

    def _discover(self) -> Endpoints:
        issuer = self._settings.issuer
        document = self._ask("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != issuer:
            raise UnansweredError("The provider calls itself by another name than oidc.issuer.")
        try:
            keys = {
                str(key.key_id or ""): key
                for key in jwt.PyJWKSet.from_dict(self._ask("GET", str(document["jwks_uri"]))).keys
                if key.public_key_use in (None, "sig")
            }
            authorize, token = str(document["authorization_endpoint"]), str(document["token_endpoint"])
        except (KeyError, jwt.PyJWTError) as error:
            raise UnansweredError("The provider's discovery document or keys cannot be understood.") from error
        return Endpoints(authorize, token, str(document.get("userinfo_endpoint") or ""), keys, time.monotonic())

    def _ask(
        self,
        method: str,
        address: str,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        sent = {"accept": "application/json", **(headers or {})}
        try:
            answer = httpx2.request(method, address, data=data, timeout=TIMEOUT_S, headers=sent)
            answer.raise_for_status()
            document = answer.json()
        except httpx2.HTTPStatusError as error:
            message = f"The site's sign-on refuses (HTTP {error.response.status_code})."
            refuses = data is not None or headers is not None
            if refuses and error.response.status_code in _REFUSALS:
                raise AccessError(message) from error
            raise UnansweredError(message) from error
        except (httpx2.HTTPError, ValueError) as error:
            raise UnansweredError(
                "The site's sign-on does not answer as it should ({name}).", name=type(error).__name__
            ) from error
        if not isinstance(document, dict):
            raise UnansweredError("The site's sign-on does not answer as it should.")
        return document


_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
"""Statuses that reject a grant or an access token (RFC 6749 5.2, RFC 6750 3.1); any other is a fault of the
provider."""


MAX_LOGGED = 20
"""Groups that a log names."""


def subject_of(claims: Mapping[str, Any]) -> str:
    """Issuer and subject of claims."""
    return f"{claims['iss']} {claims['sub']}"


def role_of(claims: Mapping[str, Any], settings: OidcSettings) -> Role | None:
    """The highest role granted by the values of the role claim; None if there is none.

    Groups may be written as paths: a leading slash, as Keycloak's, does not matter.
    """
    claim = claim_of(claims, settings.role_claim)
    words = [claim] if isinstance(claim, str) else [str(word) for word in claim] if isinstance(claim, list) else []
    granted = {word.removeprefix("/") for word in words}
    for role, groups in (
        (Role.ADMIN, settings.admins),
        (Role.REVIEWER, settings.reviewers),
        (Role.VIEWER, settings.viewers),
    ):
        if granted & {group.removeprefix("/") for group in groups}:
            return role
    return None


def claim_of(claims: Mapping[str, Any], name: str) -> Any:
    """The value of a claim, or of one in others: ``realm_access.roles``; None if there is none.

    >>> claim_of({"realm_access": {"roles": ["a"]}}, "realm_access.roles"), claim_of({"a.b": "c"}, "a.b")
    (['a'], 'c')
    """
    if name in claims:
        return claims[name]
    outer, dot, inner = name.partition(".")
    nested = claims.get(outer)
    return claim_of(nested, inner) if dot and isinstance(nested, Mapping) else None


def why_no_role(claims: Mapping[str, Any], settings: OidcSettings) -> dict[str, object]:
    """For the log: the claim that was read, what came in it, and what grants a role; nothing that names the person."""
    came = claim_of(claims, settings.role_claim)
    why: dict[str, object] = {"role_claim": settings.role_claim}
    if came is None and "groups" in (claims.get("_claim_names") or ()):
        why["came"] = "nothing: the provider left the groups out, too many for a token (_claim_names); send app roles"
    elif came is None:
        why["came"] = f"nothing; claims are {', '.join(sorted(map(str, claims)))}"
    else:
        why["came"] = [str(word)[:64] for word in (came if isinstance(came, list) else [came])][:MAX_LOGGED]
    return why
