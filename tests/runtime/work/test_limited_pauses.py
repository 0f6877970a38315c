"""After an outage of the database, however long, the queue looks every few seconds whether it is back."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from dbos import _sys_db

from miqa_node.runtime.work import limited_pauses


def test_the_pauses_of_the_queue_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own would be 1, 2, 4, 8, 16 and 32 s, each half as long or half as long again."""
    slept: list[float] = []
    clock = SimpleNamespace(**vars(time) | {"sleep": slept.append})
    for module in (_sys_db, limited_pauses):
        monkeypatch.setattr(module, "time", clock)
    assert limited_pauses.limit_pauses()
    attempts = iter(range(6))

    @_sys_db.db_retry()
    def read() -> str:
        if next(attempts, None) is not None:
            raise sa.exc.TimeoutError("no connection")
        return "back"

    assert read() == "back"
    assert len(slept) == 6
    assert max(slept) == limited_pauses.LONGEST_PAUSE_S


def test_a_library_that_is_built_otherwise_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sys_db, "time", object())
    assert not limited_pauses.limit_pauses()
