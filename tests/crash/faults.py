"""What all tests of faults share: a node at work before the fault, and what must hold after it.

The quick ones run with the other tests; ``make faults`` runs all, and writes recovery times to benchmarks/results/.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.crash.station import LIMIT_S, SOUND, Station
from tests.stages.deliver.receiver import Receiver
from tests.waiting import wait_until

OUT_OF_RESOURCES = 0xA700
FAULT_S = 3.0
BACKLOG = 6
"""Images that may wait for their verdict: what waits before an image is no part of the recovery."""
UNREADY_S = 10.0
"""After this time at the latest a node says that no image can be judged: a check may hang for 5 s."""
READY_S = 10.0
"""For this time at most it says so when images are judged again: the pause between two test images."""
ALL = os.environ.get("FAULTS") == "all"
"""As ``make faults`` says; else only the quick ones run."""

Record = Callable[[str, object], None]
only_with_all = pytest.mark.skipif(not ALL, reason="runs with make faults")
only_with_matrix = pytest.mark.skipif("MATRIX" not in os.environ, reason="runs with make matrix")
"""The gate asks of damage to objects in a folder; tables, bucket and errors of the disk take minutes more."""
marks = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings(
        "ignore:.*unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]
"""pynetdicom leaves the sockets of refused connections to the garbage collector."""


def shim(source: Path, folder: Path) -> str:
    """A library in ``folder`` that stands between a program and the C library, made from a C file; skips without cc."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    library = folder / source.with_suffix(".so").name
    make = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-o", str(library), str(source), "-ldl"]
    subprocess.run(make, check=True)
    return str(library)


def at_work(
    folder: Path,
    samples: Path,
    webhook: Receiver,
    environment: Mapping[str, str] | None = None,
    roles: Sequence[str] = ("all",),
) -> Station:
    """A node that has reported its first image, with little waiting; from now on its readiness is watched."""
    station = Station(folder, samples, webhook, environment, roles=roles)
    station.limit_backlog(BACKLOG)
    station.next_report_s()
    wait_until(station.node.is_ready, LIMIT_S, "the node is ready")
    station.readiness.start()
    return station


def wait_for_refusal(station: Station, times: int = 1) -> None:
    """Until the sender was told so often that the node is out of resources, and the node says that it is not ready."""
    began = time.monotonic()
    station.scanner.may_send = lambda: True
    before = station.scanner.refused[OUT_OF_RESOURCES]
    wait_until(lambda: station.scanner.refused[OUT_OF_RESOURCES] >= before + times, LIMIT_S, "the sender is told")
    station.limit_backlog(BACKLOG)
    wait_until(lambda: station.readiness.first_no_s(began) is not None, UNREADY_S, "the node says that it is not ready")
    assert (station.readiness.first_no_s(began) or 0.0) <= UNREADY_S


def check(station: Station, record: Record, *, judged: bool = False) -> None:
    """After the fault: measure until a fresh image is reported, then compare what was promised with what came.

    ``judged`` if images were judged during the fault, too: then the node has been ready all the time.
    """
    ended = time.monotonic()
    record("recovery_s", round(station.next_report_s(), 1))
    reported = time.monotonic()
    wait_until(station.node.is_ready, READY_S, "the node says that it is ready")
    count(station, record)
    record("ready_again_s", round(station.readiness.ready_for_good_s(ended), 1))
    assert (station.readiness.unready_s() == 0.0) is judged
    assert station.readiness.ready_for_good_s(reported) <= READY_S


def count(station: Station, record: Record) -> None:
    """Compare what was promised with what came, and say for how long the node was not ready."""
    counts = station.finish()
    for name, value in counts.items():
        record(name, value)
    record("unready_s", round(station.readiness.unready_s(), 1))
    assert {name: counts[name] for name in SOUND} == SOUND
