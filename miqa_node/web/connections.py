"""The limits that every HTTP connection is under before anybody has signed in: number, time and speed.

uvicorn reads requests (its h11 protocol) and has no time limit except that of idle connections. Here each connection
says where it stands, and one sweep a second closes those that take too long. When there are too many connections,
those that have not sent a whole request make room for newer ones, the address with the most of them first.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from miqa_node.observe import metrics
from miqa_node.observe.seldom import SeldomLog
from miqa_node.settings import WebSettings

SWEEP_INTERVAL_S = 1.0
ADMITTED = "admitted"
"""Key of a request's state: its sender has shown a permission, so an unfinished body does not make room for others."""
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HttpProgress(StrEnum):
    """Where a connection stands."""

    REQUEST = "request"
    """No request has begun, or its head is not complete."""
    BODY = "body"
    """The node waits for more of a request's body."""
    ANSWER = "answer"
    """The client has an answer to read."""
    WORK = "work"
    """It is the node's turn."""


class LimitedHttp(H11Protocol):
    """A connection of uvicorn that knows how long it has stood where it stands."""

    room: HttpConnections
    """Set by a subclass for each server."""
    address: str = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class
        """Take a place; with TLS, shake hands first, which is under the time limit of a request."""
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
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
            self._handshake = self.loop.create_task(self._secure(self.room.tls))

    async def _secure(self, context: ssl.SSLContext) -> None:
        limit_s = self.room.settings.header_timeout_s
        try:
            secured = await self.loop.start_tls(
                self._raw, self, context, server_side=True, ssl_handshake_timeout=limit_s, ssl_shutdown_timeout=limit_s
            )
        except OSError:  # not TLS, or nothing in time
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
        """Count what comes; a request may be in the same packet as the end of TLS's handshake."""
        self._received_bytes += len(data)
        if self._ready:
            super().data_received(data)
        elif self._handshake is not None:
            self._early += data

    @property
    def progress(self) -> HttpProgress:
        """Where the connection stands now."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return HttpProgress.ANSWER if self._unread_bytes else HttpProgress.REQUEST
        if self.flow.write_paused:
            return HttpProgress.ANSWER
        # A client that asked whether to go on (Expect: 100-continue) waits for the node.
        waits_for_client = cycle.more_body and not self.flow.read_paused and not cycle.waiting_for_100_continue
        return HttpProgress.BODY if waits_for_client else HttpProgress.WORK

    @property
    def may_go(self) -> bool:
        """Whether it makes room for others: it has no request, or an unfinished one of nobody in particular."""
        if self.progress is HttpProgress.BODY:
            state: dict[str, Any] = self.scope.get("state", {})
            return not state.get(ADMITTED)
        return self.progress is HttpProgress.REQUEST

    def is_too_slow(self, now: float, settings: WebSettings) -> bool:
        """Whether it has overrun a limit; to be asked regularly."""
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
        """Since when it has stood where it stands, by the clock of the loop."""
        return self._stands_since

    def drop(self) -> None:
        """Close it at once, whatever is under way."""
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

    def __init__(self, settings: WebSettings, tls: ssl.SSLContext | None = None) -> None:
        self.settings = settings
        self.tls = tls
        self._open: set[LimitedHttp] = set()
        self._seldom = SeldomLog()
        self._sweeping = False

    def protocol(self) -> type[LimitedHttp]:
        """The class that uvicorn makes its connections of."""
        return type("LimitedHttpOfServer", (LimitedHttp,), {"room": self})

    def enter(self, new: LimitedHttp) -> bool:
        """Give a connection a place, if need be that of another one; False if there is none."""
        of_address = [one for one in self._open if one.address == new.address]
        has_its_share = len(of_address) >= self.settings.max_connections_per_address and not self._is_proxy(new.address)
        if has_its_share or len(self._open) >= self.settings.max_connections:
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
        """Its place, if it had one, is free."""
        self._open.discard(connection)

    def _victim(self, among: Iterable[LimitedHttp]) -> LimitedHttp | None:
        """Of the address with most connections, one without a whole request; the one that has stood still longest."""
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
        self._seldom.warning("connection closed", reason, address, hint)

    def _is_proxy(self, address: str) -> bool:
        """Whether the address is shared by many people."""
        try:
            peer = ip_address(address.partition("%")[0])
        except ValueError:  # a Unix socket
            return True
        return any(peer in network for network in self.settings.trusted_proxies)
