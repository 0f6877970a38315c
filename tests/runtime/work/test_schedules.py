"""Schedules of workers that start at the same moment on one database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dbos import DBOS

from miqa_node.core.settings import load_settings
from miqa_node.parts import Schedule
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.queue import Worker, migrate_queue

pytestmark = pytest.mark.more


def test_a_schedule_that_another_process_made_first_stops_nobody(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate_queue(database)
    schedule = Schedule("monthly-report", "0 5 2 * *", lambda _: None)

    def work(name: str) -> None:
        worker = Worker(database, name, load_settings().work, tmp_path)
        worker.start(lambda _: None, (schedule,))
        worker.stop()

    work("w1")
    calls: list[str] = []
    ask: Any = DBOS.get_schedule

    def too_early(name: str) -> Any:
        calls.append(name)
        return None if len(calls) == 1 else ask(name)

    monkeypatch.setattr(DBOS, "get_schedule", too_early)
    work("w2")
    assert len(calls) == 2
