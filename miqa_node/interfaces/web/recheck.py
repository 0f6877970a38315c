"""Checks people who signed on at the site's provider again, so that a role lost there is lost here.

After half of ``oidc.recheck_s``, a request triggers a check with the provider; a session unconfirmed for the whole time
ends (runtime/people/sessions.py). So a short outage of the provider disturbs nobody, and a long one ends all its
sessions. The refresh token is stored encrypted, and only the browser's cookie has the key.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from cryptography.fernet import Fernet, InvalidToken

from miqa_node.core.settings import OidcSettings
from miqa_node.errors import AccessError, UnansweredError
from miqa_node.interfaces.web.oidc import role_of
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.people import accounts, sessions, users
from miqa_node.runtime.people.sessions import SignedInSession

PROVIDER = "the site's sign-on"
"""The actor in the history of an account."""
ASK_AGAIN = timedelta(seconds=30)
"""Pause between two checks of a session while the provider does not answer."""

log = structlog.get_logger(__name__)


def recheck_time(settings: OidcSettings) -> timedelta:
    """How long a confirmation by the provider is valid."""
    return timedelta(seconds=settings.recheck_s)


def rechecked(services: WebServices, cookie: str, session: SignedInSession, now: datetime) -> SignedInSession | None:
    """The session with the current role; None if it ended."""
    settings = services.settings.oidc
    if session.checked_at is None or not session.sealed or now - session.checked_at < recheck_time(settings) / 2:
        return session
    with services.database.begin() as transaction:
        if not sessions.take_check(transaction, cookie, now, ASK_AGAIN):
            return session
        subject = users.load(transaction, session.name).subject or ""
    try:
        sign_on = services.provider.renew(_opened(cookie, session.sealed), subject)
    except UnansweredError as error:
        log.warning("the sign-on of an account waits to be confirmed", account=session.name, reason=str(error))
        return session
    except AccessError as error:
        log.info("session ended by the site's sign-on", account=session.name, reason=str(error))
        with services.database.begin() as transaction:
            sessions.end(transaction, cookie, now, "", means="oidc")
        return None
    role = role_of(sign_on.claims, settings)
    with services.database.begin() as transaction:
        if role is None:
            accounts.sign_out(transaction, session.name, PROVIDER, now)
            return None
        accounts.follow_role(transaction, users.load(transaction, session.name), role, PROVIDER, now)
        sessions.confirm(transaction, cookie, sealed(cookie, sign_on.refresh_token), now)
    return replace(session, role=role)


def sealed(cookie: str, refresh_token: str) -> str:
    """A refresh token as it is stored; empty if there is none."""
    return _key(cookie).encrypt(refresh_token.encode()).decode() if refresh_token else ""


def _opened(cookie: str, stored: str) -> str:
    try:
        return _key(cookie).decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise AccessError("The stored refresh token cannot be read.") from error


def _key(cookie: str) -> Fernet:
    """The cookie has 256 random bits, so a plain hash of it, different from the stored one, serves as the key."""
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"refresh token {cookie}".encode()).digest()))
