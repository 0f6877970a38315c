"""Opens associations with a storage SCP, and closes them reliably."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, DEFAULT_TRANSFER_SYNTAXES, _config, build_context, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AssociationSocket

from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.core.domain.network import authority
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.core.network.connections import connection_of
from miqa_node.core.observe.steady_thread import start_brief_thread
from miqa_node.core.settings import DeliverSettings
from miqa_node.dicom.bytes.uncompressed import can_convert
from miqa_node.errors import ClassRefusedError, DeliveryError
from miqa_node.libraries.pynetdicom_streaming.exchange import Exchange, prepare_socket
from miqa_node.libraries.pynetdicom_streaming.sleeping import keep_asleep
from miqa_node.stages.deliver.guard import failure_of

# pynetdicom's own log handlers format every PDU even if nothing logs them.
_config.LOG_HANDLER_LEVEL = "none"

DEFAULT_SYNTAXES = tuple(map(str, DEFAULT_TRANSFER_SYNTAXES))
"""Transfer syntaxes proposed for services without stored objects."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An application entity to call, with its parameters; ``tls_args`` as pynetdicom takes them."""

    ae_title: str
    host: str
    port: int
    calling_ae_title: str
    settings: DeliverSettings
    tls_args: tuple[Any, str] | None = None

    def open(
        self,
        contexts: list[PresentationContext],
        roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
        on_event_report: Callable[[evt.Event], tuple[int, None]] | None = None,
        on_store: Callable[[evt.Event], int] | None = None,
    ) -> Link:
        """A new association; ClassRefusedError if no context is accepted, DeliveryError if no association is made."""
        settings, where = self.settings, f"{self.ae_title}@{authority(self.host, self.port)}"
        handlers: list[Any] = [(evt.EVT_CONN_OPEN, _prepare, [settings.dimse_timeout_s])]
        if on_event_report is not None:
            handlers.append((evt.EVT_N_EVENT_REPORT, on_event_report))
        if on_store is not None:
            handlers.append((evt.EVT_C_STORE, on_store))
        ae = ClosingAE(self.calling_ae_title)
        ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        ae.connection_timeout = settings.connection_timeout_s
        ae.acse_timeout = ae.dimse_timeout = settings.dimse_timeout_s
        ae.network_timeout = None  # the lane releases an idle association
        try:
            association = ae.associate(
                self.host,
                self.port,
                contexts,
                self.ae_title,
                ext_neg=list(roles),
                tls_args=self.tls_args,
                evt_handlers=handlers,
            )
        except OSError as error:
            raise DeliveryError(
                "{where}: the host name cannot be resolved ({strerror}).", where=where, strerror=error.strerror
            ) from error
        if association.is_established:
            return Link(association, Exchange(association, settings.dimse_timeout_s, failure_of))
        if association.rejected_contexts and not association.accepted_contexts:
            raise ClassRefusedError("{where}: {refusal}", where=where, refusal=_refusal(association.rejected_contexts))
        raise DeliveryError("{where}: {why_not}", where=where, why_not=_why_not(association))


@dataclass(frozen=True, slots=True)
class Link:
    """An established association."""

    association: Association
    exchange: Exchange

    @property
    def is_open(self) -> bool:
        """Whether the association can be used."""
        return bool(self.association.is_established and self.association.is_alive())

    def context(self, sop_class_uid: str, syntax: str) -> tuple[int, str]:
        """(ID, transfer syntax) of the best accepted context; ClassRefusedError if there is none."""
        accepted = {
            str(context.transfer_syntax[0]): context_id_of(context)
            for context in self.association.accepted_contexts
            if context.abstract_syntax == sop_class_uid
        }
        for candidate in _syntaxes(syntax):
            if candidate in accepted:
                return accepted[candidate], candidate
        rejected = (one for one in self.association.rejected_contexts if one.abstract_syntax == sop_class_uid)
        raise ClassRefusedError(_refusal(list(rejected)))

    def echo(self) -> int:
        """The status of a C-ECHO."""
        contexts = self.association.accepted_contexts
        return self.exchange.echo(context_id_of(contexts[0]))

    def release(self) -> None:
        """Release the association, but do not wait forever."""
        thread = start_brief_thread("release", self.exchange.release)
        thread.join(_RELEASE_S)
        if thread.is_alive() or self.association.is_established:
            self.abort()

    def abort(self) -> None:
        """Abort the association at once, and close the socket in any case."""
        thread = start_brief_thread("abort", self.association.abort)
        thread.join(_ABORT_S)
        with suppress(OSError):
            connection_of(self.association).shutdown(socket.SHUT_RDWR)


def context_id_of(context: PresentationContext) -> int:
    """The ID of an accepted presentation context; only proposed contexts may have none."""
    if context.context_id is None:
        raise ValueError("the presentation context has no number yet")
    return context.context_id


class _ClosingSocket(AssociationSocket):
    """Closes its socket also after a failed connection, where pynetdicom relies on the garbage collector."""

    def recv(self, nr_bytes: int) -> bytearray:
        """Wait no longer than for a response; pynetdicom waits for ever on a peer that sends a byte now and then."""
        until = time.monotonic() + (self.assoc.dimse_timeout or 0.0)
        data = bytearray()
        while len(data) < nr_bytes and time.monotonic() < until:
            part = connection_of(self.assoc).recv(min(nr_bytes - len(data), _CHUNK_BYTES))
            if not part:
                break
            data += part
        return data

    def _shutdown_socket(self) -> None:
        connection = self.socket
        super()._shutdown_socket()
        if connection is not None:
            connection.close()


class ClosingAE(AE):
    """An application entity that closes its connections reliably."""

    def _create_socket(self, association: Association, address: Any, tls_args: Any) -> AssociationSocket:
        keep_asleep(association)
        tidy = _ClosingSocket(association, address=address)
        if tls_args:
            tidy.tls_args = tls_args
        return tidy

    def associate(self, *arguments: Any, **keywords: Any) -> Association:
        """An association as pynetdicom makes it; its state tells a rejection from a failed connection."""
        association = super().associate(*arguments, **keywords)
        answer: Any = association.dul.peek_next_pdu()
        # pynetdicom aborts without reading the answer if the peer's rejection closes the connection before it looks.
        if association.is_aborted and isinstance(answer, A_ASSOCIATE) and answer.result in _REJECTED:
            association.acceptor.primitive = answer
            association.is_aborted, association.is_rejected = False, True
        return association


_REJECTED = (1, 2)
"""Results of a rejection, permanent and transient (PS3.8 Table 9-21)."""

_CHUNK_BYTES = 1 << 14
_RELEASE_S = 2.0
_ABORT_S = 0.5


def storage_contexts(proposed: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """One context per class and syntax, so the peer can accept several and the node uses the best one."""
    pairs = dict.fromkeys((sop, candidate) for sop, syntax in sorted(proposed) for candidate in _syntaxes(syntax))
    return [build_context(sop, candidate) for sop, candidate in pairs]


def _syntaxes(syntax: str) -> tuple[str, ...]:
    """The object's own transfer syntax, then those that it can be converted to (PS3.5 10.1)."""
    if syntax != ImplicitVRLittleEndian and (syntax == ExplicitVRLittleEndian or can_convert(syntax)):
        return tuple(dict.fromkeys((syntax, str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))))
    return (syntax,)


def _refusal(rejected: Sequence[PresentationContext]) -> str:
    """The rejected classes or transfer syntaxes, in words."""
    offered: dict[str, list[PresentationContext]] = {}
    for context in rejected:
        offered.setdefault(UID(str(context.abstract_syntax)).name, []).append(context)
    sentences = []
    for name, contexts in offered.items():
        syntaxes = ", ".join(dict.fromkeys(str(UID(context.transfer_syntax[0]).name) for context in contexts))
        has_syntax_refusal = any(context.result == _SYNTAXES_NOT_SUPPORTED for context in contexts)
        sentences.append(
            Phrase("{name} in none of {syntaxes}", name=name, syntaxes=syntaxes)
            if has_syntax_refusal
            else Phrase("no {name} (offered in {syntaxes})", name=name, syntaxes=syntaxes)
        )
    return Phrase(
        "the peer accepts {classes}. Have it accept the SOP class in "
        "one of these transfer syntaxes, "
        "or leave the kind out of the destination's objects.",
        classes=joined("; ", sentences) or Phrase("none of the SOP classes"),
    )


_SYNTAXES_NOT_SUPPORTED = 4
"""Result of a presentation context if only its transfer syntaxes were rejected (PS3.8 Table 9-18)."""


def _prepare(event: evt.Event, timeout_s: float) -> None:
    prepare_socket(connection_of(event.assoc), timeout_s)


def _why_not(association: Association) -> str:
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        return Phrase("the association was rejected: {reason}.", reason=Phrase(answer.reason_str))
    if not association.requestor.port:  # it has none before the connection is there
        return Phrase("the connection was refused, or cannot be made (address, firewall, TLS).")
    return Phrase("it took the connection, but made no association in time, or aborted it.")
