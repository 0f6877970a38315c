"""Serves the associations of peers: admits them, and receives objects by C-STORE, the first step for every image."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from abc import ABC, abstractmethod
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

from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.core.domain.instance import MoveOrigin
from miqa_node.core.network.connections import connection_of
from miqa_node.core.observe.steady_thread import SteadyThread, start_brief_thread
from miqa_node.core.settings import DicomSettings
from miqa_node.libraries.pynetdicom_streaming import SteadyHandler, is_available, request_handler
from miqa_node.stages.receive import contexts
from miqa_node.stages.receive.admission import Admission, Caller, Rejection
from miqa_node.stages.receive.commitment import Commitment
from miqa_node.stages.receive.identity import CheckPasscode, UserIdentities, identified, no_passcodes
from miqa_node.stages.receive.incoming import StoreRequest
from miqa_node.stages.receive.intake import Intake, StoreResponse, Transfer
from miqa_node.stages.receive.peers import ae_titles_of
from miqa_node.stages.receive.servers import PeerServer
from miqa_node.stages.receive.statuses import SUCCESS

log = structlog.get_logger(__name__)

# pynetdicom's own log handlers format every PDU even if nothing logs them.
_config.LOG_HANDLER_LEVEL = "none"


class StorageAssociations(ABC):
    """C-STORE, C-ECHO and storage commitment as SCP. Answers 0x0000 only after ``intake`` has kept the object.

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
        passcodes: CheckPasscode = no_passcodes,
    ) -> None:
        self._settings, self._intake = settings, intake
        self._identities = UserIdentities(settings.user_identity, passcodes)
        self._commitment = commitment
        self._admission = Admission(settings)
        self._fast = fast and is_available()
        if fast and not self._fast:
            version = pynetdicom.__version__
            log.warning("this version of pynetdicom is received from without the fast path", version=version)
        self._servers: dict[str, PeerServer] = {}
        self.threads: list[SteadyThread] = []
        self._stopping = threading.Event()

    @abstractmethod
    def _open(self) -> None:
        """Make the servers; SettingsError or OSError if that is not possible."""

    @abstractmethod
    def _seat(self, association: Association, caller: Caller) -> tuple[Rejection, str] | None:
        """Count an association that may be opened; or why it is one too many."""

    @abstractmethod
    def _refuse(self, caller: Caller, rejection: Rejection, hint: str) -> None:
        """Record a caller that gets no association."""

    @abstractmethod
    def _malformed(self, address: str, reason: str) -> None:
        """Record a peer whose messages cannot be read."""

    def start(self) -> None:
        """Serve, each server in its own thread; OSError if a port is taken."""
        self._stopping.clear()
        self._intake.open()
        self._open()
        for name, server in self._servers.items():
            thread = SteadyThread(f"storage-scp-{name}", partial(server.serve_forever, POLL_S), _STUCK_AFTER_S)
            server.beat = thread.beat
            self.threads.append(thread)
            thread.start()

    def _serve(self, name: str, server_class: type[PeerServer], address: Any, **more: Any) -> PeerServer:
        """Make a server whose associations are handled here."""
        settings = self._settings
        ae = AE(settings.ae_title)
        ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        ae.maximum_pdu_size = settings.maximum_pdu_size
        ae.acse_timeout = settings.acse_timeout_s
        ae.dimse_timeout = settings.dimse_timeout_s
        ae.network_timeout = settings.network_timeout_s
        ae.maximum_associations = _NO_LIMIT  # checked in _admit, where silent connections do not count
        ae.add_supported_context(contexts.VERIFICATION)
        server: Any = ae.make_server(
            address, evt_handlers=self._handlers(), server_class=server_class, settings=settings,
            request_handler=self._request_handler(), **more,
        )  # fmt: skip
        self._servers[name] = server
        return cast("PeerServer", server)

    def _handlers(self) -> list[Any]:
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._admit),
            (evt.EVT_SOP_COMMON, _treat_as_storage),
            (evt.EVT_SOP_EXTENDED, _storage_level),
            (evt.EVT_USER_ID, self._identities.answer),
            (evt.EVT_CONN_CLOSE, self._on_close),
            (evt.EVT_C_ECHO, lambda _: SUCCESS),
            (evt.EVT_C_STORE, self._store),
        ]
        if self._commitment is not None:
            handlers += [
                (evt.EVT_N_ACTION, self._commitment.on_action),
                (evt.EVT_N_EVENT_REPORT, self._commitment.on_event_report),
                (evt.EVT_DIMSE_SENT, self._commitment.on_sent),
            ]
        return handlers

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
            log.warning(
                "association rejected",
                reason=rejection.name.lower(),
                calling_ae=caller and caller.calling_ae_title,
                called_ae=caller and caller.called_ae_title,
                peer=caller and caller.peer_address,
                hint=hint,
            )
            if caller is not None:
                self._refuse(caller, rejection, hint)
            association.acse.send_reject(*rejection.value)
            association.kill()

    def _judge(self, association: Association, caller: Caller) -> tuple[Rejection, str] | None:
        if self._stopping.is_set():
            return Rejection.TEMPORARY_CONGESTION, "the node is stopping"
        refused = self._admission.judge(caller) or self._identities.judge(association)
        return refused or self._seat(association, caller)

    def _request_handler(self) -> Any:
        fast = request_handler(self._begin, self._settings.dimse_timeout_s, self._malformed)
        return fast if self._fast else SteadyHandler

    def _begin(self, association: Association, sop_class: str, sop_instance: str, transfer_syntax: str) -> Transfer:
        """Begin a C-STORE whose data set follows."""
        return self._intake.begin(store_request(association, sop_class, sop_instance, transfer_syntax))

    def _store(self, event: evt.Event) -> Dataset:
        """One C-STORE request with its data set in memory, without the fast path."""
        request = cast("C_STORE", event.request)
        sop_class, sop_instance = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        origin = request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID
        upper_layer: Any = event.assoc.dul
        upper_layer.move_originator = None if None in origin else (str(origin[0]).strip(), origin[1])
        transfer = self._begin(event.assoc, sop_class, sop_instance, str(event.context.transfer_syntax))
        if request.DataSet is not None:
            with request.DataSet.getbuffer() as data:
                transfer.write([data])
        answer = transfer.finish()
        transfer.end()
        return _response(answer)

    def _on_close(self, event: Any) -> None:
        """Handle a closed connection, which without an association would wait for the ACSE time-out."""
        if event.assoc.requestor.primitive is None:
            event.assoc.dul.to_user_queue.put(None)


_NO_LIMIT = 1_000_000
POLL_S = 1.0
"""Interval of the look for connections that are late with their request."""
_STUCK_AFTER_S = 300.0
_LAST_ANSWER_S = 0.2
"""Pause for pynetdicom's own handler, which returns before the response is sent; the fast path needs none."""


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
        move=_move_of(association),
    )


def _move_of(association: Association) -> MoveOrigin | None:
    """The C-MOVE that the object which begins comes by; what receives notes it on the association's upper layer."""
    origin: tuple[str, int] | None = getattr(association.dul, "move_originator", None)
    return None if origin is None else MoveOrigin(*origin)


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
