"""kill -9 of a node's own process, of those that receive beside it and of the one that they are forked from, while four
associations send: nothing that was answered is lost, nothing is there twice, and the node goes on."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_selftest.launch import NodeProcess
from tests.conftest import KINDS_OF_DATABASE, free_port
from tests.quick import in_gate
from tests.stages.receive.wire import RawPeer, encoded, p_data, pdv, small_image
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

SENDERS, RECEIVERS = 4, 3
KILLS = int(os.environ.get("MIQA_TEST_KILLS", "6"))
"""A campaign asks for more."""
MORE_ANSWERS = 8
"""Answers between two kills: work is under way when the next one comes."""
IMAGE_BYTES = 1 << 18


class Senders:
    """Each sends on one association for as long as that lasts, and then on the next one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._is_over = threading.Event()
        self.answered: list[str] = []
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(SENDERS)]

    @contextmanager
    def sending(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in self._threads:
                thread.join()

    def _send(self) -> None:
        while not self._is_over.is_set():
            with suppress(OSError, EOFError, AssertionError), RawPeer(self._port) as peer:
                while not self._is_over.is_set():
                    self._send_one(peer)

    def _send_one(self, peer: RawPeer) -> None:
        ds = small_image(size=IMAGE_BYTES)
        peer.socket.sendall(p_data(pdv(3, RawPeer.command(ds.SOPClassUID, ds.SOPInstanceUID))))
        peer.socket.sendall(p_data(pdv(2, encoded(ds))))
        if peer.read_status() == 0x0000:
            self.answered.append(str(ds.SOPInstanceUID))

    def wait_for_more(self) -> None:
        count = len(self.answered)
        wait_until(lambda: len(self.answered) >= count + MORE_ANSWERS, 180.0)


class Site:
    """A node that is started again whenever its own process was killed."""

    def __init__(self, folder: Path, url: str, stack: ExitStack) -> None:
        self.folder, self.port, self._stack = folder, free_port(), stack
        self._environment = {
            "MIQA_STORE__DATABASE_URL": url,
            "MIQA_DICOM__HOST": "127.0.0.1",
            "MIQA_DICOM__RECEIVER_PROCESSES": str(RECEIVERS),
        }
        self.node = self._start()

    def _start(self) -> NodeProcess:
        node = NodeProcess(self.folder, "MIQA", self.port, free_port(), role="receive", environment=self._environment)
        return self._stack.enter_context(node)

    def processes(self) -> list[psutil.Process]:
        """The one from which others are forked, and then those that receive."""
        others = [(one, one.children()) for one in psutil.Process(self.node.pid).children()]
        return next(([template, *forks] for template, forks in others if forks), [])

    def kill(self, victim: str, chance: random.Random) -> None:
        if victim == "node":
            others = self.processes()
            os.kill(self.node.pid, signal.SIGKILL)
            wait_until(lambda: not any(one.is_running() for one in others), 60.0, "the receivers end by themselves")
            wait_until(lambda: not self.node.running(), 60.0)
            self.node = self._start()
            return
        processes = self.processes()
        for one in processes if victim == "template" else [chance.choice(processes[1:])]:
            with suppress(psutil.NoSuchProcess):  # forks outlive the one that they were made from
                one.kill()


@pytest.mark.parametrize("kind", in_gate(KINDS_OF_DATABASE, 1))
def test_nothing_answered_is_lost_when_processes_of_a_receiver_are_killed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else ""
    chance = random.Random(58)
    with ExitStack() as stack:
        site = Site(tmp_path / "node", url, stack)
        senders = Senders(site.port)
        with senders.sending():
            senders.wait_for_more()
            wait_until(lambda: len(site.processes()) == RECEIVERS, 120.0, "further processes receive")
            for number in range(KILLS):
                site.kill(("receiver", "node", "template", "receiver")[number % 4], chance)
                senders.wait_for_more()
                wait_until(lambda: len(site.processes()) == RECEIVERS, 120.0, "further processes receive again")
            wait_until(site.node.running)
    database = Database(url or f"sqlite:///{tmp_path / 'node' / 'miqa.sqlite'}")
    try:
        with database.begin() as transaction:
            rows = transaction.execute(sa.select(t.instances.c.sop_instance_uid, t.instances.c.object_key)).all()
    finally:
        database.close()
    keys = {row.sop_instance_uid: row.object_key for row in rows}
    assert len(keys) == len(rows), "each object is kept once"
    assert set(senders.answered) <= set(keys)
    assert len(set(senders.answered)) == len(senders.answered)
    assert all((tmp_path / "node" / "objects" / keys[uid]).stat().st_size > IMAGE_BYTES for uid in senders.answered)
