"""Records in the audit trail who saw or exported which study, image or list, and who was refused.

The record is written before the response begins: if it cannot be written, nothing is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from miqa_node.core.domain.access import NOBODY, Means, Permission, Principal
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.errors import ResourcesError
from miqa_node.interfaces.web.access import permission_of
from miqa_node.interfaces.web.page import Page, Trait, addresses_of, has_trait
from miqa_node.interfaces.web.problems import problem
from miqa_node.interfaces.web.security import proxy_of
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.people.audit.records import AuditEntry

_REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_FILES = ("text/csv", "application/pdf", "application/zip", "application/dicom")


class ReadRecorder:
    """ASGI middleware directly around the application. It records repeated views by the same person once per period."""

    def __init__(self, app: ASGIApp, pages: Sequence[Page]) -> None:
        self._app = app
        self._pages = {
            getattr(route, "path", "")
            for page in pages
            if not page.public
            for route in page.router.routes
            if permission_of(route) is not Permission.DISPLAY
        } - set(addresses_of(Trait.OWN_ACCOUNT))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, recording the view before its response begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_refused = False

        async def recording(message: Message) -> None:
            nonlocal is_refused
            if message["type"] == "http.response.start":
                entry = self._entry(scope, message)
                services: WebServices = scope["app"].state.services
                if entry is not None and services.views.is_new(entry):
                    try:
                        await run_in_threadpool(services.views.write, entry)
                    except ResourcesError:
                        is_refused = True
                        detail = "The audit trail cannot be written now; try again in a moment."
                        await problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)(scope, receive, send)
            if not is_refused:
                await send(message)

        await self._app(scope, receive, recording)

    def _entry(self, scope: Scope, message: Message) -> AuditEntry | None:
        who: Principal = scope.get("state", {}).get("who", NOBODY)
        route = getattr(scope.get("route"), "path", "")
        client, proxy = scope.get("client"), proxy_of(scope)
        common: dict[str, Any] = {
            "at": datetime.now(UTC),
            "actor": who.actor,
            "means": "" if who.means is Means.NOTHING else who.means.value,
            "peer": client[0] if client else "",
        }
        status = message["status"]
        if status in _REFUSALS:
            detail = {"what": f"{scope['method']} {route}".strip(), "reason": str(int(status))}
            return AuditEntry(AuditEvent.REFUSED, failed=True, detail=detail | proxy, **common)
        if status >= HTTPStatus.BAD_REQUEST or scope["method"] not in ("GET", "HEAD") or route not in self._pages:
            return None
        named: dict[str, str] = {key: str(value) for key, value in scope.get("path_params", {}).items()}
        if has_trait(route, Trait.TYPED_NAME):
            named = {}
        study, digest = named.pop("study_uid", ""), named.pop("digest", "") or named.pop("digest_or_uid", "")
        event = AuditEvent.LIST_SEEN
        if study:
            event = AuditEvent.IMAGE_SEEN if "instance_uid" in named else AuditEvent.STUDY_SEEN
        elif digest:
            event = AuditEvent.IMAGE_SEEN
        if has_trait(route, Trait.AUDIT_TRAIL):
            event = AuditEvent.AUDIT_SEEN
        if _is_file(Headers(raw=message["headers"])):
            event = AuditEvent.EXPORTED
        return AuditEntry(event, study=study, digest=digest, detail={"page": route, **named, **proxy}, **common)


def _is_file(headers: Headers) -> bool:
    kind = headers.get("content-type", "")
    return (
        kind.startswith(_FILES)
        or 'application/dicom"' in kind
        or "attachment" in headers.get("content-disposition", "")
    )
