"""Threads of a real node are ended, and work goes on; what cannot be healed ends the process with a code."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.features.models import work as predictions
from miqa_node.features.operations.work import certificates, indexing, pseudonym_watch
from miqa_node.features.usual_ranges import work as usual_ranges
from miqa_node.features.worklist.work import mending
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.node import Node
from miqa_node.runtime.workers import supervisor
from miqa_node.stages.conclusion.work import one_verdict
from miqa_node.stages.deliver.destinations import parse_flag
from miqa_node.stages.receive import work as identification
from miqa_node.stages.units.work import better_copies
from tests.conftest import ROOT, free_port
from tests.node.test_node import Pacs, get, settings_in, store
from tests.runtime.workers.test_supervisor import kill, threads
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


def test_a_node_whose_threads_end_one_after_the_other_receives_judges_and_reports(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOOK_S", 0.1)
    monkeypatch.setattr(indexing, "INTERVAL_S", 0.2)
    monkeypatch.setattr(certificates, "LOOK_S", 0.2)
    monkeypatch.setattr(pseudonym_watch, "LOOK_S", 0.2)
    monkeypatch.setattr(better_copies, "LOOK_INTERVAL_S", 0.2)
    monkeypatch.setattr(identification, "INTERVAL_S", 0.2)
    monkeypatch.setattr(mending, "LOOK_INTERVAL_S", 0.2)
    monkeypatch.setattr(usual_ranges, "LOOK_INTERVAL_S", 0.2)
    monkeypatch.setattr(one_verdict, "REST_S", 0.2)
    monkeypatch.setattr(predictions, "LOOK_S", 0.2)
    archive = Pacs()
    hopeless: list[str] = []
    destination = parse_flag(f"PACS=PACS@127.0.0.1:{archive.port}")
    names = (
        *("canary", "retention", "counting", "series-watch", "study-watch", "heartbeat", "roll-call"),
        *("chosen-models", "lanes", "lane-PACS-0", "storage-scp-plain"),
        *("audit", "senders", "commitment-reports", "folder-watch", "health", "web", "children", "shadow"),
        *("destination-watch", "archive-watch", "amendment-watch", "indexing", "commit-listener", "certificate-watch"),
        *("pseudonym-watch", "better-copies", "identification", "result-mending", "usual-ranges", "one-verdict"),
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
