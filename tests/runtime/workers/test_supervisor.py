"""Threads of a real node are ended, and work goes on; what cannot be healed ends the process with a code."""

from __future__ import annotations

import ctypes
import gc
import itertools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.errors import ResourcesError
from miqa_node.features.models import work as predictions
from miqa_node.features.operations.work import certificates, indexing, pseudonym_watch
from miqa_node.features.usual_ranges import work as usual_ranges
from miqa_node.features.worklist.work import mending
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.run_node import STOP_S
from miqa_node.node import Node
from miqa_node.runtime.work import queue_threads
from miqa_node.runtime.work.queue_threads import STUCK_AFTER_S, QueueThreads
from miqa_node.runtime.workers import supervisor
from miqa_node.runtime.workers.supervisor import Supervisor
from miqa_node.stages.deliver.destinations import parse_flag
from miqa_node.stages.units.work import better_copies
from tests.conftest import ROOT, free_port
from tests.node.test_node import Pacs, get, settings_in, store
from tests.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # they are ended here
LIMIT_S = 120.0
OFTEN: dict[str, Any] = {
    "work": {"heartbeat_interval_s": 0.2, "canary_interval_s": 3.0},
    "retention": {"interval_s": 0.2},
    "analysis": {"count_interval_s": 0.2},
    "assess": {"follow_interval_s": 0.2},
}
KILLER = """
import ctypes, threading
from miqa_node.interfaces.cli.app import main
from tests.waiting import wait_until

def queue_threads():
    threads = threading.enumerate()
    if all(one.name != "supervisor" for one in threads):  # which starts when everything else has
        return []
    return [one for one in threads if "(queue_thread)" in one.name]

def kill():
    found = wait_until(queue_threads, look_s=0.1)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(found[0].ident), ctypes.py_object(SystemExit))

threading.Thread(target=kill, daemon=True).start()
main()
"""


def threads(name: str, others: Collection[threading.Thread] = ()) -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == name and one not in others]


def kill(thread: threading.Thread) -> None:
    """End a thread that runs: SystemExit is raised in it, which no part catches."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))


@pytest.mark.parametrize("database_answers", [True, False])
def test_a_queue_that_does_not_look_for_jobs_hangs_unless_there_is_no_database(
    database_answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(queue_threads, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    polls = itertools.count()
    latest = [0]

    def check() -> None:
        if not database_answers:
            raise ResourcesError("The database does not answer.")

    queue = QueueThreads(lambda: latest[0], check)
    for _ in range(3):
        latest[0] = next(polls)
        clock[0] += 0.75 * STUCK_AFTER_S
        assert queue.trouble() == ""
    for _ in range(3):
        clock[0] += 0.75 * STUCK_AFTER_S
        reason = queue.trouble()
    assert ("hangs" in reason) is database_answers
    latest[0] = next(polls)
    assert queue.trouble() == ""


def test_the_end_of_an_earlier_queue_s_threads_is_not_that_of_the_queue() -> None:
    end = threading.Event()
    names = ("Thread-1 (queue_thread)", "Thread-2 (queue_thread)")
    earlier, own = (threading.Thread(target=end.wait, name=name, daemon=True) for name in names)
    earlier.start()
    without_own = threading.enumerate()
    own.start()
    with_own = threading.enumerate()
    queues = [QueueThreads(itertools.count().__next__, lambda: None, before) for before in (without_own, with_own)]
    assert [queue.trouble() for queue in queues] == ["", ""]
    end.set()
    own.join()
    earlier.join()
    assert ["ended" in queue.trouble() for queue in queues] == [True, False]


def test_a_part_that_ended_is_a_reason_until_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK_S", 0.02)
    thread = SteadyThread("worker", lambda: wait(thread))
    watching = Supervisor(lambda _reason: None)
    watching.watch([thread])
    thread.start()
    watching.check()
    kill(threads("worker")[0])
    assert wait_until(lambda: not threads("worker"))
    with pytest.raises(ResourcesError, match="worker has ended"):
        watching.check()
    # The one that asks heals the supervisor, and that one the worker.
    watching.start()
    kill(threads("supervisor")[0])
    assert wait_until(lambda: fails_not(watching) and bool(threads("worker")))
    watching.stop()
    thread.stop()
    watching.check()


def wait(thread: SteadyThread) -> None:
    while thread.goes_on(0.02):
        pass


def fails_not(watching: Supervisor) -> bool:
    try:
        watching.check()
    except ResourcesError:
        return False
    return True


def _wait_for(event: threading.Event) -> None:
    event.wait()


@pytest.mark.parametrize("ends", [True, False], ids=["ends at once", "hangs"])
def test_what_does_not_heal_is_given_up_once_with_the_reason(ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK_S", 0.02)
    free, reasons = threading.Event(), list[str]()
    thread = SteadyThread("worker", (lambda: None) if ends else partial(_wait_for, free), 0.05)
    watching = Supervisor(reasons.append)
    watching.watch([thread])
    thread.start()
    watching.start()
    assert wait_until(lambda: bool(reasons))
    with pytest.raises(ResourcesError, match=r"worker (has ended|hangs)"):
        watching.check()
    watching.stop()
    free.set()
    thread.stop()
    assert len(reasons) == 1


def test_a_pause_is_not_a_hang() -> None:
    thread = SteadyThread("worker", lambda: wait_long(thread), 0.05)
    thread.start()
    wait_until(lambda: thread._expected_by > time.monotonic() + 30.0)
    assert thread.trouble() == ""
    thread.stop()


def wait_long(thread: SteadyThread) -> None:
    while thread.goes_on(60.0):
        pass


def test_the_service_starts_a_process_again_that_gave_up_and_gives_it_time_to_stop() -> None:
    unit = (ROOT / "config" / "miqa-node.service").read_text("utf-8")
    assert re.search(r"^Restart=always$", unit, re.MULTILINE)
    assert re.search(r"^StartLimitIntervalSec=0$", unit, re.MULTILINE)
    limit = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert limit is not None
    assert float(limit[1]) > STOP_S


@pytest.mark.more
def test_a_node_whose_threads_end_one_after_the_other_receives_judges_and_reports(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOOK_S", 0.1)
    monkeypatch.setattr(indexing, "INTERVAL_S", 0.2)
    monkeypatch.setattr(certificates, "LOOK_S", 0.2)
    monkeypatch.setattr(pseudonym_watch, "LOOK_S", 0.2)
    monkeypatch.setattr(better_copies, "LOOK_INTERVAL_S", 0.2)
    monkeypatch.setattr(mending, "LOOK_INTERVAL_S", 0.2)
    monkeypatch.setattr(usual_ranges, "LOOK_INTERVAL_S", 0.2)
    monkeypatch.setattr(predictions, "LOOK_S", 0.2)
    archive = Pacs()
    hopeless: list[str] = []
    destination = parse_flag(f"PACS=PACS@127.0.0.1:{archive.port}")
    names = (
        *("canary", "retention", "counting", "series-watch", "study-watch", "heartbeat", "roll-call"),
        *("chosen-models", "lanes", "lane-PACS-0", "storage-scp-plain"),
        *("audit", "senders", "commitment-reports", "folder-watch", "health", "web", "children", "shadow"),
        *(
            "destination-watch",
            "archive-watch",
            "amendment-watch",
            "indexing",
            "rooms",
            "commit-listener",
            "certificate-watch",
        ),
        *("pseudonym-watch", "better-copies", "result-mending", "usual-ranges"),
        "prediction-watch",
    )
    (tmp_path / "watched").mkdir()
    others = threading.enumerate()  # a fixture of an earlier file may have worker processes still
    watch = {"folder": str(tmp_path / "watched"), "interval_s": 0.2}
    with Node(settings_in(tmp_path, watch=watch, **OFTEN), [destination], on_hopeless=hopeless.append) as node:
        steady = [one for one in gc.get_objects() if type(one) is SteadyThread and threads(one.name, others)]
        assert {one.name for one in steady} == {*names, "supervisor"} - {"lane-PACS-0"}, "one is not ended here"
        before = {name: threads(name, others) for name in names}
        for name, (thread,) in before.items():
            kill(thread)
            node.judging.shadow._offered.set()  # the only one that waits without a limit
            assert wait_until(lambda thread=thread: not thread.is_alive(), LIMIT_S), name  # type: ignore[misc]
        for name in names:
            assert wait_until(lambda name=name: len(threads(name, others)) == 1, LIMIT_S), name  # type: ignore[misc]
        assert wait_until(lambda: get(node.web_port, "/readyz")[0] == 200, LIMIT_S)
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000]
        assert wait_until(lambda: any(ds.Modality == "SR" for ds in archive.objects), LIMIT_S)
    archive.server.shutdown()
    assert hopeless == []
    assert not any(threads(name, others) for name in names)


@pytest.mark.more
def test_a_lane_that_ended_while_it_was_to_try_a_destination_does_not_leave_it_paused_for_ever(tmp_path: Path) -> None:
    """The breaker waited for the answer of the dead lane."""
    from miqa_node.core.domain.delivery import DeliveryState
    from miqa_node.core.settings import load_settings
    from miqa_node.stages.deliver.breaker import BreakerState
    from miqa_node.stages.deliver.destinations import Destinations
    from miqa_node.stages.deliver.lanes import Lanes
    from tests.stages.deliver.making import MemoryOutbox
    from tests.stages.deliver.test_lanes import Scripted, to

    outbox = MemoryOutbox()
    for _ in range(3):
        outbox.put("pacs")
    tries: list[str] = []

    def behave(uid: str) -> Exception | None:
        tries.append(uid)
        if len(tries) == 1:
            return ConnectionError("away")
        if len(tries) == 2:
            raise SystemExit
        return None

    settings = load_settings(
        deliver={
            "breaker_failures": 1,
            "breaker_pause_s": 0.2,
            "backoff_initial_s": 0.05,
            "poll_interval_s": 0.02,
            "dimse_timeout_s": 1.0,
        }
    ).deliver
    lanes = Lanes(
        outbox,
        Destinations(tmp_path / "destinations.toml", [to("pacs", 1)]),
        settings,
        connect=lambda config, _: Scripted(config, behave),
    )
    lanes.start()
    try:
        assert wait_until(lambda: outbox.states() == [DeliveryState.SENT] * 3, LIMIT_S)
        assert lanes.snapshot()["pacs"].breaker is BreakerState.CLOSED
    finally:
        lanes.stop(3.0)


@pytest.mark.more
def test_a_process_whose_queue_died_ends_with_a_code_for_the_service_manager(tmp_path: Path) -> None:
    tables = {
        "NODE__DATA_DIR": str(tmp_path / "data"),
        "DICOM__PORT": str(free_port()),
        "WEB__PORT": str(free_port()),
        "WEB__HEALTH_PORT": str(free_port()),
    }
    variables = os.environ | {f"MIQA_{key}": value for key, value in tables.items()}
    ended = subprocess.run(
        [sys.executable, "-c", KILLER, "run"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        cwd=ROOT,
    )
    assert ended.returncode == Exit.HOPELESS, ended.stderr[-2000:]
    assert "The thread of the job queue has ended" in ended.stdout + ended.stderr
