"""Messages to a syslog receiver (RFC 5424): over TLS (RFC 5425), TCP (RFC 6587 3.4.1) or UDP (RFC 5426)."""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence
from contextlib import suppress

from miqa_node.core.domain.audit import AuditRecord
from miqa_node.core.network import tls
from miqa_node.core.settings import AuditSettings, SyslogTransport
from miqa_node.errors import DeliveryError, SettingsError

PRIORITY = 10 * 8 + 5
"""Facility 10 (security), severity 5 (notice): PS3.15 A.6."""

MESSAGE_ID = "DICOM+RFC3881"
POLL_S = 0.005
TIMEOUT_S = 10.0


class SyslogClient:
    """One connection, opened when needed; for one thread."""

    def __init__(self, settings: AuditSettings, host_name: str) -> None:
        self._settings = settings
        self._host_name = host_name
        self._socket: socket.socket | None = None
        if settings.syslog_transport is SyslogTransport.TLS:
            tls_context(settings)  # a wrong file ends the start

    def send(self, messages: Sequence[tuple[AuditRecord, bytes]]) -> None:
        """Send messages in order; when this returns, the receiving machine has acknowledged all (TCP and TLS).

        Raises
        ------
        DeliveryError
            The receiver is unavailable. It may have some of the messages; send all of them again.
        """
        try:
            connection = self._connected()
            lines = [syslog_line(record, xml, self._host_name) for record, xml in messages]
            if self._settings.syslog_transport is SyslogTransport.UDP:
                for line in lines:
                    connection.send(line)
                return
            connection.sendall(b"".join(b"%d %s" % (len(line), line) for line in lines))
            self._await_acknowledgement(connection)
        except (OSError, ssl.SSLError, SettingsError) as error:
            self.close()
            raise DeliveryError("The syslog receiver cannot be reached: {error}", error=error) from error

    def close(self) -> None:
        """Close the connection; the next message opens another one."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is not None and _was_closed(self._socket):
            self.close()
        if self._socket is None:
            self._socket = self._connect()
        return self._socket

    def _connect(self) -> socket.socket:
        settings = self._settings
        where = settings.syslog_host, settings.syslog_port
        if settings.syslog_transport is SyslogTransport.UDP:
            family, kind, protocol, _name, address = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
            datagrams = socket.socket(family, kind, protocol)
            datagrams.settimeout(TIMEOUT_S)
            datagrams.connect(address)
            return datagrams
        plain = socket.create_connection(where, TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if settings.syslog_transport is not SyslogTransport.TLS:
            return plain
        try:  # the files are read again, so a renewal needs no restart
            return tls_context(settings).wrap_socket(plain, server_hostname=settings.syslog_host)
        except (OSError, ssl.SSLError, SettingsError):
            plain.close()
            raise

    def _await_acknowledgement(self, connection: socket.socket) -> None:
        """Wait until the peer's machine has acknowledged every byte: syslog itself has no acknowledgement."""
        deadline = time.monotonic() + TIMEOUT_S
        while struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]:
            if time.monotonic() > deadline:
                raise TimeoutError("it acknowledges nothing")
            time.sleep(POLL_S)
        if _was_closed(connection):
            raise ConnectionResetError("it closed the connection")


def syslog_line(record: AuditRecord, xml: bytes, host_name: str) -> bytes:
    """The syslog message (RFC 5424 6): the record's number is in the structured data, so gaps show."""
    at = record.at.replace("+00:00", "Z")
    number = f'[meta sequenceId="{(record.number - 1) % (2**31 - 1) + 1}"]'
    head = f"<{PRIORITY}>1 {at} {host_name} miqa-node {os.getpid()} {MESSAGE_ID} {number} "
    return head.encode("ascii", "replace") + b"\xef\xbb\xbf" + xml


def tls_context(settings: AuditSettings) -> ssl.SSLContext:
    """Context with the receiver's authority and the node's certificate; SettingsError if a file cannot be read."""
    try:
        return tls.client_context(settings.syslog_ca, settings.syslog_certificate, settings.syslog_key)
    except OSError as error:
        raise SettingsError(f"audit.syslog_ca, _certificate or _key cannot be used: {error}") from error


def _was_closed(connection: socket.socket) -> bool:
    """Whether the peer has ended the connection; receivers never send anything else."""
    if connection.type == socket.SOCK_DGRAM:
        return False
    before = connection.gettimeout()
    try:
        connection.settimeout(0.0)
        return connection.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(before)
