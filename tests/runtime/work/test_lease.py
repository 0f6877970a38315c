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
from miqa_node.runtime.work.lease import NameLease, ProcessIdentity
from miqa_node.runtime.work.recovery import RollCall
from miqa_node.runtime.workers import supervisor
from miqa_node.runtime.workers.supervisor import Supervisor
from tests.waiting import wait_until

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
ON_ANOTHER_MACHINE = ("unshare", "--uts", "sh", "-c", 'hostname other-machine && exec "$@"', "sh")


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


@pytest.mark.more
def test_the_same_name_on_two_machines_is_refused(database: Database, start: Start) -> None:
    if subprocess.run([*ON_ANOTHER_MACHINE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not give a process another host name")
    other = start(*ON_ANOTHER_MACHINE)
    assert says(other) == "taken"
    refusal = says(start())
    assert "already works as 'w1' on other-machine" in refusal
    assert "give this one a node.name of its own" in refusal
    # A crash there leaves the name to that machine at once, and to others when it has been silent for long enough.
    other.kill()
    other.wait()
    assert "the name is free in" in says(start())
    assert says(start(*ON_ANOTHER_MACHINE)) == "taken"


@pytest.mark.more
def test_of_two_processes_that_start_together_one_has_the_name(database: Database, start: Start) -> None:
    both = [start(), start()]
    answers = sorted(says(process)[:7] for process in both)
    assert answers == ["Another", "taken"]


@pytest.mark.more
def test_an_orderly_end_gives_the_name_back_at_once(database: Database, start: Start) -> None:
    first = lease(database)
    first.take()
    assert says(start()).startswith("Another process already works as 'w1' here")
    first.release()
    assert says(start()) == "taken"


@pytest.mark.more
def test_a_name_is_refused_while_its_process_lives_and_free_at_once_when_it_was_killed(
    database: Database, start: Start
) -> None:
    other = start()
    assert says(other) == "taken"
    with pytest.raises(SettingsError, match=rf"already works as 'w1' here, as process {other.pid}:"):
        lease(database).take()
    other.kill()
    other.wait()
    lease(database).take()


@pytest.mark.more
def test_a_process_that_lost_its_name_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that was suspended for minutes comes back while another has its name and its jobs."""
    monkeypatch.setattr(supervisor, "LOOK_S", 0.02)
    settings = SETTINGS.model_copy(update={"heartbeat_interval_s": 0.05})
    roll_call = RollCall(database, "w1", settings)
    reasons: list[str] = []
    watching = Supervisor(reasons.append)
    watching.watch(roll_call.threads)
    roll_call.start()
    watching.start()
    try:
        hold(database, replace(ProcessIdentity.of_this(), machine="other@other"), 0.0)
        assert wait_until(lambda: bool(reasons), 60)
    finally:
        watching.stop()
        roll_call.stop()
    assert "Another process works as 'w1' now" in reasons[0]
