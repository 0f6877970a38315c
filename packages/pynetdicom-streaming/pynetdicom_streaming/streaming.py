"""Reads the stream of an established association several times as fast as pynetdicom alone.

pynetdicom reads 4 KiB at a time, joins all fragments in memory and polls twice a millisecond for each association.
Here its network thread blocks until data arrive, and streams the fragments of a data set to the user at once.
Negotiation, C-ECHO, release, abort and time-outs remain pynetdicom's.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA

from .fragments import Fragments, ProtocolError, encode_command, originator, p_data, parse_command
from .titles import are_readable, with_readable_titles
from .waiting import ReactorGate, WakingQueue

log = logging.getLogger(__name__)

BUFFER_BYTES = 1 << 18
TLS_RECORD_BYTES = 1 << 14
"""The longest data of a TLS record (RFC 8446 5.1)."""
MAX_OTHER_DATA_BYTES = 1 << 20
MAX_NEGOTIATION_PDU_BYTES = 1 << 20
MAX_WAITING_MESSAGES = 16
"""Maximum number of waiting non-C-STORE requests: peers negotiate no asynchronous operations (PS3.7 D.3.3.3)."""
WAIT_S = 0.5
LOOK_S = 1.0
"""Polling interval of the association's thread if nothing wakes it."""

_COMMAND_FIELD, _MESSAGE_ID, _RESPONDED_TO, _DATA_SET_TYPE = 0x0100, 0x0110, 0x0120, 0x0800
_SOP_CLASS, _SOP_INSTANCE, _STATUS, _ERROR_COMMENT = 0x0002, 0x1000, 0x0900, 0x0902
_C_STORE_RQ, _C_STORE_RSP, _NO_DATA_SET = b"\x01\x00", b"\x01\x80", b"\x01\x01"


class StoreAnswer(Protocol):
    """Status and Error Comment of a C-STORE response."""

    @property
    def status(self) -> int:
        """Status (0000,0900)."""

    @property
    def comment(self) -> str:
        """Error Comment (0000,0902); empty if there is none."""


class StoreTransfer(Protocol):
    """One C-STORE, implemented by the user. An exception ends the association."""

    def write(self, parts: Sequence[memoryview], /) -> None:
        """More bytes of the data set, valid during the call only."""

    def finish(self) -> StoreAnswer:
        """The data set is complete; the response is sent when this returns."""

    def end(self) -> None:
        """The response was sent, or the association ended before. Called exactly once."""


Begin = Callable[[Association, str, str, str], StoreTransfer]
"""Called with association, SOP Class UID, SOP Instance UID and Transfer Syntax UID."""


Malformed = Callable[[str, str], None]
"""Called with the address of a peer and what is wrong with its messages."""


class StreamingDul(DULServiceProvider):
    """pynetdicom's upper layer thread; in state 6 (data transfer) it reads the stream itself."""

    def adopt(self, begin: Begin, silence_s: float, malformed: Malformed) -> None:
        """Take over an association whose threads have not been started."""
        self._malformed = malformed
        self._begin_transfer = begin
        self._silence_s = silence_s
        transport: Any = self.socket
        self._connection: socket.socket = transport.socket
        self._is_tls = hasattr(self._connection, "pending")
        self._receive = transport.recv
        transport.recv = self._receive_limited
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self.to_provider_queue = WakingQueue(self.wake)
        self._gate = self.assoc._reactor_checkpoint = ReactorGate(self.assoc, LOOK_S)  # noqa: SLF001
        self._poll = select.poll()
        self._poll.register(self._connection, select.POLLIN)
        self._poll.register(self._wake_reader, select.POLLIN)
        self._fragments = Fragments(self)
        self._buffer = memoryview(b"")
        self._begin = self._end = 0
        self._read_at = time.monotonic()
        self._transfer: StoreTransfer | None = None
        self._request: dict[int, bytes] = {}
        self.move_originator: tuple[str, int] | None = None
        self._other: bytearray = bytearray()

    def run(self) -> None:
        """Main loop of the thread: however it ends, no part of an unfinished object remains."""
        try:
            self._shake_hands()
            super().run()
        except Exception:  # noqa: BLE001 - of a malformed negotiation; pynetdicom has logged it
            self._give_up("malformed message")
        finally:
            if self._transfer is not None:
                self._transfer.end()
                self._transfer = None
            self._buffer = memoryview(b"")
            self._gate.work.set()
            for each in (self._wake_reader, self._wake_writer, self._connection):
                each.close()

    def _decode_pdu(self, bytestream: bytearray) -> Any:
        """Read a PDU of the negotiation; one that cannot be read ends in an abort, of which the node's people hear."""
        readable = with_readable_titles(bytestream)
        if not are_readable(readable):
            log.warning(
                "AE titles of %s are blank or in no character set that AE titles have", self.assoc.requestor.address
            )
        try:
            return super()._decode_pdu(readable)
        except Exception:
            self._give_up("its request cannot be read")
            raise

    def _give_up(self, reason: str) -> None:
        address = self.assoc.requestor.address
        log.warning("association with %s ended: %s", address, reason)
        self._malformed(address, reason)

    def _shake_hands(self) -> None:
        """The TLS handshake, in the association's own thread. A failure shows again when the library reads."""
        if not self._is_tls:
            return
        try:
            self._connection.do_handshake()  # type: ignore[attr-defined]  # an SSLSocket
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror or "no answer in time"
            address = self.assoc.requestor.address
            log.warning("TLS handshake with %s failed: %s", address, reason)
            self._malformed(address, f"TLS handshake failed: {reason}")
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def wake(self) -> None:
        """Let the thread check its queues; callable from any thread."""
        with suppress(OSError):
            self._wake_writer.send(b"\0")

    def kill_dul(self) -> None:
        """End the thread."""
        super().kill_dul()
        self.wake()

    def stop_dul(self) -> bool:
        """End the thread if the association is over, else return False."""
        if self.state_machine.current_state != "Sta1":
            return False
        self.kill_dul()
        if threading.current_thread() is not self:
            self.join()
        return True

    def _process_recv_primitive(self) -> bool:
        """Take what the other thread sends; responses and aborts are dropped once the association is over."""
        waiting = self.to_provider_queue
        while waiting.queue and self.state_machine.current_state in ("Sta1", "Sta13"):
            waiting.get_nowait()
        return bool(super()._process_recv_primitive())

    def _is_transport_event(self) -> bool:
        """Read from the network; True if this caused an event for the state machine."""
        if not self.assoc.is_alive():  # nobody handles it any more, nor counts it
            self.kill_dul()
            return False
        state = self.state_machine.current_state
        if self.to_user_queue.queue or self.dimse_messages or self.assoc._kill:  # noqa: SLF001
            self._gate.work.set()
        if state == "Sta13":
            return self._drop()
        if state != "Sta6":
            return self._negotiate()
        try:
            return self._stream()
        except ProtocolError as error:
            log.warning("association with %s aborted: protocol error: %s", self.assoc.requestor.address, error)
            self.event_queue.put("Evt19")
            return True

    @property
    def dimse_messages(self) -> bool:
        """Whether pynetdicom has a whole message to handle."""
        return bool(self.assoc.dimse.msg_queue.queue)

    def _drop(self) -> bool:
        """State 13: the association is over. What has arrived is dropped, then the connection is closed.

        It is not read as PDUs: after a protocol error nobody knows where one starts, and an answer to each
        misunderstood piece would go on for as long as the peer sends. A timer ends that (ARTIM, PS3.8 9.1.5).
        """
        self._begin = self._end = 0
        if self.socket and not (self.socket.ready and self._read()):
            self.socket.close()
        return True

    def _negotiate(self) -> bool:
        """All other states: pynetdicom reads, once data arrive."""
        if self.socket and self.socket.socket and not self.event_queue.queue:
            self._wait(WAIT_S)
        if self._announces_too_much():
            self.event_queue.put("Evt19")
            return True
        return bool(super()._is_transport_event())

    def _announces_too_much(self) -> bool:
        """Whether the next PDU of the negotiation is longer than any peer needs."""
        if self._is_tls or not (self.socket and self.socket.ready):
            return False
        try:
            head = self._connection.recv(6, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            return False
        return len(head) == 6 and int.from_bytes(head[2:], "big") > MAX_NEGOTIATION_PDU_BYTES

    def _receive_limited(self, count: int) -> bytearray:
        """Replaces pynetdicom's read function; over TLS the length cannot be checked in advance."""
        if count > MAX_NEGOTIATION_PDU_BYTES:
            raise OSError("the peer announces an oversized PDU")
        return bytearray(self._receive(count))

    def _stream(self) -> bool:
        """State 6: read until pynetdicom has something to do."""
        while True:
            if self._begin < self._end:
                self._begin += self._fragments.feed(self._buffer[self._begin : self._end])
            if self.event_queue.queue:
                return True
            if self.dimse_messages:
                self._gate.work.set()
            if self.to_provider_queue.queue or self._kill_thread:
                return False
            if not self._wait(WAIT_S):
                silent_s = time.monotonic() - self._read_at
                if self._fragments.between_messages:
                    return False
                if silent_s > self._silence_s:
                    log.warning("%s fell silent inside a message", self.assoc.requestor.address)
                    self.event_queue.put("Evt17")
                    return True
                continue
            if not self._read():
                self.event_queue.put("Evt17")
                return True

    def _read(self) -> bool:
        """Fill the buffer; False if the connection is closed."""
        if not self._buffer:
            self._buffer = memoryview(bytearray(BUFFER_BYTES))
        remainder = self._end - self._begin
        if self._begin:
            self._buffer[:remainder] = bytes(self._buffer[self._begin : self._end])
            self._begin, self._end = 0, remainder
        try:
            count = self._connection.recv_into(self._buffer[self._end :])
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        if not count:
            return False
        self._end += count
        if self._is_tls:
            self._read_further_records()
        self._read_at = time.monotonic()
        self._idle_timer.restart()
        if _QUICKACK is not None and not self._is_tls:
            # Senders without TCP_NODELAY wait for an acknowledgement before they send the rest of an object.
            with suppress(OSError):
                self._connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return True

    def _read_further_records(self) -> None:
        """Over TLS each read returns one record: read those that have arrived, and so write fewer, larger parts."""
        while len(self._buffer) - self._end >= TLS_RECORD_BYTES and self._wait(0.0):
            try:
                count = self._connection.recv_into(self._buffer[self._end :])
            except OSError:  # shows again at the next read, when what came before it was handled
                return
            if not count:
                return
            self._end += count

    def _wait(self, seconds: float) -> bool:
        """Block until data arrive (True), another thread wants to send, or time is up."""
        if self._is_tls and self._connection.pending():  # type: ignore[attr-defined]  # an SSLSocket
            return True
        ready = [fd for fd, _ in self._poll.poll(seconds * 1000)]
        if self._wake_reader.fileno() in ready:
            with suppress(OSError):
                self._wake_reader.recv(4096)
        return self._connection.fileno() in ready

    # ── called by Fragments ──

    def command(self, context_id: int, command: bytes) -> bool:
        """A command set; C-STORE requests are handled here, all others by pynetdicom."""
        elements = parse_command(command)
        has_data = elements.get(_DATA_SET_TYPE, _NO_DATA_SET) != _NO_DATA_SET
        if elements.get(_COMMAND_FIELD) != _C_STORE_RQ:
            self._hand_on(context_id, 3, command)
            return has_data
        context = self.assoc._accepted_cx.get(context_id)  # noqa: SLF001
        if context is None or not {_SOP_CLASS, _SOP_INSTANCE, _MESSAGE_ID} <= elements.keys():
            raise ProtocolError("C-STORE request in no accepted context, or incomplete")
        uids = [elements[tag].rstrip(b"\0 ").decode("latin-1") for tag in (_SOP_CLASS, _SOP_INSTANCE)]
        self._request, self.move_originator = elements, originator(elements)
        self._transfer = self._begin_transfer(self.assoc, uids[0], uids[1], str(context.transfer_syntax[0]))
        if not has_data:
            self._answer(context_id)
        return has_data

    def data(self, context_id: int, parts: list[memoryview], *, last: bool) -> None:
        """Bytes of a data set."""
        if self._transfer is not None:
            self._transfer.write(parts)
            if last:
                self._answer(context_id)
            return
        for part in parts:
            self._other += part
        if len(self._other) > MAX_OTHER_DATA_BYTES:
            raise ProtocolError("oversized data set of a message that is not C-STORE")
        if last:
            other, self._other = bytes(self._other), bytearray()
            self._hand_on(context_id, 2, other)

    def other_pdu(self, pdu: bytes) -> None:
        """Release, abort, or an unexpected PDU: for pynetdicom's state machine."""
        try:
            decoded, event = self._decode_pdu(bytearray(pdu))
        except Exception as error:
            raise ProtocolError("undecodable PDU") from error
        self._recv_pdu.put(decoded)
        self.event_queue.put(event)

    def _hand_on(self, context_id: int, control: int, data: bytes) -> None:
        if self.assoc.dimse.msg_queue.qsize() >= MAX_WAITING_MESSAGES:
            raise ProtocolError("more requests than may be open at a time")
        primitive = P_DATA()
        values: list[Any] = [[context_id, bytes([control]) + data]]  # annotated as a tuple, but only a list works
        primitive.presentation_data_value_list = values
        try:
            self.assoc.dimse.receive_primitive(primitive)
        except Exception as error:  # of a command set without what it needs; pynetdicom checks nothing before
            raise ProtocolError("message that cannot be read") from error

    def _answer(self, context_id: int) -> None:
        transfer = self._transfer
        if transfer is None:
            return
        answer = transfer.finish()
        with suppress(OSError):  # a disconnected peer shows at the next read
            self._connection.sendall(p_data(context_id, encode_command(response(self._request, answer))))
        transfer.end()
        self._transfer = None
        self._read_at = time.monotonic()
        self._idle_timer.restart()


def response(request: dict[int, bytes], answer: StoreAnswer) -> dict[int, bytes]:
    """The elements of a C-STORE response (PS3.7 9.3.1.2)."""
    elements = {
        _SOP_CLASS: request[_SOP_CLASS],
        _COMMAND_FIELD: _C_STORE_RSP,
        _RESPONDED_TO: request[_MESSAGE_ID],
        _DATA_SET_TYPE: _NO_DATA_SET,
        _STATUS: answer.status.to_bytes(2, "little"),
        _SOP_INSTANCE: request[_SOP_INSTANCE],
    }
    if answer.comment:
        comment = answer.comment.encode("ascii")  # of statuses.comment_of
        elements[_ERROR_COMMENT] = comment + b" " * (len(comment) % 2)
    return elements


_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
