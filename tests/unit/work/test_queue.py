"""Durable jobs on SQLite and PostgreSQL: promised inside a transaction, done in order, handed over by the dead."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.domain.instance import InstanceDigest
from miqa_node.errors import SettingsError
from miqa_node.settings import WorkSettings, load_settings
from miqa_node.store.database import Database
from miqa_node.store.tables import executors
from miqa_node.work.queue import DurableQueue, Schedule, Worker, migrate_queue
from miqa_node.work.recovery import RollCall

SETTINGS: WorkSettings = load_settings(work={"poll_interval_s": 0.05, "max_attempts": 2}).work


@pytest.fixture
def queue(database: Database) -> DurableQueue:
    migrate_queue(database)
    return DurableQueue(database, lambda: "model-1:policy-1")


class Recorder:
    """Steps that write down what they did."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []

    def steps(self) -> tuple[tuple[str, Callable[[InstanceDigest], None]], ...]:
        return (
            ("assess", lambda d: self.done.append(("assess", d))),
            ("conclude", lambda d: self.done.append(("conclude", d))),
        )


@pytest.fixture
def started(database: Database, queue: DurableQueue, tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder()
    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(recorder.steps())
    yield recorder
    worker.stop()


def promise(database: Database, queue: DurableQueue, digest: str) -> None:
    with database.begin() as transaction:
        queue.enqueue_assess(transaction, InstanceDigest(digest))


def wait_until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_job_runs_its_steps_in_order_and_once(database: Database, queue: DurableQueue, started: Recorder) -> None:
    promise(database, queue, "a")
    promise(database, queue, "a")
    wait_until(lambda: ("conclude", "a") in started.done)
    promise(database, queue, "a")
    promise(database, queue, "b")
    wait_until(lambda: ("conclude", "b") in started.done)
    assert started.done == [("assess", "a"), ("conclude", "a"), ("assess", "b"), ("conclude", "b")]


def test_a_rolled_back_promise_is_no_job(database: Database, queue: DurableQueue, started: Recorder) -> None:
    with pytest.raises(RuntimeError), database.begin() as transaction:
        queue.enqueue_assess(transaction, InstanceDigest("lost"))
        raise RuntimeError
    promise(database, queue, "kept")
    wait_until(lambda: ("conclude", "kept") in started.done)
    assert [digest for _, digest in started.done] == ["kept", "kept"]


def test_a_failing_step_is_tried_again(database: Database, queue: DurableQueue, tmp_path: Path) -> None:
    tries: list[float] = []
    done = threading.Event()

    def flaky(_: InstanceDigest) -> None:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise OSError("disk")

    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start((("assess", flaky), ("conclude", lambda _: done.set())))
    promise(database, queue, "a")
    assert done.wait(20)
    worker.stop()
    assert len(tries) == 3


def test_one_name_works_once_on_a_machine(database: Database, started: Recorder, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="already works"):
        Worker(database, "w1", SETTINGS, tmp_path).start(())


CHILD = """
import os, sys, time
from pathlib import Path
from miqa_node.settings import load_settings
from miqa_node.store.database import Database
from miqa_node.work.queue import Worker
database = Database(sys.argv[1])
settings = load_settings(work={"poll_interval_s": 0.05, "concurrency": 3}).work
def hang(digest):
    os.write(1, digest.encode() + b"\\n")  # one write, so that the lines of three threads stay lines
    time.sleep(600)
Worker(database, "dead", settings, Path(sys.argv[2])).start((("assess", hang), ("conclude", hang)))
time.sleep(600)
"""


@pytest.mark.slow
def test_jobs_of_a_killed_process_are_taken_over_by_another(
    database: Database, queue: DurableQueue, tmp_path: Path
) -> None:
    for digest in "abc":
        promise(database, queue, digest)
    url = database.url.render_as_string(hide_password=False)
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, url, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
    ) as child:
        try:
            assert child.stdout is not None
            assert sorted(child.stdout.readline().strip() for _ in range(3)) == ["a", "b", "c"]
        finally:
            child.kill()
    recorder = Recorder()
    worker = Worker(database, "alive", SETTINGS, tmp_path)
    worker.start(recorder.steps())
    roll_call = RollCall(database, "alive", SETTINGS)
    roll_call.start()
    try:
        with database.begin() as transaction:
            long_ago = datetime.now(UTC) - timedelta(seconds=SETTINGS.dead_after_s + 1)
            transaction.execute(sa.insert(executors).values(name="dead", started_at=long_ago, heartbeat_at=long_ago))
        assert roll_call.take_over() == 3
        assert roll_call.take_over() == 0
        wait_until(lambda: sum(step == "conclude" for step, _ in recorder.done) == 3)
    finally:
        roll_call.stop()
        worker.stop()
    assert sorted(recorder.done) == sorted((step, d) for d in "abc" for step in ("assess", "conclude"))


@pytest.mark.slow
def test_scheduled_work_is_done_at_its_time_until_it_is_taken_off_the_schedule(
    database: Database, queue: DurableQueue, tmp_path: Path
) -> None:
    due: list[datetime] = []
    failed: list[datetime] = []

    def run(due_at: datetime) -> None:
        if not failed:
            failed.append(due_at)
            raise OSError("once")
        due.append(due_at)

    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start((), (Schedule("monthly", "* * * * * *", run),))
    try:
        wait_until(lambda: len(due) >= 2)
    finally:
        worker.stop()
    assert failed[0] in due  # tried again
    assert len(set(due)) == len(due)
    assert all(abs((at.astimezone(UTC) - datetime.now(UTC)).total_seconds()) < 60 for at in due)
    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start((), (Schedule("monthly", "", run),))
    try:
        quiet_since, done = time.monotonic(), len(due)  # what was missed before may still be made up for
        end = quiet_since + 20.0
        while time.monotonic() < quiet_since + 2.5:
            assert time.monotonic() < end, "it goes on"
            time.sleep(0.1)
            if len(due) != done:
                quiet_since, done = time.monotonic(), len(due)
    finally:
        worker.stop()
