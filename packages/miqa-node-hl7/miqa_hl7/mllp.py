"""One connection by MLLP (HL7's Minimal Lower Layer Protocol, release 1): a message goes out, its answer comes back."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress

from miqa_node.api import DeliveryError

BEGIN, END = b"\x0b", b"\x1c\r"
MAX_ANSWER_BYTES = 1 << 16


class MllpConnection:
    """Opened at its first use, and again after any trouble: no answer can belong to an earlier message."""

    def __init__(self, host: str, port: int, connect_s: float, answer_s: float) -> None:
        self._address, self._connect_s, self._answer_s = (host, port), connect_s, answer_s
        self._socket: socket.socket | None = None

    def exchange(self, message: bytes, tls: ssl.SSLContext | None) -> bytes:
        """Send a message and return its answer, both without their frames; DeliveryError if there is none in time."""
        is_used = self._socket is not None
        try:
            return self._exchange(message, tls)
        except ConnectionError:
            self.close()
            if not is_used:
                raise DeliveryError("The receiver closed the connection before it answered.") from None
        except OSError as error:
            self.close()
            raise _trouble(error) from error
        try:  # the receiver had closed a connection that nobody used for a while
            return self._exchange(message, tls)
        except OSError as error:
            self.close()
            raise _trouble(error) from error

    def close(self) -> None:
        """Close the connection."""
        connection, self._socket = self._socket, None
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

    def _exchange(self, message: bytes, tls: ssl.SSLContext | None) -> bytes:
        connection = self.open(tls)
        connection.settimeout(self._answer_s)
        connection.sendall(BEGIN + message + END)
        until, answer = time.monotonic() + self._answer_s, b""
        while END not in answer:
            connection.settimeout(max(0.001, until - time.monotonic()))
            part = connection.recv(4096)
            if not part and answer:
                self.close()
                raise DeliveryError("The receiver's answer broke off.")
            if not part:
                raise ConnectionResetError
            answer += part
            if len(answer) > MAX_ANSWER_BYTES:
                self.close()
                raise DeliveryError("The receiver's answer is endless.")
        return answer[answer.rfind(BEGIN, 0, answer.index(END)) + 1 : answer.index(END)]


def read_answer(answer: bytes, control_id: str) -> tuple[str, str]:
    """(MSA-1, text) of an acknowledgement of any version; DeliveryError if it is none, or one of another message.

    It is split by hand: receivers answer in versions, and with segments of their own, that a parser refuses.
    """
    lines = answer.decode("utf-8", "replace").replace("\n", "\r").strip("\r").split("\r")
    separator = lines[0][3:4] if lines[0].startswith("MSH") else ""
    segments = [line.split(separator) for line in lines] if separator else []
    msa = next((one for one in segments if one[0] == "MSA" and len(one) > 2), None)
    if msa is None or not msa[1].strip():
        raise DeliveryError("The receiver's answer is no acknowledgement.")
    if msa[2].strip() != control_id:
        raise DeliveryError("The receiver acknowledged another message.")
    texts = [*msa[3:4], *(part for one in segments if one[0] == "ERR" for part in one[1:])]
    return msa[1].strip(), " ".join(" ".join(texts).replace("^", " ").replace("&", " ").split())


def _trouble(error: OSError) -> DeliveryError:
    if isinstance(error, TimeoutError):
        return DeliveryError("The receiver did not answer in time.")
    if isinstance(error, ssl.SSLError):
        return DeliveryError("TLS with the receiver failed: {reason}.", reason=error.reason or type(error).__name__)
    return DeliveryError("The receiver could not be reached, or closed the connection.")
