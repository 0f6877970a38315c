"""Checks of every request before it reaches a page or the REST interface.

A browser is not trusted, since any page that it has open can send requests here; so the Host header must name this
node (DNS rebinding) and requests that change something must come from this node's own pages or from a program
(cross-site request forgery). Permissions are checked by web.access.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import WebSettings
from miqa_node.interfaces.web.media_types import CSV_TYPE, STOW_TYPE, UPLOAD_TYPE, content_type
from miqa_node.interfaces.web.page import Trait, has_trait
from miqa_node.interfaces.web.problems import answer_error

SECURITY_HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    # Not "no-referrer": browsers would then send "Origin: null" with our own forms.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
INLINE_PICTURES = SECURITY_HEADERS["content-security-policy"].replace("img-src 'self'", "img-src 'self' data:")
"""Content Security Policy of a page whose pictures stand in it, because nothing of them is stored."""
HSTS = "max-age=31536000"
"""Strict-Transport-Security (RFC 6797): for a year, browsers use TLS for the host name even for http links."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
SOCKET_PEER = "socket_peer"
"""Key of a request's state: the address that the connection comes from, whatever its headers claim."""
DICOMWEB = "/api/dicom-web/"
PREDICT = "/predict"


class RequestRefusal(HTTPException):
    """The request is refused; if the application has already started on it, it handles this as an HTTPException."""


class Guard:
    """ASGI middleware around the whole application; only the language is chosen before, for its refusals."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        public = urlsplit(settings.public_url)
        self._public_origin = f"{public.scheme}://{public.netloc}"
        self._host_names = {"localhost", socket.gethostname().lower(), *(h.lower() for h in settings.allowed_hosts)}
        if public.hostname:
            self._host_names.add(public.hostname)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with the reason for refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        # Not for localhost, where other programs are developed; browsers ignore it for bare addresses.
        is_secure = scope["scheme"] == "https" and _host_name(Headers(scope=scope).get("host", "")) != "localhost"

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _add_headers(MutableHeaders(scope=message))
                if is_secure:
                    MutableHeaders(scope=message)["strict-transport-security"] = HSTS
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, guarded_send)
        except RequestRefusal as refused:
            if started:
                raise
            await (await answer_error(Request(scope), refused))(scope, receive, guarded_send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers)
        if scope["method"] not in SAFE_METHODS:
            self._check_origin(scope, headers)
            _check_content_type(scope, headers)

    def _check_host(self, headers: Headers) -> None:
        name = _host_name(headers.get("host", ""))
        # An IP address cannot be rebound; only names can be made to resolve elsewhere.
        if name not in self._host_names and not _is_address(name):
            raise RequestRefusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                "This node does not answer to that host name. Add it to the setting web.allowed_hosts if it should.",
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        own = (f"{scope['scheme']}://{headers.get('host', '')}", self._public_origin)
        if site not in (None, "same-origin", "none") or (origin is not None and origin not in own):
            raise RequestRefusal(
                HTTPStatus.FORBIDDEN,
                "The request comes from another site's page. If this is the node's own page behind a proxy, name the "
                "proxy in web.trusted_proxies and the address that people use in web.public_url.",
            )


def _check_content_type(scope: Scope, headers: Headers) -> None:
    media_type = content_type(headers)
    if scope["path"].startswith("/api/"):
        # Pages of other sites need a CORS preflight to send this type, which always fails.
        # The same holds for the other two.
        is_stow = media_type == STOW_TYPE and scope["path"].startswith(DICOMWEB)
        is_table = media_type == CSV_TYPE and has_trait(scope["path"], Trait.CSV_BODY)
        if media_type != _JSON and not (is_stow or is_table):
            raise RequestRefusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Phrase("Send the body as {media_type}.", media_type=_JSON)
            )
    elif scope["path"] == PREDICT:
        # Programs send no Origin; browsers always do with a POST, and _check_origin has checked it.
        if media_type != UPLOAD_TYPE:
            raise RequestRefusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Phrase("Send the image as {media_type}.", media_type=UPLOAD_TYPE)
            )
    elif media_type == _FORM and "origin" not in headers and has_trait(scope["path"], Trait.SIGNED_FORM):
        return
    elif media_type not in (_FORM, UPLOAD_TYPE) or "origin" not in headers:
        raise RequestRefusal(HTTPStatus.FORBIDDEN, "Forms are only taken from this node's own pages.")


def _add_headers(headers: MutableHeaders) -> None:
    for name, value in SECURITY_HEADERS.items():
        if name != "content-security-policy" or headers.get(name) != INLINE_PICTURES:
            headers[name] = value
    headers.setdefault("cache-control", "no-store")


def _host_name(host: str) -> str:
    """Host name of a Host header, without port and brackets.

    >>> _host_name("LOCALHOST:8080"), _host_name("[::1]:8080"), _host_name("10.0.0.1")
    ('localhost', '::1', '10.0.0.1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def proxy_of(scope: Scope) -> dict[str, str]:
    """For the audit trail: the socket's own peer, if the request's headers claim another one."""
    peer, client = scope.get("state", {}).get(SOCKET_PEER), scope.get("client")
    return {"proxy": peer} if peer and client and client[0] != peer else {}


def is_loopback(address: str) -> bool:
    """Whether only this host can come from, or reach, the address."""
    return _is_address(address) and ip_address(address).is_loopback
