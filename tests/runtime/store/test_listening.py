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
from tests.waiting import wait_until

LIMIT_S = 20.0
POLL_S = 3600.0


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peers)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'miqa.sqlite'}"
        return
    with PostgresServer() as server:
        yield server.url


@contextmanager
def hearing(database: Database) -> Iterator[dict[str, threading.Event]]:
    """Events that are set by announcements to this database, once the listener has begun."""
    events = {topic: threading.Event() for topic in TOPICS}
    for topic, event in events.items():
        database.on_commit(topic, event.set)
    listener = CommitListener(database)
    listener.start()
    try:
        yield events
    finally:
        listener.stop()


def ring_until_heard(database: Database, event: threading.Event) -> None:
    """Twice: the listener may need a moment to begin, and once it has begun it may have missed anything."""
    for _ in range(2):
        event.clear()
        wait_until(lambda: heard_within(database, event, 0.2), LIMIT_S)


def heard_within(database: Database, event: threading.Event, seconds: float) -> bool:
    with database.begin() as transaction:
        announce(transaction, JOBS)
    return event.wait(seconds)


def test_a_commit_of_another_process_is_heard_by_its_topic(url: str) -> None:
    with closing(Database(url)) as own, closing(Database(url)) as other, hearing(own) as events:
        ring_until_heard(other, events[JOBS])
        for event in events.values():
            event.clear()
        with suppress(RuntimeError), other.begin() as transaction:
            announce(transaction, REASSESSMENTS)
            raise RuntimeError
        with other.begin() as transaction:
            announce(transaction, DELIVERIES)
        assert events[DELIVERIES].wait(LIMIT_S)
        assert not events[REASSESSMENTS].is_set(), "what was rolled back was never announced"


def test_an_own_commit_is_heard_once(url: str) -> None:
    counts: list[str] = []
    with closing(Database(url)) as own, closing(Database(url)) as other, hearing(own) as events:
        ring_until_heard(other, events[JOBS])
        own.on_commit(DELIVERIES, lambda: counts.append(DELIVERIES))
        with own.begin() as transaction:
            announce(transaction, DELIVERIES)
        ring_until_heard(other, events[JOBS])  # by then a second ring of the own commit would have been heard
        assert counts == [DELIVERIES]


@pytest.mark.more
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
