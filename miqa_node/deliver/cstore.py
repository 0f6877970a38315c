"""Sends result objects to a storage SCP, such as the PACS, over an association that stays open while there is work."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from pydicom.dataset import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import AE, _config, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification
from pynetdicom.transport import AssociationSocket

from miqa_node.deliver.commitment import (
    PROCESSING_FAILURE,
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    REQUEST_ACTION,
    encode_information,
    make_request,
    read_report,
)
from miqa_node.deliver.destinations import DestinationConfig
from miqa_node.deliver.guard import Exchange, prepare_socket
from miqa_node.deliver.implicit import as_implicit_vr
from miqa_node.deliver.statuses import SUCCESS, judge
from miqa_node.deliver.tls import client_context
from miqa_node.domain.delivery import CommitmentReport, ResultKind
from miqa_node.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.errors import (
    ClassRefusedError,
    CommitmentUnsupportedError,
    DataSetError,
    DeliveryError,
    DeliveryRefusedError,
)
from miqa_node.imaging.elements import find_encoding
from miqa_node.settings import DeliverSettings

log = structlog.get_logger(__name__)

# pynetdicom's own log handlers format every PDU even when nobody reads the lines.
_config.LOG_HANDLER_LEVEL = "none"


class CStoreDestination:
    """A storage SCP; see :class:`~miqa_node.domain.ports.Destination`. One object serves one thread.

    ``on_report`` gets the reports of storage commitment that come on an association that was asked on; it is called
    from another thread. Peers that open an association of their own report to the node's storage SCP.
    """

    def __init__(
        self,
        config: DestinationConfig,
        settings: DeliverSettings,
        calling_ae_title: str,
        on_report: Callable[[CommitmentReport], None] | None = None,
    ) -> None:
        self.name = config.name
        self._config = config
        self._settings = settings
        self._calling_ae_title = config.calling_ae_title or calling_ae_title
        self._on_report = on_report
        self._proposed: set[tuple[str, str]] = set()
        self._link: _Link | None = None
        self._commitment_link: _Link | None = None

    def send(self, files: Sequence[tuple[str, str, bytes]]) -> Sequence[Exception | None]:
        """Send in order; DeliveryError for what may succeed later, DeliveryRefusedError for what never will."""
        return [self._outcome(*file) for file in files]

    def wants(self, kind: ResultKind) -> bool:
        """Whether objects of this kind go here."""
        return kind in self._config.objects

    def check(self) -> None:
        """C-ECHO on an association of its own; DeliveryError says what is wrong."""
        link = self._open([build_context(Verification)])
        try:
            status = link.echo()
        except DeliveryError:
            link.abort()
            raise
        link.release()
        if status != SUCCESS:
            raise DeliveryError(f"C-ECHO was answered with status 0x{status:04X}.")

    def request_commitment(self, transaction_uid: str, objects: Sequence[tuple[str, str]], /) -> None:
        """N-ACTION (PS3.4 J.3.2), on an association of its own that stays open for the report."""
        link = self._commitment_link
        if link is None or not link.is_open:
            link = self._commitment_link = self._open_for_commitment()
        context = link.association.accepted_contexts[0]
        implicit = context.transfer_syntax[0] == ImplicitVRLittleEndian
        information = encode_information(make_request(transaction_uid, objects), implicit=implicit)
        try:
            status = link.exchange.action(
                int(context.context_id), PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST_ACTION, information
            )
        except DeliveryError:
            self._commitment_link = None
            link.abort()
            raise
        if status in _NO_COMMITMENT:
            raise CommitmentUnsupportedError(f"Storage commitment was answered with status 0x{status:04X}.")
        if status != SUCCESS:
            raise DeliveryError(f"Storage commitment was answered with status 0x{status:04X}.")

    def report_commitment(self, event_type: int, report: Dataset) -> None:
        """N-EVENT-REPORT (PS3.4 J.3.3) on a new association, on which the node is the SCP by role selection."""
        link = self._open([build_context(PUSH_MODEL)], [build_role(PUSH_MODEL, scp_role=True)])
        context = link.association.accepted_contexts[0]
        implicit = context.transfer_syntax[0] == ImplicitVRLittleEndian
        information = encode_information(report, implicit=implicit)
        try:
            status = link.exchange.event_report(
                int(context.context_id), PUSH_MODEL, PUSH_MODEL_INSTANCE, event_type, information
            )
        except DeliveryError:
            link.abort()
            raise
        link.release()
        if status != SUCCESS:
            raise DeliveryError(f"The report of storage commitment was answered with status 0x{status:04X}.")

    def close(self) -> None:
        """Release the associations."""
        links = (self._link, self._commitment_link)
        self._link = self._commitment_link = None
        for link in links:
            if link is not None:
                link.release()

    def _outcome(self, sop_class_uid: str, sop_instance_uid: str, file: bytes) -> Exception | None:
        try:
            self._send_one(sop_class_uid, sop_instance_uid, file)
        except DeliveryError as error:
            return error
        return None

    def _send_one(self, sop_class_uid: str, sop_instance_uid: str, file: bytes) -> None:
        syntax, data_set = split_file(file)
        fresh = self._connect(sop_class_uid, syntax)
        try:
            status = self._store(sop_class_uid, sop_instance_uid, syntax, data_set)
        except DeliveryRefusedError:
            raise
        except DeliveryError:
            self._drop()
            if fresh:
                raise
            # The peer may have closed the association while it was idle, which is no fault of the object.
            self._connect(sop_class_uid, syntax)
            try:
                status = self._store(sop_class_uid, sop_instance_uid, syntax, data_set)
            except DeliveryRefusedError:
                raise
            except DeliveryError:
                self._drop()
                raise
        self._judge(status, sop_instance_uid)

    def _store(self, sop_class_uid: str, sop_instance_uid: str, syntax: str, data_set: bytes) -> int:
        link = self._link
        if link is None:
            raise DeliveryError("The association was closed.")
        context_id, accepted = link.context(sop_class_uid, syntax)
        if accepted != syntax:
            data_set = as_implicit_vr(data_set)
        return link.exchange.store(context_id, sop_class_uid, sop_instance_uid, data_set)

    def _judge(self, status: int, sop_instance_uid: str) -> None:
        if not judge(status, self._config.on_warning):
            name, code = self.name, f"{status:04X}"
            log.info("delivered with a warning", destination=name, sop_instance_uid=sop_instance_uid, status=code)

    def _connect(self, sop_class_uid: str, syntax: str) -> bool:
        """Have an association on which the class was proposed in the syntax; True when it was opened just now."""
        wanted = (sop_class_uid, syntax)
        if self._link is not None and wanted in self._proposed and self._link.is_open:
            return False
        link, self._link = self._link, None
        if link is not None:
            link.release()
        self._proposed.add(wanted)
        self._link = self._open(_contexts(self._proposed))
        return True

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.abort()

    def _open_for_commitment(self) -> _Link:
        try:
            return self._open([build_context(PUSH_MODEL)])
        except DeliveryRefusedError as error:
            raise CommitmentUnsupportedError(
                "The peer does no storage commitment. What it was sent stays SENT; set commitment = false."
            ) from error

    def _reported(self, event: evt.Event) -> tuple[int, None]:
        """N-EVENT-REPORT on the association that was asked on."""
        try:
            report = read_report(event.event_type, event.event_information)
            if self._on_report is not None:
                self._on_report(report)
        except Exception as error:  # noqa: BLE001 - the peer must get an answer, and may then report again
            log.error("report of storage commitment failed", destination=self.name, error=type(error).__name__)
            return PROCESSING_FAILURE, None
        return SUCCESS, None

    def _open(
        self, contexts: list[PresentationContext], roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = ()
    ) -> _Link:
        config, settings = self._config, self._settings
        ae = TidyAE(self._calling_ae_title)
        ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        ae.connection_timeout = settings.connection_timeout_s
        ae.acse_timeout = ae.dimse_timeout = settings.dimse_timeout_s
        ae.network_timeout = None  # the lane releases an idle association
        where = f"{config.ae_title}@{config.host}:{config.port}"
        try:
            association = ae.associate(
                config.host,
                config.port,
                contexts,
                config.ae_title,
                ext_neg=list(roles),
                tls_args=(client_context(config), config.host) if config.tls else None,
                evt_handlers=[
                    (evt.EVT_CONN_OPEN, _prepare, [settings.dimse_timeout_s]),
                    (evt.EVT_N_EVENT_REPORT, self._reported),
                ],
            )
        except OSError as error:
            raise DeliveryError(f"{where}: the host name cannot be resolved ({error.strerror}).") from error
        if association.is_established:
            return _Link(association, Exchange(association, settings.dimse_timeout_s))
        if association.rejected_contexts and not association.accepted_contexts:
            raise ClassRefusedError(f"{where}: the peer accepts none of the SOP classes. Check its configuration.")
        raise DeliveryError(f"{where}: {_why_not(association)}")


class _TidySocket(AssociationSocket):  # type: ignore[misc]  # pynetdicom ships no types
    """Closes its socket also when connecting failed, where pynetdicom leaves that to the garbage collector."""

    def _shutdown_socket(self) -> None:
        connection = self.socket
        super()._shutdown_socket()
        if connection is not None:
            connection.close()


class TidyAE(AE):  # type: ignore[misc]
    """An application entity whose connections are closed for certain."""

    def _create_socket(self, association: Association, address: Any, tls_args: Any) -> AssociationSocket:
        tidy = _TidySocket(association, address=address)
        if tls_args:
            tidy.tls_args = tls_args
        return tidy


@dataclass(frozen=True, slots=True)
class _Link:
    """An established association."""

    association: Association
    exchange: Exchange

    @property
    def is_open(self) -> bool:
        return bool(self.association.is_established and self.association.is_alive())

    def context(self, sop_class_uid: str, syntax: str) -> tuple[int, str]:
        """(id, transfer syntax) of the best accepted context; DeliveryRefusedError when there is none."""
        accepted = {
            str(context.transfer_syntax[0]): int(context.context_id)
            for context in self.association.accepted_contexts
            if context.abstract_syntax == sop_class_uid
        }
        for candidate in _syntaxes(syntax):
            if candidate in accepted:
                return accepted[candidate], candidate
        name = UID(sop_class_uid).name
        raise ClassRefusedError(
            f"The peer accepts no {name} in {UID(syntax).name}. Have it accept the class, "
            "or leave the kind out of the destination's objects."
        )

    def echo(self) -> int:
        contexts = self.association.accepted_contexts
        return self.exchange.echo(int(contexts[0].context_id))

    def release(self) -> None:
        """Ask for an orderly end, but do not wait for ever."""
        thread = threading.Thread(target=self.association.release, daemon=True)
        thread.start()
        thread.join(_RELEASE_S)
        if thread.is_alive() or self.association.is_established:
            self.abort()

    def abort(self) -> None:
        thread = threading.Thread(target=self.association.abort, daemon=True)
        thread.start()
        thread.join(_ABORT_S)
        with suppress(OSError, AttributeError):
            self.association.dul.socket.socket.shutdown(socket.SHUT_RDWR)


_NO_COMMITMENT = frozenset({0x0118, 0x0122, 0x0123, 0x0211})
"""No such SOP class, no such action, unrecognized operation (PS3.7 C.5): the peer knows no storage commitment."""

_RELEASE_S = 2.0
_ABORT_S = 0.5


def split_file(file: bytes) -> tuple[str, bytes]:
    """(transfer syntax UID, data set) of a DICOM file in memory."""

    def read(offset: int, count: int) -> bytes:
        return file[offset : offset + count]

    try:
        encoding = find_encoding(read)
    except DataSetError as error:
        raise DeliveryRefusedError(f"The object is not a DICOM file: {error}") from error
    data_set = file[encoding.offset :]
    if not data_set:
        raise DeliveryRefusedError("The object has no data set.")
    return encoding.transfer_syntax_uid, data_set


def _contexts(proposed: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """One context per class and syntax, so that the peer can accept several and the best one is used."""
    pairs = dict.fromkeys((sop, candidate) for sop, syntax in sorted(proposed) for candidate in _syntaxes(syntax))
    return [build_context(sop, candidate) for sop, candidate in pairs]


def _syntaxes(syntax: str) -> tuple[str, ...]:
    """The object's own transfer syntax, then those that it can be converted to."""
    return (syntax, str(ImplicitVRLittleEndian)) if syntax == "1.2.840.10008.1.2.1" else (syntax,)


def _prepare(event: evt.Event, timeout_s: float) -> None:
    prepare_socket(event.assoc.dul.socket.socket, timeout_s)


def _why_not(association: Association) -> str:
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        return f"the association was rejected: {answer.reason_str}."
    if association.is_aborted:
        return "the connection was refused, or the association aborted."
    return "there is no connection."
