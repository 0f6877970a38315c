"""A pytest plugin for the gate: what passed in its first run is left out of the second.

Both runs get ``--once FILE``: tests named in the file are deselected, and those that pass are added to it. A test that
was skipped, for want of a peer or of torch, has not passed.

Every run gets ``--unstable FILE``: a test that failed in one run and passed in a later one is listed at the end of that
run and of all that follow, before pytest's closing line.
"""

from __future__ import annotations

from pathlib import Path

import pytest


class Once:
    """The tests that passed; ``file`` has one on each line."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._before = set(file.read_text("utf-8").splitlines()) if file.exists() else set()
        self._now: set[str] = set()

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect the tests that passed before."""
        over = [item for item in items if item.nodeid in self._before]
        items[:] = [item for item in items if item.nodeid not in self._before]
        config.hook.pytest_deselected(items=over)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a test until its last part has passed."""
        if report.when == "call" and report.passed:
            self._now.add(report.nodeid)
        elif report.failed:
            self._now.discard(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Add the tests of this run. Processes of pytest-xdist leave that to the one that started them."""
        if not hasattr(session.config, "workerinput"):
            self._file.parent.mkdir(exist_ok=True)
            self._file.write_text("\n".join(sorted(self._before | self._now)), "utf-8")


class Unstable:
    """What failed and what was unstable in the runs of a gate; ``file`` has a word and a test on each line."""

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        before = [line.split("\t", 1) for line in lines]
        self._failed = {name for word, name in before if word == "failed"}
        self._unstable = {name for word, name in before if word == "unstable"}
        self._now: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a failure of any part of a test; a test that failed in an earlier run and passes now is unstable."""
        if report.failed:
            self._now.add(report.nodeid)
        elif report.when == "teardown" and report.nodeid in self._failed - self._now:
            self._unstable.add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List them; processes of pytest-xdist have no terminal."""
        rows = [f"failed\t{name}" for name in self._failed | self._now] + [
            f"unstable\t{name}" for name in self._unstable
        ]
        self._file.parent.mkdir(exist_ok=True)
        self._file.write_text("\n".join(sorted(rows)), "utf-8")
        terminalreporter.section(f"unstable: {len(self._unstable) or 'none'}")
        for name in sorted(self._unstable):
            terminalreporter.write_line(f"UNSTABLE {name}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of this plugin."""
    parser.addoption("--once", type=Path, help="file with the tests that passed: they are left out")
    parser.addoption("--unstable", type=Path, help="file with the tests that failed and then passed: they are listed")


def pytest_configure(config: pytest.Config) -> None:
    """Begin, if the option says where."""
    if config.option.once:
        config.pluginmanager.register(Once(config.option.once), "once-in-a-gate")
    if config.option.unstable and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Unstable(config.option.unstable), "unstable-in-a-gate")
