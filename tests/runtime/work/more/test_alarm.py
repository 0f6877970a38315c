# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from tests.runtime.work.test_alarm import LIMIT_S, POLL_S, database
from tests.waiting import wait_until


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
