"""200 results, an hour without a receiver, kills of both sides, answers cut in half: each arrives, always the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from miqa_node.runtime.store.database import Database
from miqa_selftest.launch import NodeProcess
from tests.conftest import free_port
from tests.packages.hl7.making import queue, statement, states
from tests.packages.hl7.receiving import control_id, fields
from tests.waiting import stays, wait_until

pytestmark = [pytest.mark.more, pytest.mark.long]

RESULTS = 200
CLOCK = 60.0
"""How much faster time passes: the hour takes a minute, and each pause of the lane is as much shorter."""
HOUR_S = 3600.0 / CLOCK


@contextmanager
def killed(port: int, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A receiver that is killed in the end; every third of its answers breaks off, every seventh never comes."""
    command = [sys.executable, "-m", "tests.packages.hl7.receiving", str(port), str(file)]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.kill()


def taken(file: Path) -> list[bytes]:
    """The whole messages of a receiver's file; one that a kill cut short has no end."""
    return file.read_bytes().split(b"\n")[:-1] if file.exists() else []


def test_each_message_arrives_and_is_always_the_same(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "taken"
    (tmp_path / "destinations.toml").write_text(
        f'[[destination]]\nname = "ris"\nkind = "hl7"\nhost = "127.0.0.1"\nport = {port}\ntls = false\n'
    )
    pauses = {"BACKOFF_INITIAL_S": 10.0, "BACKOFF_MAX_S": 300.0, "BREAKER_PAUSE_S": 30.0, "DIMSE_TIMEOUT_S": 30.0}
    environment = {f"MIQA_DELIVER__{name}": str(pause_s / CLOCK) for name, pause_s in pauses.items()}

    def node() -> NodeProcess:
        return NodeProcess(tmp_path, "MIQA", 0, 0, environment=environment)

    def kill(process: NodeProcess) -> None:
        subprocess.run(["kill", "-9", str(process.pid)], check=True)
        wait_until(lambda: not process.running())

    def ids() -> set[str]:
        return {control_id(one) for one in taken(file)}

    first = node()
    first.start()
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}")
    queue(database, *map(statement, range(RESULTS)))
    wait_until(lambda: any(text for _state, text in states(database).values()))
    stays(lambda: {state for state, _text in states(database).values()} == {"QUEUED"}, HOUR_S / 2)
    kill(first)
    second = node()
    second.start()
    stays(lambda: {state for state, _text in states(database).values()} == {"QUEUED"}, HOUR_S / 2)
    with killed(port, file):
        wait_until(lambda: len(ids()) > RESULTS // 4)
    kill(second)
    with node(), killed(port, file):
        wait_until(lambda: len(ids()) > RESULTS // 2)
    with node(), killed(port, file):
        wait_until(lambda: {state for state, _text in states(database).values()} == {"SENT"}, 300.0)
    database.close()
    messages = taken(file)
    assert ids() == {statement(number).result_id for number in range(RESULTS)}
    assert len(set(messages)) == RESULTS, "each repetition is the same, byte for byte"
    assert len(messages) > RESULTS + RESULTS // 4, "many were sent again: their answers broke off"
    assert {fields(one, "OBR")[0][25] for one in messages} == {"P"}
