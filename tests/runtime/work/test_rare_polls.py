"""Threads of the queue's library look rarely for what a node does not have, and still take what it does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from dbos import _scheduler, _workflow_commands

from miqa_node.core.settings import load_settings
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work import rare_polls
from miqa_node.runtime.work.queue import EARLIER_QUEUE, Worker, migrate_queue
from miqa_node.runtime.work.rare_polls import QueueWatchStop, make_polls_rare
from tests.waiting import grown, wait_until

QUIET_S = 4.0


def test_an_idle_queue_runs_few_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """47 in four seconds with the intervals of the library."""
    monkeypatch.setattr(rare_polls, "FIRST_S", 2.0)
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}")
    database.migrate()
    migrate_queue(database)
    worker = Worker(database, "w1", load_settings().work, tmp_path)
    worker.start(lambda _: None)
    try:
        wait_until(lambda: worker._alarms[EARLIER_QUEUE].polls > 1)
        statements: list[str] = []
        sa.event.listen(database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
        # what follows the start may take a while
        wait_until(lambda: grown(lambda: len(statements), QUIET_S) < 20, what="the queue is quiet")
    finally:
        worker.stop()
        database.close()


def test_a_queue_registered_after_the_launch_is_seen_at_once() -> None:
    pauses: list[float] = []

    class Stopping(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0.0)
            return False

    stopping = QueueWatchStop(Stopping())
    for _ in range(7):
        assert not stopping.wait(1.0)
    other = threading.Thread(target=lambda: stopping.wait(0.1))
    other.start()
    other.join()
    assert pauses == [1.0] * 5 + [rare_polls.QUEUES_S] * 2 + [0.1], "threads of single queues wait as they ask to"


@pytest.mark.parametrize("is_sqlite", [True, False])
def test_a_lock_of_postgresql_is_not_held_longer_than_the_library_allows(
    monkeypatch: pytest.MonkeyPatch, is_sqlite: bool
) -> None:
    postgres = pytest.importorskip("dbos._sys_db_postgres")
    monkeypatch.setattr(_workflow_commands, "_BACKGROUND_JOBS_INTERVAL_SEC", 1.0)
    assert make_polls_rare(is_sqlite=is_sqlite)
    seconds = _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC
    assert seconds > 1.0
    assert is_sqlite or 1000.0 * seconds < 0.8 * postgres.BACKGROUND_JOB_LOCK_IDLE_TIMEOUT_MS


def test_a_library_that_is_built_otherwise_keeps_its_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_scheduler, "_STARTUP_FAST_POLL_DURATION_SEC")
    assert not make_polls_rare(is_sqlite=True)


def test_what_hardly_changes_is_not_asked_at_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    questions: list[str] = []

    class Queues:
        there: str | None = None

        def get_queue(self, name: str, *, client_system_database: object = None) -> str | None:
            questions.append(name if client_system_database is None else "client's")
            return self.there

    queues, others = Queues(), Queues()
    monkeypatch.setattr(Queues, "get_queue", rare_polls._remembering(Queues.get_queue))
    assert [queues.get_queue("a"), queues.get_queue("a")] == [None, None], "a queue may be registered at any time"
    queues.there = others.there = "settings"
    assert [queues.get_queue("a") for _ in range(3)] == ["settings"] * 3
    assert queues.get_queue("a", client_system_database=queues) == others.get_queue("a") == "settings"
    assert questions == ["a", "a", "a", "client's", "a"]
    monkeypatch.setattr(rare_polls, "QUEUES_S", 0.0)
    assert queues.get_queue("b") == queues.get_queue("b") == "settings"
    assert questions[5:] == ["b", "b"]
