"""One connection by MLLP (HL7's Minimal Lower Layer Protocol, release 1): a message goes out, its answer comes back."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress

import structlog

from miqa_node.api import DeliveryError

BEGIN, END = b"\x0b", b"\x1c\r"
RECEIVED = b"\x06"
"""All of a block that says that the message arrived (MLLP release 2): the engine's own answer follows."""
MAX_ANSWER_BYTES = 1 << 16
MAX_OTHERS = 100
"""Answers to other messages that are dropped before the own one; engines repeat one or two."""

log = structlog.get_logger(__name__)


class MllpConnection:
    """Opened at its first use, and again after any trouble.

    What is still in the line when the next message goes out, such as a second answer to an earlier one, is dropped.
    """

    def __init__(self, host: str, port: int, connect_s: float, answer_s: float) -> None:
        self._address, self._connect_s, self._answer_s = (host, port), connect_s, answer_s
        self._socket: socket.socket | None = None
        self._rest = b""
        """What came behind the last block."""

    def exchange(self, message: bytes, control_id: str, tls: ssl.SSLContext | None) -> tuple[str, str]:
        """Send a message; (MSA-1, text) of its acknowledgement, DeliveryError if there is none in time."""
        for is_used in (self._socket is not None, False):
            try:
                return self._exchange(message, control_id, tls)
            except DeliveryError:
                self.close()
                raise
            except OSError as error:
                self.close()
                if not is_used or not isinstance(error, ConnectionError):
                    raise _trouble(error) from error
        raise AssertionError("the second attempt returns or raises")

    def close(self) -> None:
        """Close the connection."""
        connection, self._socket, self._rest = self._socket, None, b""
        if connection is not None:
            with suppress(OSError):
                connection.close()

    def open(self, tls: ssl.SSLContext | None) -> socket.socket:
        """The connection; OSError if nobody listens, or TLS cannot be agreed on."""
        if self._socket is None:
            plain = socket.create_connection(self._address, self._connect_s)
            try:
                self._socket = plain if tls is None else tls.wrap_socket(plain, server_hostname=self._address[0])
            except OSError:
                plain.close()
                raise
        return self._socket

    def _exchange(self, message: bytes, control_id: str, tls: ssl.SSLContext | None) -> tuple[str, str]:
        connection = self.open(tls)
        connection.settimeout(self._answer_s)
        connection.sendall(BEGIN + message + END)
        until, others = time.monotonic() + self._answer_s, 0
        while others < MAX_OTHERS:
            try:
                block = self._block(connection, until)
            except TimeoutError:
                if others:
                    break
                raise
            if block.strip() == RECEIVED:
                continue
            code, text, acknowledged = read_answer(block)
            if acknowledged == control_id:
                return code, text
            others += 1
            log.info("an answer to an earlier message was dropped", code=code[:2])
        raise DeliveryError("The receiver acknowledged another message.")

    def _block(self, connection: socket.socket, until: float) -> bytes:
        """The content of the next frame."""
        while END not in self._rest:
            try:
                connection.settimeout(max(0.001, until - time.monotonic()))
                part = connection.recv(4096)
            except TimeoutError:
                if self._rest.strip():
                    raise _unframed(self._rest) from None
                raise
            if not part and self._rest:
                raise _unframed(self._rest)
            if not part:
                raise ConnectionResetError
            self._rest += part
            if len(self._rest) > MAX_ANSWER_BYTES:
                raise DeliveryError("The receiver's answer is endless.")
        block, _, self._rest = self._rest.partition(END)
        return block[block.rfind(BEGIN) + 1 :]


def read_answer(answer: bytes) -> tuple[str, str, str]:
    """(MSA-1, text, MSA-2) of an acknowledgement of any version; DeliveryError if it is none.

    It is split by hand: receivers answer in versions, and with segments of their own, that a parser refuses.
    """
    lines = _decoded(answer).replace("\n", "\r").strip("\ufeff\r ").split("\r")
    separator = lines[0][3:4] if lines[0].startswith("MSH") else ""
    segments = [line.strip().split(separator) for line in lines] if separator else []
    msa = next((one for one in segments if one[0] == "MSA" and len(one) > 2), None)
    if msa is None or not msa[1].strip():
        raise DeliveryError("The receiver's answer is no acknowledgement.")
    texts = [*msa[3:4], *(part for one in segments if one[0] == "ERR" for part in one[1:])]
    text = " ".join(" ".join(texts).replace("^", " ").replace("&", " ").split())
    return msa[1].strip().upper(), text, msa[2].strip()


def _decoded(answer: bytes) -> str:
    try:
        return answer.decode()
    except UnicodeDecodeError:
        return answer.decode("latin-1")


def _unframed(came: bytes) -> DeliveryError:
    """Of an answer without an end: it has no frame, or only half of one."""
    if BEGIN in came and END[:1] not in came:
        return DeliveryError("The receiver's answer broke off: it has no end of an MLLP frame (0x1C 0x0D).")
    return DeliveryError(
        "The receiver answered without the frame of MLLP (0x0B before the answer, 0x1C 0x0D behind it)."
    )


def _trouble(error: OSError) -> DeliveryError:
    if isinstance(error, TimeoutError):
        return DeliveryError("The receiver did not answer in time.")
    if isinstance(error, ssl.SSLError):
        return DeliveryError("TLS with the receiver failed: {reason}.", reason=error.reason or type(error).__name__)
    if isinstance(error, ConnectionResetError):
        return DeliveryError("The receiver closed the connection before it answered.")
    return DeliveryError("The receiver could not be reached, or closed the connection.")
