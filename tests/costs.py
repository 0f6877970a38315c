"""What a run costs: after it, the processor time of each folder, the dearest tests, and each worker's most memory."""

from __future__ import annotations

import ctypes
import gc
import itertools
import os
import resource
import sys
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

DEAREST = 12
COST = "processor_s"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Processor time of this process and its ended children, with set-up and tear-down."""
    item.stash[BEFORE] = _processor_s()
    return (yield)


BEFORE = pytest.StashKey[float]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The last report of a test carries what it cost."""
    report = yield
    if call.when == "teardown":
        report.user_properties.append((COST, _processor_s() - item.stash[BEFORE]))
    return report


class Costs:
    """What the controller hears of all workers."""

    def __init__(self) -> None:
        self._tests: dict[str, float] = defaultdict(float)
        self._memory_mb: dict[str, int] = {}
        self._whole_s: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add what a test cost."""
        costs = (value for name, value in report.user_properties if name == COST)
        self._tests[report.nodeid] += sum(value for value in costs if isinstance(value, float))

    @pytest.hookimpl(optionalhook=True)  # of pytest-xdist
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker ended, and said how large it was."""
        if output := getattr(node, "workeroutput", None):
            self._memory_mb[node.gateway.id] = output["memory_mb"]
            self._whole_s[node.gateway.id] = output["processor_s"]

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the tables."""
        whole = sum(self._tests.values())
        if whole < 1:
            return
        terminalreporter.section("processor time")
        for folder, cost in self._folders().items():
            terminalreporter.write_line(f"{cost:7.1f} s {100 * cost / whole:5.1f} %  {folder}")
        terminalreporter.write_line("dearest tests:")
        for name, cost in sorted(self._tests.items(), key=lambda one: -one[1])[:DEAREST]:
            terminalreporter.write_line(f"{cost:7.1f} s  {name}")
        for worker, most in sorted(self._memory_mb.items()):
            terminalreporter.write_line(f"{worker}: {self._whole_s[worker]:.0f} s in all, at most {most} MB of memory")

    def _folders(self) -> dict[str, float]:
        folders: dict[str, float] = defaultdict(float)
        for name, cost in self._tests.items():
            folders[_folder(name)] += cost
        return dict(sorted(folders.items(), key=lambda one: -one[1]))


def pytest_collection_finish() -> None:
    """What was imported stays."""
    collect()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After each file its garbage goes, and glibc gives back what is free; else a worker only grows."""
    if nextitem is not None and nextitem.path != item.path:
        if next(FILES) % LOOK_AGAIN == 0:
            gc.unfreeze()
        collect()
        TRIM(0)


def collect() -> None:
    """Free what nothing refers to; what is left has mostly come to stay, and few later collections look at it."""
    gc.collect()
    gc.freeze()


FILES = itertools.count(1)
LOOK_AGAIN = 20
"""After so many files all is looked at again: threads that end after a file held what is garbage then."""
TRIM = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)


def pytest_configure(config: pytest.Config) -> None:
    """The controller counts; workers tell it."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Costs(), "costs")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker tells what it took in all."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (
            1 << (20 if sys.platform == "darwin" else 10)
        )
        output["processor_s"] = _processor_s()


def _folder(name: str) -> str:
    """The room of a test: two folders below ``tests`` where there are two."""
    parts = Path(name.partition("::")[0]).parts[1:-1]
    return "/".join(parts[:2])


def _processor_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
