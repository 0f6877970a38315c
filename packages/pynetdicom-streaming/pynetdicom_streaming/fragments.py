"""Parses the stream of an established association: PDUs, their fragments, command sets and data sets (PS3.8 9.3).

It uses no sockets and keeps no data set: received bytes are passed on from the buffer. Every length comes from the
network, so it is checked before use, and nothing is buffered beyond a named limit.
"""

from __future__ import annotations

import struct
from typing import Protocol

_MOVE_ORIGINATOR, _MOVE_MESSAGE_ID = 0x1030, 0x1031

P_DATA_TF = 0x04
OTHER_PDUS = frozenset({0x01, 0x02, 0x03, 0x05, 0x06, 0x07})

MAX_COMMAND_BYTES = 1 << 16
MAX_OTHER_PDU_BYTES = 1 << 16
MAX_PARTS = 256

_PDU, _PDV, _ELEMENT = struct.Struct(">BxI"), struct.Struct(">IBB"), struct.Struct("<HHI")


class ProtocolError(Exception):
    """The peer broke the upper layer protocol; the association must be aborted."""


class Sink(Protocol):
    """Receiver of the parsed parts."""

    def command(self, context_id: int, command: bytes) -> bool:
        """A command set is complete; return whether a data set follows."""

    def data(self, context_id: int, parts: list[memoryview], *, last: bool) -> None:
        """Bytes of the data set, valid during the call only."""

    def other_pdu(self, pdu: bytes) -> None:
        """A PDU that is not P-DATA-TF."""


class Fragments:
    """State between two reads: position in the PDU, the fragment and the message."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._pdu_left = 0
        self._pdv_left: int | None = None
        self._control = 0
        self._context_id = 0
        self._command = bytearray()
        self._in_data = False
        self._parts: list[memoryview] = []

    @property
    def between_messages(self) -> bool:
        """Whether no message is in progress, so silence is normal."""
        return not (self._in_data or self._command or self._pdu_left)

    def feed(self, view: memoryview) -> int:
        """Parse bytes; return how many were consumed. The rest is the beginning of a header or of a small PDU.

        Returns early after a PDU that is not P-DATA-TF, because it may end the association.

        Raises
        ------
        ProtocolError
            A PDU type, a length, a context or the order of command and data is wrong.
        """
        at, end = 0, len(view)
        self._parts = []
        while True:
            if self._pdv_left is not None:
                at = self._take(view, at)
                if self._pdv_left is not None:
                    break
            elif end - at < 6:
                break
            elif self._pdu_left:
                self._begin_fragment(*_PDV.unpack_from(view, at))
                at += 6
            else:
                size = self._begin_pdu(view[at:])
                at += size
                if size != 6:
                    break
        self._flush(last=False)
        return at

    def _begin_pdu(self, view: memoryview) -> int:
        """Number of bytes consumed by the header of a P-DATA-TF or by another whole PDU; 0 while it is incomplete."""
        kind, length = _PDU.unpack_from(view)
        if kind == P_DATA_TF:
            if length < 6:
                raise ProtocolError("P-DATA-TF without a fragment")
            self._pdu_left = length
            return 6
        if kind not in OTHER_PDUS or not 0 < length <= MAX_OTHER_PDU_BYTES:
            raise ProtocolError("unknown or oversized PDU")
        if len(view) < 6 + length:
            return 0
        self._sink.other_pdu(bytes(view[: 6 + length]))
        return 6 + int(length)

    def _take(self, view: memoryview, at: int) -> int:
        """Take the available part of the fragment; return the new position."""
        remainder = self._pdv_left or 0
        piece = view[at : at + remainder]
        self._pdu_left -= len(piece)
        if self._control & 1:
            self._add_command(piece)
        elif piece:
            self._parts.append(piece)
            if len(self._parts) >= MAX_PARTS:
                self._flush(last=False)
        if len(piece) < remainder:
            self._pdv_left = remainder - len(piece)
            return at + len(piece)
        self._pdv_left = None
        if self._control & 2:
            self._end_of_part()
        return at + len(piece)

    def _flush(self, *, last: bool) -> None:
        parts, self._parts = self._parts, []
        if parts or last:
            self._sink.data(self._context_id, parts, last=last)

    def _begin_fragment(self, length: int, context_id: int, control: int) -> None:
        is_command = bool(control & 1)
        if length < 2 or length + 4 > self._pdu_left:
            raise ProtocolError("length of a fragment")
        if is_command is self._in_data:
            raise ProtocolError("command and data set out of order")
        if (self._in_data or self._command) and context_id != self._context_id:
            raise ProtocolError("a message in two presentation contexts")
        self._pdu_left -= 6
        self._pdv_left, self._context_id, self._control = length - 2, context_id, control

    def _add_command(self, piece: memoryview) -> None:
        if len(self._command) + len(piece) > MAX_COMMAND_BYTES:
            raise ProtocolError("oversized command set")
        self._command += piece

    def _end_of_part(self) -> None:
        if self._control & 1:
            command, self._command = bytes(self._command), bytearray()
            self._in_data = self._sink.command(self._context_id, command)
        else:
            self._in_data = False
            self._flush(last=True)


def originator(request: dict[int, bytes]) -> tuple[str, int] | None:
    """AE title and Message ID of the C-MOVE that a C-STORE is a part of (PS3.7 9.3.1.1); None without both."""
    title, message = request.get(_MOVE_ORIGINATOR, b""), request.get(_MOVE_MESSAGE_ID, b"")
    plain = title.rstrip(b"\0 ").lstrip(b" ").decode("latin-1")
    return (plain, int.from_bytes(message, "little")) if plain and len(message) == 2 else None


def parse_command(command: bytes) -> dict[int, bytes]:
    """Values by element number of a command set: group 0000, Implicit VR Little Endian (PS3.7 6.3.1)."""
    elements, at = {}, 0
    while at < len(command):
        if len(command) - at < 8:
            raise ProtocolError("truncated command set")
        group, number, length = _ELEMENT.unpack_from(command, at)
        at += 8
        if group or length > len(command) - at:
            raise ProtocolError("element of a command set")
        elements[number] = command[at : at + length]
        at += length
    return elements


def p_data(context_id: int, command: bytes) -> bytes:
    """A P-DATA-TF PDU with one whole command set."""
    return _PDU.pack(P_DATA_TF, len(command) + 6) + _PDV.pack(len(command) + 2, context_id, 3) + command


def encode_command(elements: dict[int, bytes]) -> bytes:
    """A command set with its group length; values must already be padded to even length."""
    body = b"".join(_ELEMENT.pack(0, number, len(value)) + value for number, value in sorted(elements.items()))
    return _ELEMENT.pack(0, 0, 4) + struct.pack("<I", len(body)) + body
