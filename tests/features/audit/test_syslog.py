"""The syslog receiver gets every record in order, over TLS, TCP and UDP, also those of the time when it was away."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.role import NodeRole
from miqa_node.core.keys.signing import Signer
from miqa_node.core.observe.alerts import ALERTS
from miqa_node.core.settings import Settings, load_settings
from miqa_node.errors import SettingsError
from miqa_node.features.audit import rows as chain
from miqa_node.features.audit.work import audit as audit_module
from miqa_node.features.audit.work.audit import AuditKeeper
from miqa_node.features.audit.work.audit_sending import AuditSending, mark_of
from miqa_node.runtime.people.audit import marks, records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Database
from tests.conftest import free_port
from tests.waiting import delay, wait_until

LIMIT_S = 60.0


class Receiver:
    """Reads octet-counted frames (RFC 5425 4.3) of any number of connections."""

    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        self.lines: list[bytes] = []
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", port))
        self._connections: list[socket.socket] = []
        self._readers: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._readers.append(threading.Thread(target=self._read, args=(connection,), daemon=True))
                self._readers[-1].start()

    def _read(self, plain: socket.socket) -> None:
        with suppress(OSError), plain, self._secured(plain) as connection:
            self._connections.append(connection)
            held = b""
            while chunk := connection.recv(65536):
                held += chunk
                while (match := re.match(rb"(\d+) ", held)) and len(held) >= match.end() + int(match[1]):
                    end = match.end() + int(match[1])
                    self.lines.append(held[match.end() : end])
                    held = held[end:]

    def _secured(self, connection: socket.socket) -> socket.socket:
        return connection if self._context is None else self._context.wrap_socket(connection, server_side=True)

    def close(self) -> None:
        """Only when no thread is left that has a connection, which it closes itself."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        self._acceptor.join(LIMIT_S)
        for reader in self._readers:
            while reader.is_alive():  # a handshake may end with another socket than it began with
                for connection in list(self._connections):
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                reader.join(0.05)


def numbers(lines: list[bytes]) -> list[int]:
    return [int(re.findall(rb'sequenceId="(\d+)"', line)[0]) for line in lines]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def record_more(database: Database, folder: Path, count: int) -> None:
    with database.begin() as transaction:
        for number in range(count):
            records.add(transaction, AuditEntry(AuditEvent.STUDY_SEEN, datetime.now(UTC), "ada", study=f"1.2.{number}"))
        chain.seal(transaction, Signer.open(folder / "signing.key"), "t", datetime.now(UTC))


def sent(database: Database, settings: Settings) -> int:
    with database.begin() as transaction:
        place = marks.read(transaction, mark_of(settings))
    return -1 if place is None else place.number


def settings_for(folder: Path, port: int, transport: str, **more: Any) -> Settings:
    audit: dict[str, Any] = {
        "syslog_transport": transport,
        "syslog_host": "127.0.0.1",
        "syslog_port": port,
    }
    return load_settings(node={"data_dir": folder}, audit={**audit, **more})


def test_a_receiver_with_a_certificate_of_somebody_else_gets_nothing(
    database: Database, tmp_path: Path, stack: ExitStack
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context, authority = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), trustme.CA()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    port = free_port()
    receiver = Receiver(port, context)
    stack.callback(receiver.close)
    record_more(database, tmp_path, 1)
    settings = settings_for(tmp_path, port, "tls", syslog_ca=str(tmp_path / "ca.pem"))
    sending = AuditSending(database, settings)
    stack.callback(sending.stop)
    sending.look()
    assert receiver.lines == []
    assert sent(database, settings) == 0

    (tmp_path / "ca.pem").write_text("half a file")
    sending.look()
    assert sent(database, settings) == 0
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))  # without a restart
    sending.look()
    assert sent(database, settings) == 1


def test_udp_sends_one_datagram_for_each_record(database: Database, tmp_path: Path, stack: ExitStack) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(LIMIT_S)
        record_more(database, tmp_path, 2)
        sending = AuditSending(database, settings_for(tmp_path, receiver.getsockname()[1], "udp"))
        stack.callback(sending.stop)
        sending.look()
        assert numbers([receiver.recv(65536), receiver.recv(65536)]) == [1, 2]


def test_a_transport_without_a_host_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="syslog_host"):
        load_settings(audit={"syslog_transport": "tls"})


def test_the_keeper_reads_the_settings_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have hundreds of values, which never change while the process runs."""
    counts: list[str] = []
    monkeypatch.setattr(audit_module, "WATCH_INTERVAL", timedelta(0))
    monkeypatch.setattr(audit_module, "values_of", lambda _: counts.append("read") or {"dicom.port": 1})
    settings = settings_for(tmp_path, free_port(), "tcp")
    keeper = AuditKeeper(database, settings, Signer.open(tmp_path / "signing.key"), NodeRole.ALL, {})
    for _ in range(3):
        keeper.look()
    assert counts == ["read"]


@pytest.mark.more
@pytest.mark.parametrize("transport", ["tls", "tcp"])
def test_nothing_is_lost_while_the_receiver_is_away(
    database: Database, tmp_path: Path, stack: ExitStack, transport: str
) -> None:
    authority, port = trustme.CA(), free_port()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    other_context = context if transport == "tls" else None
    settings = settings_for(tmp_path, port, transport, syslog_ca=str(tmp_path / "ca.pem") if other_context else "")
    sending = AuditSending(database, settings)
    record_more(database, tmp_path, 3)
    sending.look()
    first = Receiver(port, other_context)
    stack.callback(first.close)
    sending.start()
    stack.callback(sending.stop)
    wait_until(lambda: numbers(first.lines) == [1, 2, 3])
    record_more(database, tmp_path, 2)
    wait_until(lambda: numbers(first.lines) == [1, 2, 3, 4, 5])
    first.close()
    record_more(database, tmp_path, 2)
    delay(0.5)  # it looks for a receiver that is away
    second = Receiver(port, other_context)
    stack.callback(second.close)
    # 4 and 5 may come again: syslog does not say what it took before its connection broke
    wait_until(lambda: numbers(second.lines)[-2:] == [6, 7])
    wait_until(lambda: sent(database, settings) == 7)


@pytest.mark.more
def test_the_keeper_seals_what_happens_and_the_receiver_has_it_soon(
    database: Database, tmp_path: Path, stack: ExitStack
) -> None:
    port = free_port()
    receiver = Receiver(port, None)
    stack.callback(receiver.close)
    settings = settings_for(tmp_path, port, "tcp")
    signer, version = Signer.open(tmp_path / "signing.key"), ["1"]
    ALERTS.take()  # those of other tests in this process
    keeper = AuditKeeper(database, settings, signer, NodeRole.ALL, {"policy": lambda: {"version": version[0]}})
    sending = AuditSending(database, settings)
    for part in (keeper, sending):
        part.start()
        stack.callback(part.stop)
    wait_until(lambda: len(receiver.lines) == 3)  # start, settings, policy
    version[0] = "2"
    ALERTS.add("connection refused", "unlisted", f"10.0.0.66:{port}")  # the same one counts once a minute
    wait_until(lambda: len(receiver.lines) == 5)
    start = time.monotonic()
    with database.begin() as transaction:
        records.add(transaction, AuditEntry(AuditEvent.STUDY_SEEN, datetime.now(UTC), "vera", study="1.2.3"))
    wait_until(lambda: b"vera" in receiver.lines[-1])
    print(f"seen by the receiver after {time.monotonic() - start:.2f} s")
    with database.begin() as transaction:
        rows = records.after(transaction, 0, 99)
    assert {AuditEvent.STARTED, AuditEvent.SETTINGS_CHANGED, AuditEvent.POLICY_CHANGED, AuditEvent.REFUSED} <= {
        row.event for row in rows
    }
    assert chain.check(database, {signer.public_key}).faults == ()
