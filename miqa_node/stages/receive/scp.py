"""Listens for DICOM associations and receives objects by C-STORE: the first step for every image."""

from __future__ import annotations

import gc
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

import pynetdicom
import structlog
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import SOPClassCommonExtendedNegotiation
from pynetdicom.transport import AssociationServer

from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.core.domain.peers import plain_address
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.network.connections import connection_of
from miqa_node.core.network.server_tls import ServerTls, server_tls
from miqa_node.core.observe import metrics
from miqa_node.core.observe.alerts import ALERTS
from miqa_node.core.observe.steady_thread import SteadyThread, start_brief_thread
from miqa_node.core.settings import DicomSettings, TlsMode
from miqa_node.libraries.pynetdicom_streaming import SteadyHandler, is_available, request_handler
from miqa_node.stages.receive import contexts
from miqa_node.stages.receive.admission import Admission, Called, Caller, Rejection, nobody
from miqa_node.stages.receive.commitment import Commitment
from miqa_node.stages.receive.identity import CheckPasscode, UserIdentities, identified, no_passcodes
from miqa_node.stages.receive.incoming import StoreRequest
from miqa_node.stages.receive.intake import Intake, StoreResponse, Transfer
from miqa_node.stages.receive.peers import ae_titles_of
from miqa_node.stages.receive.pending import PendingConnections
from miqa_node.stages.receive.statuses import SUCCESS

log = structlog.get_logger(__name__)

# pynetdicom's own log handlers format every PDU even if nothing logs them.
_config.LOG_HANDLER_LEVEL = "none"


class StorageScp:
    """C-STORE, C-ECHO and storage commitment SCP. Answers 0x0000 only after ``intake`` has kept the object.

    Objects go through ``intake``, from several threads at the same time. Without ``fast``, or with an untested
    pynetdicom version, its own handler receives objects: slower, same results.
    """

    def __init__(
        self,
        settings: DicomSettings,
        intake: Intake,
        *,
        commitment: Commitment | None = None,
        fast: bool = True,
        called: Called = nobody,
        passcodes: CheckPasscode = no_passcodes,
    ) -> None:
        self._settings, self._intake = settings, intake
        self._identities = UserIdentities(settings.user_identity, passcodes)
        self._called, self._commitment = called, commitment
        self._admission = Admission(settings)
        self._fast = fast and is_available()
        if fast and not self._fast:
            version = pynetdicom.__version__
            log.warning("this version of pynetdicom is received from without the fast path", version=version)
        self._servers: dict[str, _Server] = {}
        self.threads: list[SteadyThread] = []
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._admitted: list[Association] = []

    def start(self) -> None:
        """Bind the ports and serve, each in its own thread; OSError if a port is taken."""
        settings = self._settings
        # Certificates are read first: an invalid one binds no port.
        tls = None if settings.tls is TlsMode.OFF else server_tls(settings)
        ae = AE(settings.ae_title)
        ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        ae.maximum_pdu_size = settings.maximum_pdu_size
        ae.acse_timeout = settings.acse_timeout_s
        ae.dimse_timeout = settings.dimse_timeout_s
        ae.network_timeout = settings.network_timeout_s
        ae.maximum_associations = _NO_LIMIT  # checked in _admit, where silent connections do not count
        ae.add_supported_context(contexts.VERIFICATION)
        self._stopping.clear()
        self._intake.open()
        try:
            if settings.tls is not TlsMode.ONLY:
                self._listen(ae, "plain", settings.port, None)
            if tls is not None:
                self._listen(ae, "tls", settings.tls_port, tls)
        except OSError:
            for server in self._servers.values():
                server.server_close()
            self._servers = {}
            raise
        metrics.ASSOCIATIONS_OPEN.set_function(self._count_open)
        for name, server in self._servers.items():
            thread = SteadyThread(f"storage-scp-{name}", partial(server.serve_forever, _POLL_S), _STUCK_AFTER_S)
            server.beat = thread.beat
            self.threads.append(thread)
            thread.start()
            port = server.server_address[1]
            log.info("listening", ae_title=settings.ae_title, host=settings.host, port=port, tls=name == "tls")

    def _listen(self, ae: AE, name: str, port: int, tls: ServerTls | None) -> None:
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._admit),
            (evt.EVT_SOP_COMMON, _treat_as_storage),
            (evt.EVT_SOP_EXTENDED, _storage_level),
            (evt.EVT_USER_ID, self._identities.answer),
            (evt.EVT_CONN_CLOSE, _end_waiting),
            (evt.EVT_C_ECHO, lambda _: SUCCESS),
            (evt.EVT_C_STORE, self._store),
        ]
        if self._commitment is not None:
            handlers += [
                (evt.EVT_N_ACTION, self._commitment.on_action),
                (evt.EVT_N_EVENT_REPORT, self._commitment.on_event_report),
                (evt.EVT_DIMSE_SENT, self._commitment.on_sent),
            ]
        server: Any = ae.make_server(
            (self._settings.host, port),
            evt_handlers=handlers,
            server_class=_Server,
            settings=self._settings,
            pending=PendingConnections(self._settings, self._admission, called=self._called),
            request_handler=self._handler(),
        )
        server.tls = tls
        self._servers[name] = server

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
    def _bound(server: _Server | None, otherwise: int) -> int:
        return otherwise if server is None else int(server.server_address[1])

    def stop(self, timeout_s: float | None = None) -> None:
        """Accept nothing more, let running C-STOREs finish within acse_timeout_s, and abort the rest."""
        servers = list(self._servers.values())
        if not self.threads:
            return
        limit_s = self._settings.acse_timeout_s if timeout_s is None else timeout_s
        self._stopping.set()
        self._intake.close()
        for thread in self.threads:
            thread.stopping.set()
        for server in servers:
            server.shutdown()
        for thread in self.threads:
            thread.stop()
        if not self._intake.finish(limit_s):
            log.warning("objects still arriving at shutdown are dropped; their senders got no answer")
        if not self._fast:
            time.sleep(max(0.0, _LAST_ANSWER_S - self._intake.idle_s))
        _abort_all([association for server in servers for association in server.active_associations])
        self._servers, self.threads = {}, []
        log.info("stopped listening", ae_title=self._settings.ae_title)

    def _admit(self, event: evt.Event) -> None:
        """Accept the peer with suitable contexts, or reject it. Any error here rejects it."""
        association: Association = event.assoc
        verdict: tuple[Rejection, str] | None = (Rejection.TEMPORARY_CONGESTION, "see the error above")
        caller: Caller | None = None
        try:
            caller = identified(association)
            verdict = self._judge(association, caller)
            if verdict is None:
                requested = association.requestor.requested_contexts
                requested[:] = [one for one in requested if one.transfer_syntax]  # pynetdicom takes the first of each
                association.acceptor.supported_contexts = contexts.supported(
                    requested, commitment=self._commitment is not None, preferred=self._settings.preferred_syntaxes
                )
        except Exception as error:  # noqa: BLE001 - pynetdicom would log it and let the peer in
            log.error("admission failed", error=type(error).__name__, where=traceback.format_tb(error.__traceback__))
        if verdict is not None:
            rejection, hint = verdict
            if caller is not None:
                ALERTS.add("association rejected", rejection.name.lower(), caller.peer_address, caller.calling_ae_title)
            log.warning(
                "association rejected",
                reason=rejection.name.lower(),
                calling_ae=caller and caller.calling_ae_title,
                called_ae=caller and caller.called_ae_title,
                peer=caller and caller.peer_address,
                hint=hint,
            )
            if caller is not None:
                self._called(caller.calling_ae_title, caller.plain_address, rejection.words, hint)
            association.acse.send_reject(*rejection.value)
            association.kill()

    def _judge(self, association: Association, caller: Caller) -> tuple[Rejection, str] | None:
        if self._stopping.is_set():
            return Rejection.TEMPORARY_CONGESTION, "the node is stopping"
        refused = self._admission.judge(caller) or self._identities.judge(association)
        if refused is not None:
            return refused
        with self._lock:
            self._forget_closed()
            refused = self._admission.judge_load(caller.peer_address, [a.requestor.address for a in self._admitted])
            if refused is None:
                self._admitted.append(association)
                for server in self._servers.values():
                    server.pending.settle(connection_of(association))
                self._called(caller.calling_ae_title, caller.plain_address, "", "")
        return refused

    def _handler(self) -> Any:
        fast = request_handler(self._begin, self._settings.dimse_timeout_s, self._malformed)
        return fast if self._fast else SteadyHandler

    def _malformed(self, address: str, reason: str) -> None:
        is_tls = reason.startswith("TLS")
        self._called("", plain_address(address), reason, HINT_OF_TLS if is_tls else HINT_OF_MALFORMED)

    def _begin(self, association: Association, sop_class: str, sop_instance: str, transfer_syntax: str) -> Transfer:
        """Begin a C-STORE whose data set follows."""
        return self._intake.begin(store_request(association, sop_class, sop_instance, transfer_syntax))

    def _store(self, event: evt.Event) -> Dataset:
        """One C-STORE request with its data set in memory, without the fast path."""
        request = cast("C_STORE", event.request)
        sop_class, sop_instance = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        transfer = self._begin(event.assoc, sop_class, sop_instance, str(event.context.transfer_syntax))
        if request.DataSet is not None:
            with request.DataSet.getbuffer() as data:
                transfer.write([data])
        answer = transfer.finish()
        transfer.end()
        return _response(answer)

    def _count_open(self) -> float:
        with self._lock:
            self._forget_closed()
            return len(self._admitted)

    def _forget_closed(self) -> None:
        self._admitted = [association for association in self._admitted if association.is_alive()]


_NO_LIMIT = 1_000_000
_POLL_S = 1.0
"""Interval of the look for connections that are late with their request."""
_STUCK_AFTER_S = 300.0
_LAST_ANSWER_S = 0.2
"""Pause for pynetdicom's own handler, which returns before the response is sent; the fast path needs none."""
_COLLECT_INTERVAL_S = 30.0


class _Server(AssociationServer):
    """Accepts connections; those that never request an association cannot block others."""

    request_queue_size = 128

    def __init__(self, *arguments: Any, settings: DicomSettings, pending: PendingConnections, **keywords: Any) -> None:
        self._settings = settings
        self.tls: ServerTls | None = None
        self.pending = pending
        self.beat: Callable[[], None] = lambda: None
        self._connections = 0
        self._collected_at = time.monotonic()
        super().__init__(*arguments, **keywords)

    def server_bind(self) -> None:
        """Bind the port; with ``dicom.shared_port`` beside other processes of this user."""
        if self._settings.shared_port and self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, Any]:
        if self.socket is None:
            raise OSError("the server is closed")
        connection, address = self.socket.accept()
        self._connections += 1
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            _limit_silence(connection, self._settings.dimse_timeout_s)
            return connection, address
        # The library would do the TLS handshake here, where one silent peer blocks all others.
        secured = self.tls.current().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        secured.settimeout(self._settings.dimse_timeout_s)
        return secured, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Decide at once, by the address alone, whether to keep a connection."""
        try:
            return self.pending.admit(request, client_address[0])
        except OSError:  # already closed
            return False

    def service_actions(self) -> None:
        """Close late connections, and free ended associations, whose reference cycles Python may not collect."""
        self.beat()
        self.pending.close_late()
        if self._connections and time.monotonic() - self._collected_at >= _COLLECT_INTERVAL_S:
            self._connections, self._collected_at = 0, time.monotonic()
            gc.collect()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        log.error("connection failed", peer=client_address[0])

    def shutdown(self) -> None:
        """Stop serving and close the listening socket."""
        if self.socket is not None:
            with suppress(OSError):  # ends the wait for the next connection; not every system can
                self.socket.shutdown(socket.SHUT_RDWR)
        super(AssociationServer, self).shutdown()
        self.server_close()


HINT_OF_MALFORMED = "look at its settings, and at the log of this node"
HINT_OF_TLS = Phrase(
    "its TLS settings and certificate do not fit this node's: compare them with dicom.tls_… and the port that it calls"
)


def store_request(association: Association, sop_class: str, sop_instance: str, transfer_syntax: str) -> StoreRequest:
    """The data known about an object before its data set arrives; its sender may have closed the connection since."""
    calling, called = ae_titles_of(association)
    return StoreRequest(
        sop_class_uid=str(sop_class),
        sop_instance_uid=str(sop_instance),
        transfer_syntax_uid=str(transfer_syntax),
        calling_ae_title=calling,
        called_ae_title=called,
        peer_address=association.requestor.address,
    )


def _end_waiting(event: Any) -> None:
    """Handle a closed connection, which without an association would wait for the ACSE time-out."""
    if event.assoc.requestor.primitive is None:
        event.assoc.dul.to_user_queue.put(None)


def _treat_as_storage(event: evt.Event) -> dict[UID, SOPClassCommonExtendedNegotiation]:
    return contexts.as_storage(event.assoc.requestor.requested_contexts)


def _storage_level(event: Any) -> dict[UID, bytes]:
    """SOP Class Extended Negotiation of storage: level 2 (full), signatures unspecified, no coercion (PS3.4 B.3.1)."""
    return {uid: _FULL_STORAGE for uid in event.app_info if contexts.is_storage(uid)}


_FULL_STORAGE = bytes([2, 0, 0, 0, 0, 0])


def _response(answer: StoreResponse) -> Dataset:
    response = Dataset()
    response.Status = answer.status
    if answer.comment:
        response.ErrorComment = answer.comment
    return response


def _limit_silence(connection: socket.socket, seconds: float) -> None:
    """Time out a peer that stops within a PDU; unlike settimeout this needs no further system calls."""
    interval = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, interval)


def _abort_all(associations: list[Association]) -> None:
    """Send A-ABORT to all peers that asked for an association, then close all connections that are left open."""
    requested = [association for association in associations if association.requestor.primitive is not None]
    threads = [start_brief_thread("abort", association.abort) for association in requested]
    deadline = time.monotonic() + _ABORT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    for association in associations:
        with suppress(OSError):
            connection_of(association).shutdown(socket.SHUT_RDWR)


_ABORT_S = 1.0
