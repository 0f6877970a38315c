"""The site's OpenID Connect provider: the authorization code flow of OpenID Connect Core 1.0 with PKCE."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import httpx2
import jwt
import structlog

from miqa_node.errors import AccessError
from miqa_node.settings import OidcSettings

log = structlog.get_logger(__name__)

KEEP_KEYS_S = 3600.0
REFETCH_KEYS_S = 30.0
"""A key that is not known makes the keys be read again, but not more often than this."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with public keys only; with shared keys, anyone who knows the client's secret could sign."""
CLOCK_LEEWAY_S = 60


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The provider's discovery document and keys."""

    authorize: str
    token: str
    keys: Mapping[str, jwt.PyJWK]
    read_at: float


class Provider:
    """One provider; its addresses and keys are read on first use."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._endpoints: Endpoints | None = None

    def authorize_address(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """The address that the browser is redirected to."""
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
        """The claims about the person who brought the code; AccessError if they cannot be trusted."""
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
