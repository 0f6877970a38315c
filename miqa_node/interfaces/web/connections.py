"""Limits of HTTP connections that apply before anybody has signed in: number, time and speed.

uvicorn reads requests (its h11 protocol) and has no time limit except for idle connections. Here each connection
reports its progress, and one sweep per second closes those that take too long. If there are too many, connections
without a complete request are closed in favour of new ones, starting with the address that has most.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from miqa_node.core.network.server_tls import ServerTls
from miqa_node.core.observe import metrics
from miqa_node.core.observe.rare_log import RareLog
from miqa_node.core.settings import WebSettings
from miqa_node.interfaces.web.security import SOCKET_PEER

SWEEP_INTERVAL_S = 1.0
ADMITTED = "admitted"
"""Key of a request's state: its sender has a permission, so the connection is not closed in favour of others."""
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HttpProgress(StrEnum):
    """The progress of a connection."""

    REQUEST = "request"
    """No request has begun, or its head is not complete."""
    BODY = "body"
    """The node waits for more of a request's body."""
    ANSWER = "answer"
    """The client is reading the answer."""
    WORK = "work"
    """The node is working on the answer."""


class LimitedHttp(H11Protocol):
    """A connection of uvicorn that knows its progress and how long it has been there."""

    room: HttpConnections
    """Set by a subclass for each server."""
    address: str = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class
        """Take a place; with TLS, do the handshake first, within the time limit of a request."""
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        self.app_state = {**self.app_state, SOCKET_PEER: self.address}
        self._raw = transport
        self._ready = False
        self._handshake: asyncio.Task[None] | None = None
        self._received_bytes = 0
        self._early = bytearray()
        self._stand(HttpProgress.REQUEST, self.loop.time())
        if not self.room.enter(self):
            if self.room.tls is None:
                transport.write(_BUSY)
            transport.close()
        elif self.room.tls is None:
            self._ready = True
            super().connection_made(transport)
        else:
            transport.pause_reading()
            self._handshake = self.loop.create_task(self._secure(self.room.tls.current()))

    async def _secure(self, context: ssl.SSLContext) -> None:
        limit_s = self.room.settings.header_timeout_s
        try:
            secured = await self.loop.start_tls(
                self._raw, self, context, server_side=True, ssl_handshake_timeout=limit_s, ssl_shutdown_timeout=limit_s
            )
        except OSError:  # not TLS, or too late
            self.drop()
            return
        if secured is not None:
            self._ready = True
            super().connection_made(secured)
            if self._early:
                super().data_received(bytes(self._early))

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the place."""
        self.room.leave(self)
        if self._ready:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count received bytes; a request may be in the same packet as the end of the TLS handshake."""
        self._received_bytes += len(data)
        if self._ready:
            super().data_received(data)
        elif self._handshake is not None:
            self._early += data

    @property
    def progress(self) -> HttpProgress:
        """The progress of the connection now."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return HttpProgress.ANSWER if self._unread_bytes else HttpProgress.REQUEST
        if self.flow.write_paused:
            return HttpProgress.ANSWER
        # A client that sent Expect: 100-continue waits for the node.
        waits_for_client = cycle.more_body and not self.flow.read_paused and not cycle.waiting_for_100_continue
        return HttpProgress.BODY if waits_for_client else HttpProgress.WORK

    @property
    def may_go(self) -> bool:
        """Whether it may be closed in favour of others: it has no request, or an incomplete one without permission."""
        if self.progress is HttpProgress.BODY:
            state: dict[str, Any] = self.scope.get("state", {})
            return not state.get(ADMITTED)
        return self.progress is HttpProgress.REQUEST

    def is_too_slow(self, now: float, settings: WebSettings) -> bool:
        """Whether it has exceeded a limit; called regularly."""
        stands = self.progress
        if stands is not self._stood or stands is HttpProgress.WORK:
            self._stand(stands, now)
            return False
        stood_s = now - self._stands_since
        if stands is HttpProgress.REQUEST:
            return stood_s > settings.header_timeout_s
        if stood_s < settings.stall_timeout_s:
            return False
        received, read = self._received_bytes - self._received_before, self._unread_before - self._unread_bytes
        moved = received if stands is HttpProgress.BODY else read
        self._stand(stands, now)
        return moved < settings.min_bytes_per_s * stood_s

    @property
    def stands_since(self) -> float:
        """The start of the current progress state, by the loop's clock."""
        return self._stands_since

    def drop(self) -> None:
        """Close it at once, in any state."""
        self.room.leave(self)
        if self._handshake is not None and not self._ready:
            self._handshake.cancel()
        self._raw.abort()

    def on_response_complete(self) -> None:
        """The time for the next request begins."""
        self._stand(HttpProgress.REQUEST, self.loop.time())
        super().on_response_complete()

    @property
    def _unread_bytes(self) -> int:
        return self.transport.get_write_buffer_size() if self._ready else 0

    def _stand(self, stands: HttpProgress, now: float) -> None:
        self._stood, self._stands_since = stands, now
        self._received_before, self._unread_before = self._received_bytes, self._unread_bytes


class HttpConnections:
    """All connections of one server. It lives in the server's event loop and needs no lock."""

    def __init__(self, settings: WebSettings, tls: ServerTls | None = None) -> None:
        self.settings = settings
        self.tls = tls
        self._open: set[LimitedHttp] = set()
        self._rare_log = RareLog()
        self._sweeping = False

    def protocol(self) -> type[LimitedHttp]:
        """The protocol class for uvicorn's connections."""
        return type("LimitedHttpOfServer", (LimitedHttp,), {"room": self})

    def enter(self, new: LimitedHttp) -> bool:
        """Give a connection a place, if necessary that of another one; False if there is none."""
        of_address = [one for one in self._open if one.address == new.address]
        settings = self.settings
        has_its_share = len(of_address) >= settings.max_connections_per_address and not settings.is_proxy(new.address)
        if has_its_share or len(self._open) >= settings.max_connections:
            victim = self._victim(of_address if has_its_share else self._open)
            self._count("crowded", (victim or new).address, "see web.max_connections and max_connections_per_address")
            if victim is None:
                return False
            victim.drop()
        self._open.add(new)
        if not self._sweeping:
            self._sweeping = True
            new.loop.call_later(SWEEP_INTERVAL_S, self._sweep, new.loop)
        return True

    def leave(self, connection: LimitedHttp) -> None:
        """Free its place, if it had one."""
        self._open.discard(connection)

    def _victim(self, among: Iterable[LimitedHttp]) -> LimitedHttp | None:
        """A connection to close, of the address with most: the longest idle one without a complete request."""
        counts = Counter(one.address for one in self._open)
        candidates = [one for one in among if one.may_go]
        return min(candidates, key=lambda one: (-counts[one.address], one.stands_since), default=None)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for one in [each for each in self._open if each.is_too_slow(now, self.settings)]:
            self._count("slow", one.address, "see web.header_timeout_s, stall_timeout_s and min_bytes_per_s")
            one.drop()
        self._sweeping = bool(self._open)
        if self._sweeping:
            loop.call_later(SWEEP_INTERVAL_S, self._sweep, loop)

    def _count(self, reason: str, address: str, hint: str) -> None:
        metrics.HTTP_CLOSED.labels(reason).inc()
        self._rare_log.warning("connection closed", reason, address, hint)
