"""Two receivers of one host share a port: one of them is killed while senders send, and the other goes on."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.request import urlopen

import pytest

from miqa_selftest.launch import NodeProcess
from tests.conftest import free_port
from tests.stages.receive.wire import encoded, send_raw, small_image
from tests.waiting import wait_until

pytestmark = pytest.mark.more

SENDERS = 4
KILLED_AFTER, ALL = 40, 120


def test_what_either_of_two_receivers_acknowledged_is_kept_when_one_is_killed(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "node"
    environment = {"MIQA_DICOM__SHARED_PORT": "true", "MIQA_DICOM__HOST": "127.0.0.1"}
    acknowledged: list[str] = []
    with ExitStack() as processes:
        receivers = [
            processes.enter_context(
                NodeProcess(folder, "MIQA", port, free_port(), role="receive", environment=environment)
            )
            for _ in range(2)
        ]

        def send() -> None:
            while len(acknowledged) < ALL:
                ds = small_image()
                try:
                    response = send_raw(port, encoded(ds), sop_instance=ds.SOPInstanceUID)
                except (AssertionError, RuntimeError):
                    continue  # the receiver died before or during the association: a sender tries again
                if response is not None and response.Status == 0x0000:
                    acknowledged.append(str(ds.SOPInstanceUID))

        senders = [threading.Thread(target=send, daemon=True) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        assert wait_until(lambda: len(acknowledged) >= KILLED_AFTER, 120.0)
        both_receive = all(received(receiver) for receiver in receivers)
        os.kill(receivers[0].pid, signal.SIGKILL)
        for sender in senders:
            sender.join(120.0)
        assert not any(sender.is_alive() for sender in senders)
        assert receivers[1].running()
    assert both_receive
    with closing(sqlite3.connect(folder / "miqa.sqlite")) as connection:
        rows = connection.execute("SELECT sop_instance_uid, object_key FROM instances").fetchall()
    keys = dict(rows)
    assert len(keys) == len(rows), "each object is kept once"
    assert set(acknowledged) <= set(keys)
    assert all((folder / "objects" / keys[uid]).is_file() for uid in acknowledged)


def received(receiver: NodeProcess) -> bool:
    """Whether a receiver answered a C-STORE, by its own metrics."""
    with urlopen(f"http://127.0.0.1:{receiver.web_port}/metrics", timeout=30) as answer:
        return bool(re.search(r"^miqa_cstore_received_total\{.*\} [1-9]", answer.read().decode(), re.MULTILINE))
