"""Threads of a real node are ended, and work goes on; what cannot be healed ends the process with a code."""

from __future__ import annotations

import ctypes
import itertools
import re
import threading
import time
from collections.abc import Collection
from functools import partial
from types import SimpleNamespace

import pytest

from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.errors import ResourcesError
from miqa_node.interfaces.cli.run_node import STOP_S
from miqa_node.runtime.work import queue_threads
from miqa_node.runtime.work.queue_threads import STUCK_AFTER_S, QueueThreads
from miqa_node.runtime.workers import supervisor
from miqa_node.runtime.workers.supervisor import Supervisor
from tests.conftest import ROOT
from tests.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # they are ended here


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
