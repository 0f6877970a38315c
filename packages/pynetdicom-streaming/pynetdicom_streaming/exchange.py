"""Keeps pynetdicom from losing a response to one of our requests.

``Association``'s reactor thread may pass its checkpoint just before a request is sent. Then the reactor, not the
sender, takes the response from the queue and drops it because it is not a request, and the sender waits the whole
DIMSE time-out for an object that the peer has already stored. Here the reactor returns such a response to the queue.
"""

from __future__ import annotations

import functools
import queue
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from io import BytesIO
from typing import Any, cast

from pynetdicom.association import Association
from pynetdicom.pdu_primitives import P_DATA

from .requests import (
    C_ECHO,
    C_STORE,
    LOW_PRIORITY,
    N_ACTION,
    N_EVENT_REPORT,
    Command,
    CommandTag,
    fragments,
)

VERIFICATION = "1.2.840.10008.1.1"
MAX_FRAGMENT_BYTES = 1 << 17
"""Maximum P-DATA-TF size, whatever the peer allows: it makes progress visible and keeps memory small."""

_SLICE_S = 0.05


class ExchangeFault(Enum):
    """Why there is no response."""

    CLOSED = "the peer aborted the association or closed the connection"
    NO_RESPONSE = "the peer did not answer in time"
    OTHER_MESSAGE = "the peer sent a message that is not a response to the request"


class ExchangeError(Exception):
    """There is no response; the message says why."""


def error_of(fault: ExchangeFault, _timeout_s: float) -> ExchangeError:
    """The error that is raised unless the user makes one of its own."""
    return ExchangeError(fault.value)


class Exchange:
    """Request and response on one association; a new one replaces that of before, which must await nothing.

    ``failure`` makes the exception to raise, of a fault and the time-out.
    """

    def __init__(
        self,
        association: Association,
        timeout_s: float,
        failure: Callable[[ExchangeFault, float], Exception] = error_of,
    ) -> None:
        self._association = association
        self._failure = failure
        self._timeout_s = timeout_s
        self._message_id = 0
        self._awaited: int | None = None
        self._requests: list[Any] = []
        plain = functools.partial(Association._serve_request, association)  # noqa: SLF001
        association.__dict__["_serve_request"] = functools.partial(self._serve, plain)

    def store(self, context_id: int, sop_class_uid: str, sop_instance_uid: str, data_set: bytes) -> int:
        """Send a C-STORE request with ``data_set`` unchanged; return the response's status."""
        affected: Command = {CommandTag.AFFECTED_CLASS: sop_class_uid, CommandTag.AFFECTED_INSTANCE: sop_instance_uid}
        command = {**affected, CommandTag.COMMAND: C_STORE, CommandTag.PRIORITY: LOW_PRIORITY}
        return self._exchange(context_id, command, data_set)

    def echo(self, context_id: int) -> int:
        """Send a C-ECHO request; return the response's status."""
        return self._exchange(context_id, {CommandTag.AFFECTED_CLASS: VERIFICATION, CommandTag.COMMAND: C_ECHO})

    def action(
        self, context_id: int, sop_class_uid: str, sop_instance_uid: str, action_type: int, information: BytesIO
    ) -> int:
        """Send an N-ACTION request; return the response's status."""
        requested: Command = {
            CommandTag.REQUESTED_CLASS: sop_class_uid,
            CommandTag.REQUESTED_INSTANCE: sop_instance_uid,
        }
        command = {**requested, CommandTag.COMMAND: N_ACTION, CommandTag.ACTION_TYPE: action_type}
        return self._exchange(context_id, command, information.getvalue())

    def event_report(
        self, context_id: int, sop_class_uid: str, sop_instance_uid: str, event_type: int, information: BytesIO
    ) -> int:
        """Send an N-EVENT-REPORT request; return the response's status."""
        affected: Command = {CommandTag.AFFECTED_CLASS: sop_class_uid, CommandTag.AFFECTED_INSTANCE: sop_instance_uid}
        command = {**affected, CommandTag.COMMAND: N_EVENT_REPORT, CommandTag.EVENT_TYPE: event_type}
        return self._exchange(context_id, command, information.getvalue())

    def _exchange(self, context_id: int, command: Command, data_set: bytes = b"") -> int:
        """Send a request; return the response's status."""
        association = self._association
        self._message_id = self._message_id % 0xFFFF + 1
        self._awaited = self._message_id
        numbered: Command = {**command, CommandTag.MESSAGE_ID: self._message_id}
        with self._reactor_at_rest():
            try:
                limit = min(association.dimse.maximum_pdu_size or MAX_FRAGMENT_BYTES, MAX_FRAGMENT_BYTES)
                for fragment in fragments(numbered, data_set, limit):
                    pdu = P_DATA()
                    pdu.presentation_data_value_list.append((context_id, fragment))
                    association.dul.send_pdu(pdu)
                return self._wait(self._message_id)
            finally:
                self._awaited = None
                for peer_request in self._requests:  # the peer's own requests, which came before its response
                    association.dimse.msg_queue.put(peer_request)
                self._requests = []

    def release(self) -> None:
        """Release the association, or abort it if the peer does not answer in time."""
        if self._association.is_established:
            with self._reactor_at_rest():
                self._association.acse.negotiate_release()

    @contextmanager
    def _reactor_at_rest(self) -> Iterator[None]:
        """As pynetdicom's own methods do it; they wait for ever for a thread that has ended."""
        association = self._association
        association._reactor_checkpoint.clear()  # noqa: SLF001
        try:
            while not association._is_paused and association.is_alive():  # noqa: SLF001
                time.sleep(0.0001)
            yield
        finally:
            association._reactor_checkpoint.set()  # noqa: SLF001

    def _wait(self, message_id: int) -> int:
        """The status of the response. The time-out starts again whenever the peer reads data."""
        association = self._association
        backlog = association.dul.to_provider_queue.qsize()
        deadline = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline:
            try:
                context_id, response = association.dimse.msg_queue.get(timeout=min(_SLICE_S, self._timeout_s))
            except queue.Empty:
                if association.acse.is_aborted() or not association.dul.is_alive():
                    raise self._failure(ExchangeFault.CLOSED, self._timeout_s) from None
                unsent = association.dul.to_provider_queue.qsize()
                if unsent < backlog:
                    backlog, deadline = unsent, time.monotonic() + self._timeout_s
                continue
            if response is None:  # pynetdicom's word for the end of the association
                raise self._failure(ExchangeFault.CLOSED, self._timeout_s)
            if response.MessageIDBeingRespondedTo == message_id and response.is_valid_response:
                return int(cast("int", response.Status))
            if response.is_valid_request:
                self._requests.append((context_id, response))
                continue
            raise self._failure(ExchangeFault.OTHER_MESSAGE, self._timeout_s)
        raise self._failure(ExchangeFault.NO_RESPONSE, self._timeout_s)

    def _serve(self, serve_request: Any, message: Any, context_id: int) -> None:
        """Replaces ``Association._serve_request``: puts a response that the sender waits for back into its queue."""
        if message.MessageIDBeingRespondedTo is not None and message.MessageIDBeingRespondedTo == self._awaited:
            self._association.dimse.msg_queue.put((context_id, message))
            return
        serve_request(message, context_id)


def prepare_socket(connection: socket.socket, timeout_s: float) -> None:
    """Send small objects without delay, and never block longer than ``timeout_s`` on a stuck peer."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    interval = struct.pack("@ll", int(timeout_s), int(timeout_s % 1 * 1e6))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, interval)
