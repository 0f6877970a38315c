"""Jobs begin when they are promised and when there is room for them, not at the next poll."""

from __future__ import annotations

import queue as queue_of_names
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import load_settings
from miqa_node.runtime.store.database import JOBS, Database, announce
from miqa_node.runtime.work import alarm as alarm_module
from miqa_node.runtime.work import executors, rare_polls
from miqa_node.runtime.work import queue as queue_module
from miqa_node.runtime.work.alarm import JobAlarm
from miqa_node.runtime.work.queue import (
    IMAGE_QUEUE,
    JOBS_PER_WORKER,
    RECOVERY_QUEUE,
    DurableQueue,
    Worker,
    migrate_queue,
)
from miqa_node.runtime.work.recovery import RollCall
from tests.waiting import wait_until

POLL_S = 3600.0
LIMIT_S = 60.0


def test_a_transaction_that_is_rolled_back_wakes_nobody() -> None:
    database, rung = Database.in_memory(), []
    database.on_commit(JOBS, lambda: rung.append(JOBS))
    with suppress(RuntimeError), database.begin() as transaction:
        announce(transaction, JOBS)
        raise RuntimeError
    with database.begin():
        pass
    assert rung == []
    with database.begin() as transaction:
        announce(transaction, JOBS)
        announce(transaction, JOBS)
    assert rung == [JOBS]
    database.close()


def test_an_alarm_ends_with_what_stops_the_thread() -> None:
    alarm, stopping = JobAlarm(), threading.Event()
    alarm.ring()
    assert not alarm.wait(stopping, LIMIT_S)
    stopping.set()
    assert alarm.wait(stopping, LIMIT_S)


def test_an_alarm_rings_for_room_for_several_or_if_little_is_left_to_do() -> None:
    alarm, stopping = JobAlarm(enough=4), threading.Event()
    assert is_prompt(alarm, stopping), "at the start jobs may wait"
    for jobs, rings in ((7, False), (6, False), (5, False), (4, True), (4, False), (3, True), (2, True), (9, False)):
        alarm.ring_at_end(jobs)
        assert is_prompt(alarm, stopping) == rings, jobs


class Pauses(threading.Event):
    """An event that waits no time, and notes for how long it would have."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        return self.is_set()


def paused(alarm: JobAlarm) -> Pauses:
    """The pauses of an alarm; as before, it rings for the jobs that are there at the start."""
    pauses = Pauses()
    pauses.set()
    alarm._ringing = pauses
    return pauses


def is_prompt(alarm: JobAlarm, stopping: threading.Event) -> bool:
    """Whether the alarm ends a wait before its interval does."""
    rings = alarm._ringing.is_set()
    alarm.wait(stopping, 0.0)
    return rings


def test_a_queue_that_is_usually_empty_is_polled_often_only_while_it_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    alarm, stopping = JobAlarm(3600.0), threading.Event()
    pauses = paused(alarm)
    alarm.wait(stopping, 1.0)
    assert not pauses.is_set(), "the ring was heard"
    alarm.wait(stopping, 1.0)
    alarm.wait(stopping, 1.0, jobs=1)
    alarm.wait(stopping, 1.0)
    monkeypatch.setattr(alarm_module, "BUSY_S", -1.0)
    alarm.ring()
    alarm.wait(stopping, 1.0)
    alarm.wait(stopping, 1.0)
    assert pauses.asked == [3600.0, 3600.0, 1.0, 1.0, 3600.0, 3600.0], "without jobs the pauses are long again"


def test_a_library_that_is_built_otherwise_is_polled_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_module, "_forget", None)
    assert not alarm_module.attach({})


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Workers on it pause for an hour before they look at a queue that is usually empty."""
    for name in ("IDLE_LOOK_S", "EARLIER_LOOK_S", "INTERNAL_LOOK_S"):
        monkeypatch.setattr(queue_module, name, POLL_S)
    with closing(Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}")) as database:
        database.migrate()
        migrate_queue(database)
        yield database


def test_a_worker_that_stops_waits_for_no_pause(database: Database, tmp_path: Path) -> None:
    worker = Worker(database, "w1", load_settings(work={"poll_interval_s": POLL_S, "processes": 1}).work, tmp_path)
    worker.start(lambda _: None)
    try:
        wait_until(lambda: all(alarm.polls for alarm in worker._alarms.values()))
    finally:
        threads = [one for one in threading.enumerate() if "queue" in one.name]
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        wait_until(lambda: not any(one.is_alive() for one in threads), what="threads wait for the end of an hour")
        stopping.join()


def test_jobs_of_a_dead_process_do_not_wait_for_a_poll(database: Database, tmp_path: Path) -> None:
    queue, jobs, long_ago = DurableQueue(database, lambda: "version"), ("1", "2"), datetime(2000, 1, 1, tzinfo=UTC)
    with database.begin() as transaction:
        for digest in jobs:
            queue.enqueue_assess(transaction, InstanceDigest(digest))
        transaction.exec_driver_sql("UPDATE workflow_status SET status = 'PENDING', executor_id = 'dead'")
        executors.beat(transaction, "dead", long_ago, "")
    done, settings = threading.Semaphore(0), load_settings(work={"processes": 1}).work

    def assess(_: InstanceDigest) -> None:
        done.release()

    worker = Worker(database, "w1", settings, tmp_path)
    worker.start(assess)
    try:
        wait_until(lambda: worker._alarms[RECOVERY_QUEUE].polls > 1)
        assert RollCall(database, "w1", settings).take_over() == len(jobs)
        assert all(done.acquire(timeout=LIMIT_S) for _ in jobs)
    finally:
        worker.stop()


@pytest.mark.more
def test_no_job_waits_for_a_poll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the first one of an idle worker, nor the next ones of a busy one."""
    monkeypatch.setattr(rare_polls, "QUEUES_S", 0.0)
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}")
    database.migrate()
    migrate_queue(database)
    queue = DurableQueue(database, lambda: "version")
    start, others_wait, done = threading.Semaphore(0), threading.Event(), threading.Semaphore(0)
    first, more = [f"first {n}" for n in range(JOBS_PER_WORKER)], [f"more {n}" for n in range(JOBS_PER_WORKER + 1)]

    def judge(digest: InstanceDigest) -> None:
        if digest in first:
            start.release()
            assert others_wait.wait(LIMIT_S)
        done.release()

    def promise(*digests: str) -> None:
        with database.begin() as transaction:
            for digest in digests:
                queue.enqueue_assess(transaction, InstanceDigest(digest))

    # The thread that polls has its first pause before it has looked at anything: it must not last an hour here.
    worker = Worker(database, "w1", load_settings(work={"poll_interval_s": 0.2, "processes": 1}).work, tmp_path)
    worker.start(judge)
    promise(*first)
    assert all(start.acquire(timeout=LIMIT_S) for _ in first)
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE queues SET polling_interval_sec = {POLL_S} WHERE name = '{IMAGE_QUEUE}'")
    with poll_of(worker):  # which finds no room
        promise(*more)
    others_wait.set()
    try:
        assert all(done.acquire(timeout=LIMIT_S) for _ in (*first, *more))
        promise("last")
        assert done.acquire(timeout=LIMIT_S)
    finally:
        worker.stop()
        database.close()


@pytest.mark.more
def test_a_full_queue_is_looked_at_after_half_of_its_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look costs processor time; meanwhile the other half is work enough."""
    monkeypatch.setattr(rare_polls, "QUEUES_S", 0.0)
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}")
    database.migrate()
    migrate_queue(database)
    queue = DurableQueue(database, lambda: "version")
    starts, ends = queue_of_names.SimpleQueue[str](), defaultdict[str, threading.Event](threading.Event)
    first, more = [f"first {n}" for n in range(JOBS_PER_WORKER)], [f"more {n}" for n in range(JOBS_PER_WORKER // 2)]

    def judge(digest: InstanceDigest) -> None:
        starts.put(digest)
        assert ends[digest].wait(LIMIT_S)

    def promise(digests: list[str]) -> None:
        with database.begin() as transaction:
            for digest in digests:
                queue.enqueue_assess(transaction, InstanceDigest(digest))

    worker = Worker(database, "w1", load_settings(work={"poll_interval_s": 0.2, "processes": 1}).work, tmp_path)
    worker.start(judge)
    try:
        promise(first)
        assert {starts.get(timeout=LIMIT_S) for _ in first} == set(first)
        with database.engine.begin() as connection:
            statement = f"UPDATE queues SET polling_interval_sec = {POLL_S} WHERE name = '{IMAGE_QUEUE}'"
            connection.exec_driver_sql(statement)
        with poll_of(worker):  # which finds no room, and learns that the next poll is far away
            promise(more)
        alarm = worker._alarms[IMAGE_QUEUE]
        for digest in first[: JOBS_PER_WORKER // 2]:
            assert starts.empty()
            before = alarm._ends
            ends[digest].set()
            wait_until(lambda before=before: alarm._ends != before)  # type: ignore[misc]
        assert {starts.get(timeout=LIMIT_S) for _ in more} == set(more)
    finally:
        for digest in (*first, *more):
            ends[digest].set()
        worker.stop()
        database.close()


@contextmanager
def poll_of(worker: Worker) -> Iterator[None]:
    """Wait for a poll of images to end; the jobs that are promised meanwhile make the alarm ring for it."""
    polls = worker._alarms[IMAGE_QUEUE].polls
    yield
    wait_until(lambda: worker._alarms[IMAGE_QUEUE].polls > polls)
