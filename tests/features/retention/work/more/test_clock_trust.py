# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Nothing is removed by age while the clock cannot be believed; it goes on by itself or when a person says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from miqa_node.core.settings import load_settings
from miqa_node.features.retention.work import retention as work_retention
from miqa_node.features.retention.work.retention import Retention
from miqa_node.runtime.site_records import retention_clock
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.work import clock_trust
from miqa_node.runtime.work.clock_trust import ClockTrust
from tests.features.retention.rows.test_retention import Shelf
from tests.features.retention.work.test_clock_trust import DAY, HOUR, MINUTE, SHIFT, Clock, clock, shelf, waits
from tests.runtime.store.making import NOW


def test_a_step_ahead_removes_nothing_until_the_clock_is_right_again(
    shelf: Shelf, clock: Clock, tmp_path: Path
) -> None:
    files = [shelf.decide(number) for number in range(3)]
    settings = load_settings(node={"data_dir": tmp_path}, retention={"enabled": True, "min_free_percent": 0})
    retention = Retention(shelf.database, shelf.objects, settings)
    retention.look()
    clock.is_set(SHIFT)
    with capture_logs() as lines:
        for _ in range(3):
            clock.passes(MINUTE)
            retention.look()
    assert [line["event"] for line in lines] == ["nothing is removed by age: the clock made a step"]
    assert shelf.has(*files) == [True] * 3
    assert "set ahead by 60 days" in waits(shelf.database)
    clock.is_set(-SHIFT)
    retention.look()
    assert (shelf.has(*files), waits(shelf.database)) == ([True] * 3, "")
    for _ in range(31):  # real days
        clock.passes(DAY - HOUR)
        retention.look()
        clock.passes(HOUR)
    retention.look()
    assert shelf.has(*files) == [False] * 3
