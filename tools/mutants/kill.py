"""A plug-in of pytest that collects once and then runs, for each mutant, the tests that reach it in a child process.

A child has what this process has loaded; the mutated function gets its new code there. Processes that a test starts
load the changed file, which lies in the copy meanwhile.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from tools.mutants.mutations import Mutant
from tools.mutants.records import LIMIT_S, Records, Run, append, lines_of, processor_s
from tools.mutants.replaced import Functions

WORK, SEED, KILLERS = "MUTANTS_WORK", "MUTANTS_SEED", "MUTANTS_KILLERS"
"""Variables: the folder, the seed, and how many failing tests end a mutant's run."""
QUICK, LIMIT = "MUTANTS_QUICK", "MUTANTS_LIMIT_S"
"""Those that may be missing: a file of the quick tests, and processor time of a suite on a mutant."""
LONGEST_S = 1800.0
"""Of a child by the clock, in case it waits for ever."""
_BECOME_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


class Kill:
    """Runs the tests of all mutants of one seed whose fate is open."""

    def __init__(self, records: Records, seed: int, killers: int) -> None:
        self._records, self._seed, self._killers = records, seed, killers
        self._tree, self._touched = Path.cwd(), time.time()

    def _open(self) -> list[Mutant]:
        """The cheapest one first, so that most is known early."""
        hits = [one for one in self._records.chosen(self._seed) if self._records.pending(one.name, self._killers)]
        return sorted(hits, key=lambda one: self._records.cost_s(one.name, self._killers))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests that a mutant still needs."""
        needed = self._records.needed(self._seed, self._killers)
        items[:] = [item for item in items if item.nodeid in needed]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Mutant after mutant; a failure is no failure of this run."""
        self._items = {item.nodeid: item for item in session.items}
        self._functions = Functions()
        gc.collect()
        gc.freeze()  # else each child copies what it only looks through
        # What a child leaves behind becomes a child of this process, which ends it.
        ctypes.CDLL(None).prctl(_BECOME_SUBREAPER, 1, 0, 0, 0)
        for mutant in self._open():
            with self._mutated(mutant):
                while suites := self._records.pending(mutant.name, self._killers):
                    self._run(mutant, suites[0])
            hits = self._records.killers(mutant.name)
            _say(f"{mutant.name}: {hits[0] if hits else 'survives'}")
        return True

    @contextmanager
    def _mutated(self, mutant: Mutant) -> Iterator[None]:
        """The changed file; its time is new each time, so that no compiled one is taken for it."""
        file = self._tree / mutant.path
        self._before = file.read_bytes()
        try:
            self._write(file, mutant.applied(self._before))
            yield
        finally:
            self._write(file, self._before)

    def _write(self, file: Path, text: bytes) -> None:
        file.write_bytes(text)
        self._touched += 10
        os.utime(file, (self._touched, self._touched))

    def _run(self, mutant: Mutant, suite: tuple[float, list[str]]) -> None:
        """Run the tests of one suite, and what fails once more in a process of its own."""
        left_s, tests = suite
        for test in [test for test in tests if test not in self._items]:  # its name is another one in each run
            self._records.add(Run(mutant.name, test, failed=False, cpu_s=0.0))
        tests = [test for test in tests if test in self._items]
        for test, failed, cpu_s in self._child(mutant, tests, left_s) if tests else ():
            confirmed = failed and any(again for _, again, _ in self._child(mutant, [test], left_s))
            self._records.add(Run(mutant.name, test, confirmed, cpu_s))

    def _child(self, mutant: Mutant, tests: list[str], left_s: float) -> list[tuple[str, bool, float]]:
        """What happened to each test until enough failed or the time was over."""
        report = self._tree.parent / f"report-{os.getpid()}.jsonl"
        report.unlink(missing_ok=True)
        process = os.fork()
        if not process:
            self._be_child(mutant, tests, left_s, report)
        status = _ended(process)
        done = [(row["test"], row["failed"], row["cpu_s"]) for row in lines_of(report)]
        if os.WIFSIGNALED(status) and len(done) < len(tests):
            # It took too long, or the mutant broke the process itself.
            over = os.WTERMSIG(status) in {signal.SIGXCPU, signal.SIGKILL}
            done.append((tests[len(done)], not over, left_s if over else 0.0))
        elif not done:
            raise RuntimeError(f"{mutant.name}: the first test could not begin")
        return done

    def _be_child(self, mutant: Mutant, tests: list[str], left_s: float, report: Path) -> NoReturn:
        try:
            limit = int(left_s) + 2
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
            file = self._tree / mutant.path
            self._functions.replace(file, self._before, mutant.applied(self._before))
            for test, failed, cpu_s in self._outcomes(tests, left_s):
                append(report, {"test": test, "failed": failed, "cpu_s": cpu_s})
        except BaseException as error:  # noqa: BLE001 - the parent's own frames must not go on here
            _say(f"{mutant.name}: {error!r}")
        finally:
            os._exit(0)

    def _outcomes(self, tests: list[str], left_s: float) -> Iterator[tuple[str, bool, float]]:
        """The tests one by one, and at the end what they share is taken down."""
        items = [self._items[test] for test in tests]
        beginning, killers = processor_s(), 0
        for item, following in zip(items, [*items[1:], None], strict=True):
            since, failures = processor_s(), _Failures()
            item.config.pluginmanager.register(failures)
            try:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            except BaseException:  # noqa: BLE001 - such as a KeyboardInterrupt, which ends pytest
                failures.any = True
            item.config.pluginmanager.unregister(failures)
            killers += failures.any
            yield item.nodeid, failures.any, round(processor_s() - since, 3)
            if killers >= self._killers or processor_s() - beginning > left_s:
                break
        if items:
            with suppress(BaseException):
                items[0].session._setupstate.teardown_exact(None)  # noqa: SLF001
            shutil.rmtree(items[0].config._tmp_path_factory.getbasetemp(), ignore_errors=True)  # type: ignore[attr-defined]  # noqa: SLF001


class _Failures:
    """Whether any part of a test failed."""

    any = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Look at one part."""
        self.any |= report.failed


def _say(text: str) -> None:
    """One line of progress, past what pytest captures."""
    if sys.__stderr__:
        sys.__stderr__.write(f"{text}\n")
        sys.__stderr__.flush()


def _ended(process: int) -> int:
    """The status of a child once it has ended, and everything that it started."""
    end = time.monotonic() + LONGEST_S
    while (hits := os.waitpid(-1, os.WNOHANG))[0] != process:  # orphans as well: some tests wait until one is gone
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.02)
    status = hits[1]
    left = psutil.Process().children(recursive=True)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, timeout=10)
    return status


def pytest_configure(config: pytest.Config) -> None:
    """Begin; the environment says with what."""
    quick = os.environ.get(QUICK)
    tests = Path(quick).read_text("utf-8").splitlines() if quick else None
    records = Records(Path(os.environ[WORK]), tests, float(os.environ.get(LIMIT, LIMIT_S)))
    killers = int(os.environ[KILLERS])
    config.pluginmanager.register(Kill(records, int(os.environ[SEED]), killers), "mutants-kill")
