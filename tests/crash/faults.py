"""What all tests of faults share: a node at work before the fault, and what must hold after it.

The quick ones run with the other tests; ``make faults`` runs all, and writes recovery times to benchmarks/results/.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.crash.station import LIMIT_S, SOUND, Station
from tests.unit.deliver.receiver import Receiver
from tests.waiting import wait_until

OUT_OF_RESOURCES = 0xA700
FAULT_S = 3.0
BACKLOG = 6
"""Images that may wait for their verdict: what waits before an image is no part of the recovery."""
ALL = os.environ.get("FAULTS") == "all"
"""As ``make faults`` says; else only the quick ones run."""

Record = Callable[[str, object], None]
only_with_all = pytest.mark.skipif(not ALL, reason="runs with make faults")
marks = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings(
        "ignore:.*unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]
"""pynetdicom leaves the sockets of refused connections to the garbage collector."""


def shim(source: str, folder: Path) -> str:
    """A library that stands between a node and the C library, made from a C file of this folder; skips without cc."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    library = folder / Path(source).with_suffix(".so")
    code = str(Path(__file__).with_name(source))
    make = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-o", str(library), code, "-ldl"]
    subprocess.run(make, check=True)
    return str(library)


def at_work(
    folder: Path,
    samples: Path,
    webhook: Receiver,
    environment: Mapping[str, str] | None = None,
    roles: Sequence[str] = ("all",),
) -> Station:
    """A node that has reported its first image, with little waiting."""
    station = Station(folder, samples, webhook, environment, roles=roles)
    station.limit_backlog(BACKLOG)
    station.next_report_s()
    return station


def wait_for_refusal(station: Station, times: int = 1) -> None:
    """Until the sender was told so often that the node is out of resources."""
    station.scanner.may_send = lambda: True
    before = station.scanner.refused[OUT_OF_RESOURCES]
    wait_until(lambda: station.scanner.refused[OUT_OF_RESOURCES] >= before + times, LIMIT_S, "the sender is told")
    station.limit_backlog(BACKLOG)


def check(station: Station, record: Record) -> None:
    """After the fault: measure until a fresh image is reported, then compare what was promised with what came."""
    record("recovery_s", round(station.next_report_s(), 1))
    wait_until(station.node.is_ready, LIMIT_S, "the node says that it is ready")
    count(station, record)


def count(station: Station, record: Record) -> None:
    """Compare what was promised with what came."""
    counts = station.finish()
    for name, value in counts.items():
        record(name, value)
    assert {name: counts[name] for name in SOUND} == SOUND
