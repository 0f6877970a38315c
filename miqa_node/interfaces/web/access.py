"""Authentication of requests, and the permissions of their senders.

A route names its permission as the type of a parameter: ``who: Reader``. Without accounts, requests from this host may
do everything and others nothing. Once an account exists, everyone must sign in or send a token.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.types import Scope

from miqa_node.core.domain.access import NOBODY, Means, Permission, Principal, Role
from miqa_node.core.keys.secrets import new_secret
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import WebSettings
from miqa_node.interfaces.web.page import Trait, has_trait
from miqa_node.interfaces.web.recheck import recheck_time, rechecked
from miqa_node.interfaces.web.security import PREDICT, SAFE_METHODS, SOCKET_PEER, is_loopback
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.runtime.people import sessions, tokens, users

COOKIE = "miqa_session"
CSRF_HEADER = "x-csrf-token"

_PROXY_HEADERS = ("x-forwarded-for", "forwarded", "via", "x-real-ip")
_process_secret = new_secret()


def identify(request: Request, services: Services) -> Principal:
    """Who sent the request; HTTPException 401 for an invalid token."""
    principal: Principal | None = getattr(request.state, "who", None)
    if principal is not None:  # already identified by the gate
        return principal
    who = _identify(request, services)
    request.state.who = who
    return who


Who = Annotated[Principal, Depends(identify)]


class PermissionCheck:
    """A dependency that requires a permission."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def __call__(self, who: Who, services: Services) -> Principal:
        """The principal; HTTPException 401 or 403 without the permission."""
        if who.may(self.permission):
            return who
        if who.means is not Means.NOTHING:
            raise HTTPException(
                HTTPStatus.FORBIDDEN,
                Phrase(
                    "This needs the permission {permission}, which {name} has not. An administrator can change that.",
                    permission=self.permission.value,
                    name=who.name,
                ),
            )
        if not is_set_up(services):
            raise HTTPException(
                HTTPStatus.FORBIDDEN,
                "This node has no accounts yet and answers only to the host that it runs on. "
                "Open the set-up link that it printed, or wrote into its data_dir, when it started, "
                "or run miqa-node users add there.",
            )
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "Sign in, or show a token.", {"www-authenticate": "Bearer"})


Display = Annotated[Principal, Depends(PermissionCheck(Permission.DISPLAY))]
Reader = Annotated[Principal, Depends(PermissionCheck(Permission.READ))]
Reviewer = Annotated[Principal, Depends(PermissionCheck(Permission.REVIEW))]
Uploader = Annotated[Principal, Depends(PermissionCheck(Permission.UPLOAD))]
Admin = Annotated[Principal, Depends(PermissionCheck(Permission.ADMIN))]


async def check_csrf(request: Request, who: Who) -> None:
    """Refuse a change without proof that it comes from a page that this node served to this session.

    Requests with a token are exempt, because browsers never send a token by themselves. Without accounts the REST
    interface is protected by its content type and the Origin header alone (web.security).
    """
    if request.method in SAFE_METHODS or who.means in (Means.NOTHING, Means.TOKEN):
        return
    if who.means is Means.HOST and (request.url.path.startswith("/api/") or request.url.path == PREDICT):
        return
    token = request.headers.get(CSRF_HEADER) or (await _csrf_field(request))
    if not hmac.compare_digest(token.encode(), who.csrf.encode()):
        raise HTTPException(HTTPStatus.FORBIDDEN, "This page is out of date. Load it again and repeat what you did.")


def acting(who: Principal, actor: str) -> str:
    """The name that a change is recorded with.

    Accounts act under their own name. A program with a service account may state for whom it acts. Without accounts,
    people type their names.
    """
    actor = actor.strip()
    if who.means is Means.HOST:
        if not actor:
            why = "Say who does it: this node has no accounts."
            raise RequestValidationError([{"loc": ("body", "actor"), "type": "value_error", "ctx": {"error": why}}])
        return actor
    if not actor or actor == who.name:
        return who.name
    if who.role is Role.SERVICE:
        return f"{actor} via {who.name}"[:64]
    raise HTTPException(HTTPStatus.FORBIDDEN, Phrase("You are {name} and cannot act as somebody else.", name=who.name))


def is_set_up(services: WebServices) -> bool:
    """Whether people must sign in, i.e. accounts or a sign-on provider exist."""
    if services.settings.oidc.used:
        return True
    with services.database.begin() as transaction:
        return users.any_exists(transaction)


def from_this_host(scope: Scope, headers: dict[str, str], settings: WebSettings) -> bool:
    """Whether the request comes from the node's own host: over loopback, or from its own address.

    A forwarded request counts only if a proxy that is believed states the client (X-Forwarded-For, read by the server).
    """
    client, server = scope.get("client"), scope.get("server")
    peer = scope.get("state", {}).get(SOCKET_PEER, client[0] if client else "")
    stated = "x-forwarded-for" in headers and settings.is_proxy(peer)
    if not stated and any(name in headers for name in _PROXY_HEADERS):
        return False
    if client is None:  # a Unix socket: the file system controls access
        return True
    return is_loopback(client[0]) or (server is not None and client[0] == server[0])


def session_times(services: WebServices) -> dict[str, timedelta]:
    """How long sessions last."""
    access = services.settings.access
    return {
        "idle": timedelta(seconds=access.session_idle_s),
        "lifetime": timedelta(seconds=access.session_lifetime_s),
    }


def _identify(request: Request, services: WebServices) -> Principal:
    now = datetime.now(UTC)
    kind, _, shown = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return _bearer(services, shown.strip(), now)
    if (key := request.query_params.get("key")) and has_trait(request.url.path, Trait.KEY_IN_ADDRESS):
        return _bearer(services, key, now, only=Permission.DISPLAY)
    cookie = request.cookies.get(COOKIE)
    if cookie:
        with services.database.begin() as transaction:
            by_itself = has_trait(request.url.path, Trait.POLLED)
            confirmed = recheck_time(services.settings.oidc)
            session = sessions.find(
                transaction, cookie, now, confirmed=confirmed, by_itself=by_itself, **session_times(services)
            )
        if session is not None:
            session = rechecked(services, cookie, session, now)
        if session is not None:
            return Principal(Means.SESSION, session.name, session.role, session.role.permissions, _csrf(cookie))
    if from_this_host(request.scope, dict(request.headers), services.settings.web) and not is_set_up(services):
        return Principal(Means.HOST, "", Role.ADMIN, Role.ADMIN.permissions, _csrf(_process_secret))
    return NOBODY


def _bearer(services: WebServices, shown: str, now: datetime, only: Permission | None = None) -> Principal:
    with services.database.begin() as transaction:
        bearer = tokens.find(transaction, shown, now)
    if bearer is None:
        raise HTTPException(
            HTTPStatus.UNAUTHORIZED,
            "The token is unknown, revoked or too old. miqa-node users token makes a new one.",
            {"www-authenticate": 'Bearer error="invalid_token"'},
        )
    permissions = bearer.permissions if only is None else bearer.permissions & {only}
    return Principal(Means.TOKEN, bearer.name, bearer.role, permissions)


def _csrf(secret: str) -> str:
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def _csrf_field(request: Request) -> str:
    if not request.headers.get("content-type", "").startswith(_FORMS):
        return ""
    value = (await request.form()).get("csrf")
    return value if isinstance(value, str) else ""


def permission_of(route: Any) -> Permission | None:
    """The permission that a route requires; None if it requires none."""
    waiting: list[Any] = [route.dependant]
    while waiting:
        dependant = waiting.pop()
        call: Callable[..., Any] | None = dependant.call
        if isinstance(call, PermissionCheck):
            return call.permission
        waiting.extend(dependant.dependencies)
    return None
