"""What a run costs: after it, the processor time of each folder, the dearest tests, and each worker's most memory.

``--costs keep`` fails a run in which a folder takes more than its share of ``SHARES`` or a worker more than
``MOST_MEMORY_MB``: single tests never fail by time, since machines are noisy, and shares of one run are not.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

MOST_MEMORY_MB = 2000
SHARES = {
    "stages/measure": 0.22,
    "features/worklist": 0.14,
    "stages/assess": 0.12,
    "features/accounts": 0.10,
    "features/phantoms": 0.10,
    "features/analysis": 0.08,
    "stages/units": 0.09,
    "stages/report": 0.09,
    "features/operations": 0.08,
    "features/models": 0.08,
}
"""Largest share of the processor time of the quick suite, by folder; what is not named may take ``OTHERS``.

Half above what was measured, since with torch and without, by version of Python and by machine shares differ by a
tenth: a folder that grows by half is told, one that stands at its limit by chance is not."""
OTHERS = 0.06
MANY_TESTS = 1000
"""Shares mean something only if about all of the suite ran."""
DEAREST = 12
COST = "processor_s"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of this plugin."""
    parser.addoption("--costs", choices=["show", "keep"], default="show", help="keep: a folder above its share fails")


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

    def __init__(self, config: pytest.Config) -> None:
        self._keeps = config.option.costs == "keep"
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

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail what is above its limit, if it is to be kept."""
        if self._keeps and session.exitstatus == 0 and self._above():
            session.exitstatus = 1

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, Any, Any]:
        """Print the tables, and after all else why the run failed: a log is often cut to its end."""
        if sum(self._tests.values()) >= 1:
            self._print(terminalreporter)
        yield
        for line in self._above() if self._keeps else []:
            terminalreporter.write_line(f"ABOVE {line}")

    def _print(self, terminalreporter: pytest.TerminalReporter) -> None:
        whole = sum(self._tests.values())
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

    def _above(self) -> list[str]:
        if len(self._tests) < MANY_TESTS:
            return []
        whole = sum(self._tests.values())
        dear = [
            f"{folder}: {cost / whole:.3f} of the processor time, its share is {SHARES.get(folder, OTHERS)}"
            for folder, cost in self._folders().items()
            if cost / whole > SHARES.get(folder, OTHERS)
        ]
        return dear + [f"{w}: {most} MB of memory" for w, most in self._memory_mb.items() if most > MOST_MEMORY_MB]


def pytest_collection_finish() -> None:
    """What was imported stays."""
    collect()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After each file its garbage goes, and glibc gives back what is free; else a worker only grows."""
    if nextitem is not None and nextitem.path != item.path:
        collect()
        TRIM(0)


def collect() -> None:
    """Free what nothing refers to; what is left has come to stay, and no later collection looks at it again."""
    gc.collect()
    gc.freeze()


TRIM = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)


def pytest_configure(config: pytest.Config) -> None:
    """The controller counts; workers tell it."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Costs(config), "costs")


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
