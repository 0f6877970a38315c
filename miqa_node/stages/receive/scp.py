"""Listens for DICOM associations, and serves them or hands them on to further processes: where images come in."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from pynetdicom.association import Association

from miqa_node.core.domain.peers import plain_address
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.network.connections import connection_of
from miqa_node.core.network.server_tls import ServerTls, server_tls
from miqa_node.core.observe import metrics
from miqa_node.core.settings import DicomSettings, TlsMode
from miqa_node.stages.receive.admission import Called, Caller, Rejection, nobody
from miqa_node.stages.receive.associations import StorageAssociations
from miqa_node.stages.receive.commitment import Commitment
from miqa_node.stages.receive.identity import CheckPasscode, no_passcodes
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.pending import PendingConnections
from miqa_node.stages.receive.receivers.desk import Desk
from miqa_node.stages.receive.receivers.pool import Receivers
from miqa_node.stages.receive.seats import Seats
from miqa_node.stages.receive.servers import ListeningServer, PeerServer

log = structlog.get_logger(__name__)


class StorageScp(StorageAssociations):
    """The ports of a node, and the associations that its own process serves."""

    def __init__(
        self,
        settings: DicomSettings,
        intake: Intake,
        *,
        commitment: Commitment | None = None,
        fast: bool = True,
        called: Called = nobody,
        passcodes: CheckPasscode = no_passcodes,
        needed_bytes: Callable[[], int] = lambda: 0,
    ) -> None:
        """``needed_bytes`` of the disk must stay free."""
        super().__init__(settings, intake, commitment=commitment, fast=fast, passcodes=passcodes)
        self._called = called
        self._seats = Seats(self._admission)
        self.desk = Desk(
            intake, self._seats, called, passcodes, self._malformed, self._settle, commitment, needed_bytes
        )
        """What this process decides and records for all."""
        self._receivers: Receivers | None = None

    def hand_on_to(self, receivers: Receivers) -> None:
        """Have further processes serve associations. To be called before the start."""
        self._receivers = receivers
        self._intake.has_company = lambda: receivers.associations > 0

    def _open(self) -> None:
        """Bind the ports. Certificates are read first: an invalid one binds no port."""
        settings = self._settings
        tls = None if settings.tls is TlsMode.OFF else server_tls(settings)
        if self._receivers is not None:
            self._receivers.open()
        try:
            if settings.tls is not TlsMode.ONLY:
                self._listen("plain", settings.port, None)
            if tls is not None:
                self._listen("tls", settings.tls_port, tls)
        except OSError:
            for server in self._servers.values():
                server.server_close()
            self._servers = {}
            raise
        metrics.ASSOCIATIONS_OPEN.set_function(self._seats.count)
        for name, server in self._servers.items():
            port = server.server_address[1]
            log.info("listening", ae_title=settings.ae_title, host=settings.host, port=port, tls=name == "tls")

    def _listen(self, name: str, port: int, tls: ServerTls | None) -> None:
        server: Any = self._serve(
            name, ListeningServer, (self._settings.host, port),
            pending=PendingConnections(self._settings, self._admission, called=self._called),
            hand_over=partial(self._hand_over, is_tls=tls is not None),
        )  # fmt: skip
        server.tls = tls

    def _hand_over(self, connection: socket.socket, address: Any, *, is_tls: bool) -> bool:
        if self._receivers is None:
            return False
        own = sum(len(server.active_associations) for server in self._servers.values())
        return self._receivers.take(connection, address, own, is_tls=is_tls)

    @property
    def port(self) -> int:
        """The bound plain port, also if the settings ask for any free one; with tls = "only" the TLS port."""
        server = self._servers.get("plain")
        return self.tls_port if server is None and self._servers else self._bound(server, self._settings.port)

    @property
    def tls_port(self) -> int:
        """The bound port of DICOM over TLS."""
        return self._bound(self._servers.get("tls"), self._settings.tls_port)

    @staticmethod
    def _bound(server: PeerServer | None, otherwise: int) -> int:
        return otherwise if server is None else int(server.server_address[1])

    def stop(self, timeout_s: float | None = None) -> None:
        """Accept nothing more, let running C-STOREs finish within acse_timeout_s, and abort the rest."""
        if not self.threads:
            return
        limit_s = self._settings.acse_timeout_s if timeout_s is None else timeout_s
        deadline_s = time.monotonic() + limit_s + _END_S
        if self._receivers is not None:
            self._receivers.close()
        super().stop(limit_s)
        if self._receivers is not None:
            self._receivers.end(deadline_s)
        log.info("stopped listening", ae_title=self._settings.ae_title)

    def _seat(self, association: Association, caller: Caller) -> tuple[Rejection, str] | None:
        return self.desk.seat(connection_of(association), caller, association.is_alive)

    def _refuse(self, caller: Caller, rejection: Rejection, hint: str) -> None:
        self.desk.refuse(caller, rejection, hint)

    def _malformed(self, address: str, reason: str) -> None:
        is_tls = reason.startswith("TLS")
        self._called("", plain_address(address), reason, HINT_OF_TLS if is_tls else HINT_OF_MALFORMED)

    def _settle(self, connection: socket.socket) -> None:
        for server in self._servers.values():
            if isinstance(server, ListeningServer):
                server.pending.settle(connection)


_END_S = 3.0
"""Time beyond that of the objects under way in which a further process aborts its associations and ends."""

HINT_OF_MALFORMED = "look at its settings, and at the log of this node"
HINT_OF_TLS = Phrase(
    "its TLS settings and certificate do not fit this node's: compare them with dicom.tls_… and the port that it calls"
)
