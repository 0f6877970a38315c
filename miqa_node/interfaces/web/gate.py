"""Identifies the sender of a request before its body is read, and limits the size of the body.

FastAPI reads the body of a form before anything else. This middleware first checks the permission of the addressed page
from the headers alone, so nobody without it can make the node store anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.reject_log import MAX_LOG_BYTES
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import WebSettings
from miqa_node.errors import MiqaError
from miqa_node.interfaces.web.access import PermissionCheck, identify, permission_of
from miqa_node.interfaces.web.connections import ADMITTED
from miqa_node.interfaces.web.media_types import CSV_TYPE, STOW_TYPE, UPLOAD_TYPE, content_type
from miqa_node.interfaces.web.page import NO_PERMISSION_NAMED, Page
from miqa_node.interfaces.web.problems import answer_error
from miqa_node.interfaces.web.security import SAFE_METHODS
from miqa_node.interfaces.web.services import WebServices

MAX_REQUEST_BYTES = 1 << 16
"""Of a request that is no upload."""


class BodyGate:
    """ASGI middleware between the Guard and the application."""

    def __init__(self, app: ASGIApp, pages: Sequence[Page], settings: WebSettings) -> None:
        self._app = app
        self._routes = [(route, page) for page in pages for route in page.router.routes]
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer without reading more of it."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            permission = await self._admit(request)
            limit = self._limit(scope, permission)
        except (HTTPException, MiqaError) as refusal:
            await (await answer_error(request, refusal))(scope, receive, send)
            return
        await self._app(scope, _limited(receive, *limit), send)

    async def _admit(self, request: Request) -> Permission | None:
        """The permission that the request needs and has; None if it needs none or has no route."""
        match = self._route_of(request.scope)
        if match is None:
            return None
        route, page = match
        permission = permission_of(route) or page.permission
        if permission is None:
            if not page.public:
                raise HTTPException(HTTPStatus.FORBIDDEN, NO_PERMISSION_NAMED)
            return None
        services: WebServices = request.app.state.services
        who = await run_in_threadpool(identify, request, services)
        await run_in_threadpool(PermissionCheck(permission), who, services)
        request.scope["state"][ADMITTED] = True
        return permission

    def _route_of(self, scope: Scope) -> tuple[BaseRoute, Page] | None:
        return next((pair for pair in self._routes if pair[0].matches(scope)[0] is Match.FULL), None)

    def _limit(self, scope: Scope, permission: Permission | None) -> tuple[int, str]:
        """The maximum size of the body in bytes, and in words; HTTPException 413 if it is announced to be larger."""
        headers = Headers(scope=scope)
        limit, setting = MAX_REQUEST_BYTES, ""
        if permission is Permission.UPLOAD and content_type(headers) in (UPLOAD_TYPE, STOW_TYPE, CSV_TYPE):
            limit, setting = self._settings.max_upload_bytes, "web.max_upload_bytes"
        if content_type(headers) == CSV_TYPE:  # it is read into memory
            limit = min(limit, MAX_LOG_BYTES)
        name = f"{setting} ({limit})" if setting else f"{limit} bytes"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            raise _too_large(name)
        return limit, name


def _limited(receive: Receive, budget: int, name: str) -> Receive:
    async def limited() -> Message:
        nonlocal budget
        message = await receive()
        budget -= len(message.get("body", b""))
        if budget < 0:
            raise _too_large(name)
        return message

    return limited


def _too_large(name: str) -> HTTPException:
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Phrase("The body is larger than {name}.", name=name))
