"""HTTP features of all DICOMweb addresses: CORS for the origins in ``web.cors_origins``, OPTIONS and HEAD.

Read access only, and only with a token that the page sends itself: this node's cookies are never accepted cross-origin.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from miqa_node.core.settings import WebSettings
from miqa_node.interfaces.web.security import DICOMWEB

METHODS = "GET, HEAD, OPTIONS"
_STORES = re.compile(re.escape(DICOMWEB) + r"studies(/[^/]+)?/?")
"""The addresses of STOW-RS, which CORS does not open to other sites."""
REQUEST_HEADERS = "accept, authorization, content-type, if-none-match"
ANSWER_HEADERS = "etag, warning, retry-after"
MAX_AGE_S = 600
"""How long a browser may cache a preflight answer."""


class CrossOrigin:
    """ASGI middleware between the Guard and the application; it passes addresses outside DICOMweb unchanged."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._origins = {origin.lower() for origin in settings.cors_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer OPTIONS, and HEAD as GET without a body; add CORS headers for a listed origin."""
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(DICOMWEB):
            await self._app(scope, receive, send)
            return
        origin = Headers(scope=scope).get("origin", "")
        is_listed = origin.lower() in self._origins
        is_head = scope["method"] == "HEAD"

        async def marked_send(message: Message) -> None:
            if is_head:
                scope["method"] = "HEAD"  # in the server's form
                message = {**message, "body": b""} if message["type"] == "http.response.body" else message
            if message["type"] == "http.response.start" and self._origins:
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if is_listed:
                    headers["access-control-allow-origin"] = origin
                    headers["access-control-expose-headers"] = ANSWER_HEADERS
            await send(message)

        asks_what_there_is = (
            scope["method"] == "OPTIONS"
            and f"{scope['path'].rstrip('/')}/" == DICOMWEB
            and "access-control-request-method" not in Headers(scope=scope)
        )
        if asks_what_there_is:
            scope["path"], scope["raw_path"] = DICOMWEB, DICOMWEB.encode()
        if scope["method"] != "OPTIONS" or asks_what_there_is:
            scope["method"] = "GET" if is_head or asks_what_there_is else scope["method"]
            await self._app(scope, receive, marked_send)
            return
        allowed = f"{METHODS}, POST" if _STORES.fullmatch(scope["path"]) else METHODS
        answer = Response(status_code=HTTPStatus.NO_CONTENT, headers={"allow": allowed})
        if is_listed:
            answer.headers["access-control-allow-methods"] = METHODS
            answer.headers["access-control-allow-headers"] = REQUEST_HEADERS
            answer.headers["access-control-max-age"] = str(MAX_AGE_S)
        await answer(scope, receive, marked_send)
