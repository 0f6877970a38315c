"""A plug-in of pytest that writes, for each test, what it cost and which mutants it reached."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tools.mutants import marks
from tools.mutants.records import append, lines_of, processor_s

RECORD = "MUTANTS_RECORD"


class Trace:
    """Writes a line of JSON after each test, into ``file``; tests that are there already are left out."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._before = {row["test"] for row in lines_of(file)}
        self._of_fixture: dict[object, set[int]] = {}
        self._fixtures: set[object] = set()
        self._failed = False
        self._skipped = False

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what is known, unless this run only lists the quick suite."""
        if config.option.collectonly:
            return
        over = [item for item in items if item.nodeid in self._before]
        items[:] = [item for item in items if item.nodeid not in self._before]
        config.hook.pytest_deselected(items=over)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """One test, with what it set up and took down."""
        _taken()
        self._failed = self._skipped = False
        self._fixtures = set()
        wall, processor = time.monotonic(), processor_s()
        result = yield
        reached = _taken()
        set_up = set[int]().union(*(self._of_fixture.get(one, set()) for one in self._fixtures))
        row = {
            "test": item.nodeid,
            "wall_s": round(time.monotonic() - wall, 3),
            "cpu_s": round(processor_s() - processor, 3),
            "outcome": "failed" if self._failed else "skipped" if self._skipped else "passed",
            "reached": sorted(reached),
            "set_up": sorted(set_up - reached),
        }
        append(self._file, row)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        """What a fixture reaches that several tests share is kept aside: it counts for each of them."""
        if fixturedef.scope == "function":
            return (yield)
        before = _taken()
        result = yield
        self._of_fixture[fixturedef] = _taken()
        for number in before:
            marks.mark(number)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """The fixtures of the test, those that it asked for while it ran included."""
        request = getattr(item, "_request", None)
        if request:
            self._fixtures = set(request._fixture_defs.values())  # noqa: SLF001 - nothing public names them
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember how it ended."""
        self._failed |= report.failed
        self._skipped |= report.skipped


def _taken() -> set[int]:
    """The numbers that are marked; they are so no more."""
    page = marks.page
    hits = page[:]
    page[:] = bytes(len(hits))
    return {number for number, byte in enumerate(hits) if byte}


def pytest_configure(config: pytest.Config) -> None:
    """Begin; the environment names the file."""
    config.pluginmanager.register(Trace(Path(os.environ[RECORD])), "mutants-trace")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Of a run that only collects, keep which tests there are: the quick suite."""
    if session.config.option.collectonly:
        names = "\n".join(item.nodeid for item in session.items)
        Path(os.environ[RECORD]).with_name("quick.txt").write_text(names, "utf-8")
