"""PostgreSQL goes down while a process starts: one sentence, whatever part of the start was under way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.store import late_indexes, schema
from miqa_node.runtime.work import queue
from tests.conftest import PostgresServer
from tests.interfaces.cli.conftest import Ran

pytestmark = pytest.mark.more

STEPS = {
    "the tables": (schema, "bring_up_to_date"),
    "late indexes": (late_indexes, "build"),
    "one late index": (late_indexes, "_is_valid"),
    "the queue's tables": (queue, "migrate_queue"),
}


@pytest.mark.peers
@pytest.mark.parametrize("step", STEPS)
def test_a_database_that_goes_down_during_the_start_is_said_in_one_sentence(
    step: str, cli: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name = STEPS[step]
    begin = getattr(module, name)
    with PostgresServer() as server:
        monkeypatch.setenv("MIQA_STORE__DATABASE_URL", server.url)

        def begin_without(*arguments: Any) -> Any:
            monkeypatch.setattr(module, name, begin)
            server.stop()
            return begin(*arguments)

        monkeypatch.setattr(module, name, begin_without)

        ran = cli("migrate", "--data-dir", str(tmp_path))

    assert ran.code == Exit.UNAVAILABLE
    *logged, last = ran.err.splitlines()
    assert last.startswith("miqa-node: The database did not answer: ")
    assert all(json.loads(line)["level"] == "warning" for line in logged)
