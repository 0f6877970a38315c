"""Gives each connection of a peer to the association that pynetdicom makes of it."""

from __future__ import annotations

import gc
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from pynetdicom.transport import AssociationServer

from miqa_node.core.network.server_tls import ServerTls
from miqa_node.core.settings import DicomSettings
from miqa_node.stages.receive.pending import PendingConnections

log = structlog.get_logger(__name__)

_COLLECT_INTERVAL_S = 30.0

HandOver = Callable[[socket.socket, Any], bool]
"""Gives a connection and the address of its peer to another process; False if it is to be served here."""


class PeerServer(AssociationServer):
    """What the server that listens and those of further processes have in common."""

    def __init__(self, *arguments: Any, settings: DicomSettings, **keywords: Any) -> None:
        self._settings = settings
        self.beat: Callable[[], None] = lambda: None
        self._connections = 0
        self._collected_at = time.monotonic()
        super().__init__(*arguments, **keywords)

    def service_actions(self) -> None:
        """Free ended associations, whose reference cycles Python may not collect."""
        self.beat()
        if self._connections and time.monotonic() - self._collected_at >= _COLLECT_INTERVAL_S:
            self._connections, self._collected_at = 0, time.monotonic()
            gc.collect()

    def secured(self, connection: socket.socket, tls: ServerTls) -> socket.socket:
        """The connection with TLS. The library would do the handshake here, where one silent peer blocks all others."""
        secured = tls.current().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        secured.settimeout(self._settings.dimse_timeout_s)
        return secured

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log a connection of which no association could be made."""
        log.error("connection failed", peer=client_address[0])

    def shutdown(self) -> None:
        """Stop serving and close the socket that connections come from."""
        if self.socket is not None:
            with suppress(OSError):  # ends the wait for the next connection; not every system can
                self.socket.shutdown(socket.SHUT_RDWR)
        super(AssociationServer, self).shutdown()
        self.server_close()


class ListeningServer(PeerServer):
    """Accepts connections; those that never request an association cannot block others."""

    request_queue_size = 128

    def __init__(self, *arguments: Any, pending: PendingConnections, hand_over: HandOver, **keywords: Any) -> None:
        self.tls: ServerTls | None = None
        self.pending = pending
        self._hand_over = hand_over
        super().__init__(*arguments, **keywords)

    def server_bind(self) -> None:
        """Bind the port; with ``dicom.shared_port`` beside other processes of this user."""
        if self._settings.shared_port and self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        if self.socket is None:
            raise OSError("the server is closed")
        connection, address = self.socket.accept()
        self._connections += 1
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            _limit_silence(connection, self._settings.dimse_timeout_s)
            return connection, address
        return self.secured(connection, self.tls), address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Decide at once, by the address alone, whether to keep a connection."""
        try:
            return self.pending.admit(request, client_address[0])
        except OSError:  # already closed
            return False

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection here, unless another process takes it."""
        if not self._hand_over(request, client_address):
            super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Close late connections as well."""
        self.pending.close_late()
        super().service_actions()


def _limit_silence(connection: socket.socket, seconds: float) -> None:
    """Time out a peer that stops within a PDU; unlike settimeout this needs no further system calls."""
    interval = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, interval)
