"""Connections without an association yet: which are admitted, and which are closed if there are too many.

An address is admitted or refused before anything is read from it, so unlisted hosts cannot take the places of listed
peers. If listed peers connect and send nothing, their oldest connections are closed for newer ones, so a modality gets
through despite any number of silent sockets.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from miqa_node.core.domain.peers import plain_address
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe import metrics
from miqa_node.core.observe.rare_log import RareLog
from miqa_node.core.settings import DicomSettings
from miqa_node.stages.receive.admission import Admission, Called, nobody

MARGIN_S = 1.0
"""Margin that lets pynetdicom's own timer (ARTIM, PS3.8 9.1.5) close silent connections first."""


class ConnectionRefusal(StrEnum):
    """Reason why a connection was closed before it became an association."""

    UNLISTED = "unlisted"
    CROWDED = "crowded"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class PendingConnection:
    """One connection without an association."""

    connection: socket.socket
    address: str
    since: float


class PendingConnections:
    """All pending connections of one listening port. Thread-safe."""

    def __init__(
        self,
        settings: DicomSettings,
        admission: Admission,
        clock: Callable[[], float] = time.monotonic,
        called: Called = nobody,
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._clock = clock
        self._lock = threading.Lock()
        self._open: list[PendingConnection] = []
        self._called = called
        self._rare_log = RareLog(clock)

    def admit(self, connection: socket.socket, peer_address: str) -> bool:
        """Whether to keep a newly accepted connection; older ones may be closed for it."""
        address = plain_address(peer_address)
        if not self._admission.lists(address, connection.getsockname()[0]):
            self._refuse(ConnectionRefusal.UNLISTED, address)
            return False
        with self._lock:
            self._forget_closed()
            victim = self._victim(address)
            if victim is not None:
                self._open.remove(victim)
            self._open.append(PendingConnection(connection, address, self._clock()))
        if victim is not None:
            _close(victim)
            self._refuse(ConnectionRefusal.CROWDED, victim.address)
        return True

    def settle(self, connection: socket.socket) -> None:
        """Remove a connection that has its association."""
        with self._lock:
            self._open = [one for one in self._open if one.connection is not connection]

    def close_late(self) -> None:
        """Close connections without an association after acse_timeout_s, even if they send data."""
        latest = self._clock() - self._settings.acse_timeout_s - MARGIN_S
        with self._lock:
            self._forget_closed()
            late = [one for one in self._open if one.since < latest]
            self._open = [one for one in self._open if one.since >= latest]
        for one in late:
            _close(one)
            self._refuse(ConnectionRefusal.LATE, one.address)

    def _victim(self, address: str) -> PendingConnection | None:
        """The address's own oldest connection if its share is used up; if all is full, that of the busiest address."""
        counts = Counter(one.address for one in self._open)
        if counts[address] < self._settings.max_associations_per_peer:
            if len(self._open) < self._settings.max_associations:
                return None
            address = counts.most_common(1)[0][0]
        return next(one for one in self._open if one.address == address)

    def _forget_closed(self) -> None:
        self._open = [one for one in self._open if one.connection.fileno() >= 0]

    def _refuse(self, why: ConnectionRefusal, address: str) -> None:
        metrics.CONNECTIONS_REFUSED.labels(why.value).inc()
        hint = _HINTS[why](address)
        self._called("", address, _WORDS[why], hint)
        self._rare_log.warning("connection refused", why.value, address, hint)


_HINTS: dict[ConnectionRefusal, Callable[[str], str]] = {
    ConnectionRefusal.UNLISTED: lambda address: Phrase(
        'if it is a peer, add "AET@{address}" to dicom.allowed_peers', address=address
    ),
    ConnectionRefusal.CROWDED: lambda _: Phrase("it opens connections without asking for an association"),
    ConnectionRefusal.LATE: lambda _: Phrase("it did not ask for an association within dicom.acse_timeout_s"),
}

_WORDS = {
    ConnectionRefusal.UNLISTED: Phrase("its address is on no entry of the list of peers"),
    ConnectionRefusal.CROWDED: Phrase("it holds too many connections without an association"),
    ConnectionRefusal.LATE: Phrase("it did not ask for an association in time"),
}


def _close(one: PendingConnection) -> None:
    """Shut the socket down, so its reading thread closes it; bypass TLS, whose state belongs to that thread."""
    with suppress(OSError):
        socket.socket.shutdown(one.connection, socket.SHUT_RDWR)
