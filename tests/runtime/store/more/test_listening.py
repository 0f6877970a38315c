# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""What one process commits wakes the others, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import load_settings
from miqa_node.runtime.store.database import DELIVERIES, JOBS, REASSESSMENTS, TOPICS, Database, announce
from miqa_node.runtime.store.listening import CommitListener
from miqa_node.runtime.work.migration import migrate
from miqa_node.runtime.work.queue import DurableQueue, Worker
from tests.conftest import PostgresServer
from tests.runtime.store.test_listening import LIMIT_S, hearing, ring_until_heard, url
from tests.waiting import wait_until

POLL_S = 3600.0


def test_a_job_of_another_process_does_not_wait_for_a_poll(url: str, tmp_path: Path) -> None:
    done = threading.Semaphore(0)
    with closing(Database(url)) as own, closing(Database(url)) as other:
        migrate(own)
        worker = Worker(own, "w1", load_settings(work={"poll_interval_s": 0.2, "processes": 1}).work, tmp_path)
        worker.start(lambda _: done.release())
        queue = DurableQueue(other, lambda: "version")
        try:
            promise(other, queue, "first")
            assert done.acquire(timeout=LIMIT_S)
            table = "queues" if own.is_sqlite else "dbos.queues"
            with own.engine.begin() as connection:
                connection.exec_driver_sql(f"UPDATE {table} SET polling_interval_sec = {POLL_S}")
            with hearing(own) as events:
                ring_until_heard(other, events[JOBS])
                promise(other, queue, "second")
                assert done.acquire(timeout=LIMIT_S)
        finally:
            worker.stop()


def promise(database: Database, queue: DurableQueue, digest: str) -> None:
    with database.begin() as transaction:
        queue.enqueue_assess(transaction, InstanceDigest(digest))
