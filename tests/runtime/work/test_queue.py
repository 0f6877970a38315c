"""Durable jobs on SQLite and PostgreSQL: promised inside a transaction, done in order, handed over by the dead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import WorkSettings, load_settings
from miqa_node.errors import ResourcesError, SettingsError
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import executors
from miqa_node.runtime.work.queue import DurableQueue, Worker, migrate_queue
from miqa_node.runtime.work.recovery import RollCall
from miqa_node.runtime.work.regular import RegularWork
from tests.waiting import LIMIT_S, wait_until

SETTINGS: WorkSettings = load_settings(work={"poll_interval_s": 0.05, "max_attempts": 2}).work


@pytest.fixture
def queue(database: Database) -> DurableQueue:
    migrate_queue(database)
    return DurableQueue(database, lambda: "model-1:policy-1")


class Recorder:
    """A stage that writes down what it did."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def judge(self, digest: InstanceDigest) -> None:
        self.done.append(digest)


def no_work(_digest: InstanceDigest) -> None:
    """For a worker without jobs."""


@pytest.fixture
def started(database: Database, queue: DurableQueue, tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder()
    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(recorder.judge)
    yield recorder
    worker.stop()


def promise(database: Database, queue: DurableQueue, digest: str) -> None:
    with database.begin() as transaction:
        queue.enqueue_assess(transaction, InstanceDigest(digest))


def test_jobs_run_in_order_and_once(database: Database, queue: DurableQueue, started: Recorder) -> None:
    promise(database, queue, "a")
    promise(database, queue, "a")
    wait_until(lambda: "a" in started.done)
    promise(database, queue, "a")
    promise(database, queue, "b")
    wait_until(lambda: "b" in started.done)
    assert started.done == ["a", "b"]


def test_a_rolled_back_promise_is_no_job(database: Database, queue: DurableQueue, started: Recorder) -> None:
    with pytest.raises(RuntimeError), database.begin() as transaction:
        queue.enqueue_assess(transaction, InstanceDigest("lost"))
        raise RuntimeError
    promise(database, queue, "kept")
    wait_until(lambda: "kept" in started.done)
    assert started.done == ["kept"]


def test_one_name_works_once_on_a_machine(database: Database, started: Recorder, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="already works"):
        Worker(database, "w1", SETTINGS, tmp_path).start(no_work)


def test_beats_go_on_while_the_queue_waits_for_its_database(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, go_on = threading.Event(), threading.Event()

    def wait_for_database(**_: object) -> list[object]:
        waits.set()
        go_on.wait(60)
        return []

    monkeypatch.setattr("miqa_node.runtime.work.recovery.DBOS.list_workflows", wait_for_database)
    monkeypatch.setattr("miqa_node.runtime.work.recovery.STOP_S", 0.1)
    settings = SETTINGS.model_copy(update={"heartbeat_interval_s": 0.05})
    roll_call = RollCall(database, "w1", settings)
    roll_call.start()

    def beat_at() -> datetime:
        with database.begin() as transaction:
            at: datetime = transaction.execute(sa.select(executors.c.heartbeat_at)).scalar_one()
            return at

    assert waits.wait(LIMIT_S)
    before = beat_at()
    wait_until(lambda: beat_at() > before)
    roll_call.stop()  # neither does the end of the process wait for ever
    go_on.set()


def test_a_roll_call_that_never_began_can_be_stopped(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'none' / 'x'}")
    roll_call = RollCall(database, "w1", SETTINGS)
    with pytest.raises(ResourcesError):
        roll_call.start()
    roll_call.stop()
    database.close()


def test_regular_work_outlives_what_nobody_expected() -> None:
    class Flaky(RegularWork):
        looks = 0

        def look(self) -> None:
            self.looks += 1
            if self.looks == 1:
                raise KeyError("unexpected")

    flaky = Flaky("flaky", 0.02, "waits")
    flaky.start()
    wait_until(lambda: flaky.looks > 2)
    flaky.stop()
