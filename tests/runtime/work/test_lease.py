"""One node name, one process: here, on two machines, after a crash, and at the same moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from miqa_node.core.settings import WorkSettings, load_settings
from miqa_node.errors import SettingsError
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import executors
from miqa_node.runtime.work.lease import NameLease
from miqa_node.runtime.work.process import ProcessIdentity

SETTINGS: WorkSettings = load_settings().work
TAKE = """
import sys, threading
from miqa_node.errors import SettingsError
from miqa_node.core.settings import load_settings
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.lease import NameLease
try:
    NameLease(Database(sys.argv[1]), "w1", load_settings().work).take()
    print("taken", flush=True)
    threading.Event().wait(600)
except SettingsError as error:
    print(error, flush=True)
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(database: Database) -> Iterator[Start]:
    """Starts a process that takes the name w1, or says why it cannot."""
    started: list[subprocess.Popen[str]] = []

    def begin(*before: str) -> subprocess.Popen[str]:
        url = database.url.render_as_string(hide_password=False)
        command = [*before, sys.executable, "-c", TAKE, url]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def lease(database: Database) -> NameLease:
    return NameLease(database, "w1", SETTINGS)


def hold(database: Database, holder: ProcessIdentity, silent_s: float) -> None:
    at = datetime.now(UTC) - timedelta(seconds=silent_s)
    with database.begin() as transaction:
        transaction.execute(sa.delete(executors))
        values = {"name": "w1", "started_at": at, "heartbeat_at": at, "holder": str(holder)}
        transaction.execute(sa.insert(executors).values(values))


@pytest.mark.parametrize(
    ("boot", "machine", "silent_s", "free"),
    [
        ("another boot", None, 10.0, False),
        ("another boot", None, 16.0, True),
        (None, "other@other", 59.0, False),
        (None, "other@other", 61.0, True),
    ],
    ids=["a clone or a quick reboot", "rebooted", "other machine", "other machine lost"],
)
def test_how_long_a_silent_holder_keeps_the_name(
    database: Database, boot: str | None, machine: str | None, silent_s: float, free: bool
) -> None:
    mine = ProcessIdentity.of_this()
    hold(database, replace(mine, boot=boot or mine.boot, machine=machine or mine.machine, pid=1), silent_s)
    if free:
        lease(database).take()
        lease(database).renew()
    else:
        with pytest.raises(SettingsError, match="If that machine is gone, the name is free in"):
            lease(database).take()


def test_a_number_that_another_process_has_by_now_is_not_the_holder(database: Database) -> None:
    mine = ProcessIdentity.of_this()
    hold(database, replace(mine, began=mine.began - 1), 0.0)
    lease(database).take()
