# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from tests.features.audit.test_syslog import Receiver, numbers, record_more, sent, settings_for, stack
from tests.waiting import delay, wait_until


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
