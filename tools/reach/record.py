"""A plug-in of pytest: after each test, a line with the functions that it reached, in whatever process.

``python -m pytest -p tools.reach.record`` with ``REACH_FOLDER``: each runner of pytest-xdist writes a file of its own
there. Needs Python 3.12.
"""

from __future__ import annotations

import base64
import json
import mmap
import os
import sysconfig
import time
import zlib
from array import array
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tools.reach import watch

FOLDER = "REACH_FOLDER"
PTH = Path(sysconfig.get_path("purelib")) / "reach.pth"
"""Python executes such a line at the start of each process, whatever its variables and its folder are."""
LINE = (
    f"import os; {watch.PAGE!r} in os.environ and exec("
    f"compile(open({watch.__file__!r}).read(), {watch.__file__!r}, 'exec'), "
    f"{{'__name__': {watch.AT_START!r}, '__file__': {watch.__file__!r}}})\n"
)


class Record:
    """Writes what the tests of this runner reach."""

    def __init__(self, folder: Path, runner: str) -> None:
        """``folder`` has what earlier runs wrote; ``runner`` is the name of this process in pytest-xdist."""
        page = folder / f"{runner}.page"
        page.write_bytes(bytes(watch.SIZE))
        os.environ[watch.PAGE] = str(page)
        self._page: mmap.mmap = watch.start(str(page))
        self._file = folder / f"{runner}.jsonl"
        self._of_fixture: dict[object, set[int]] = {}
        self._fixtures: set[object] = set()
        self._outcome = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """One test, with what it sets up and takes down."""
        self._taken()
        self._outcome, self._fixtures = "passed", set()
        clock, processor = time.monotonic(), sum(os.times()[:4])
        result = yield
        reached = self._taken().union(*(self._of_fixture.get(one, set()) for one in self._fixtures))
        row = {
            "test": item.nodeid,
            "s": round(time.monotonic() - clock, 2),
            "cpu_s": round(sum(os.times()[:4]) - processor, 2),
            "outcome": self._outcome,
            "reached": packed(reached),
        }
        with self._file.open("a", encoding="utf-8") as out:
            out.write(f"{json.dumps(row)}\n")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        """Keep aside what a fixture reaches that several tests share: it counts for each of them."""
        if fixturedef.scope == "function":
            return (yield)
        before = self._taken()
        try:
            return (yield)
        finally:
            self._of_fixture[fixturedef] = self._taken()
            for one in before:
                self._page[one] = 1

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """The fixtures of the test, those that it asked for while it ran included."""
        request = getattr(item, "_request", None)
        if request:
            self._fixtures = set(request._fixture_defs.values())  # noqa: SLF001 - nothing public names them
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember how it ended."""
        if report.failed or (report.skipped and self._outcome == "passed"):
            self._outcome = report.outcome

    def _taken(self) -> set[int]:
        """The functions that were called; they are so no more."""
        hits = self._page[:]
        places = set[int]()
        place = hits.find(1)
        while place >= 0:
            places.add(place)
            self._page[place] = 0
            place = hits.find(1, place + 1)
        return places


def packed(places: set[int]) -> str:
    """Some hundred bytes of text."""
    return base64.b85encode(zlib.compress(array("I", sorted(places)).tobytes(), 1)).decode()


def unpacked(text: str) -> array[int]:
    """The inverse, sorted."""
    return array("I", zlib.decompress(base64.b85decode(text)))


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """What all runners wrote, but for lines that were cut off; a later row of a test may follow an earlier one."""
    for file in sorted(folder.glob("*.jsonl"), key=lambda one: one.stat().st_mtime):
        for line in file.read_text("utf-8").splitlines():
            with suppress(json.JSONDecodeError):
                yield json.loads(line)


def pytest_configure(config: pytest.Config) -> None:
    """Begin: the process that starts the runners sees to the environment, a runner records."""
    folder = Path(os.environ[FOLDER]).resolve()
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        folder.mkdir(parents=True, exist_ok=True)
        if not PTH.exists():  # else by whoever runs the test that started this run
            PTH.write_text(LINE, "utf-8")
            config.add_cleanup(PTH.unlink)
        return
    runner = os.environ.get("PYTEST_XDIST_WORKER", "one")
    config.pluginmanager.register(Record(folder, f"{runner}-{os.getpid()}"), "reach-record")
