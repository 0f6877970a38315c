"""What the folder of a measurement holds, and what follows from it: mutants, executions and runs of tests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tools.mutants.mutations import Mutant

COUNT = 100
"""Mutants of a seed that are measured: the first ones that a test reaches."""
LIMIT_S = 60.0
"""Processor time for the tests of one suite on one mutant; what survives it has survived."""


@dataclass(frozen=True, slots=True)
class Execution:
    """A test of the run without mutants: what it cost, how it ended, and the numbers of the mutants that it reached.

    ``set_up`` are those that only a fixture reached which it shares with other tests.
    """

    test: str
    wall_s: float
    cpu_s: float
    outcome: str
    reached: list[int]
    set_up: list[int]

    @property
    def file(self) -> str:
        """Path of its module."""
        return self.test.partition("::")[0]


@dataclass(frozen=True, slots=True)
class Run:
    """One test on one mutant. ``failed`` is true only if it failed twice."""

    mutant: str
    test: str
    failed: bool
    cpu_s: float


class Records:
    """The files of one folder: ``mutants.json``, ``executions.jsonl``, ``quick.txt`` and ``runs.jsonl``."""

    def __init__(self, folder: Path, quick: Iterable[str] | None = None, limit_s: float = LIMIT_S) -> None:
        """``quick`` names the tests of the quick suite, instead of ``quick.txt``; without both it is all tests."""
        self.folder, self.limit_s = folder, limit_s
        self.seeds: dict[str, int] = {}
        self.mutants: list[Mutant] = []
        for row in json.loads((folder / "mutants.json").read_text("utf-8")):
            self.mutants.append(Mutant(**{one.name: row[one.name] for one in fields(Mutant)}))
            self.seeds[self.mutants[-1].name] = row["seed"]
        self.executions = [Execution(**row) for row in lines_of(folder / "executions.jsonl")]
        memory = folder / "quick.txt"
        if quick is None:
            quick = memory.read_text("utf-8").splitlines() if memory.exists() else (one.test for one in self.executions)
        self.quick = frozenset(quick)
        self._costs_s = {one.test: one.cpu_s for one in self.executions}
        self._tests = self._ordered()
        self.runs: dict[str, dict[str, Run]] = {mutant.name: {} for mutant in self.mutants}
        for row in lines_of(folder / "runs.jsonl"):
            self.runs[row["mutant"]][row["test"]] = Run(**row)

    def _ordered(self) -> dict[str, list[str]]:
        """The tests of each mutant: those that reach it themselves first, the cheapest file first, else as they ran."""
        costs: dict[str, list[float]] = {}
        for one in self.executions:
            costs.setdefault(one.file, []).append(one.cpu_s)
        tests: dict[str, list[str]] = {mutant.name: [] for mutant in self.mutants}
        sound = [one for one in self.executions if one.outcome == "passed"]
        sound.sort(key=lambda one: (sum(costs[one.file]) / len(costs[one.file]), one.file))
        for numbers in ("reached", "set_up"):
            for one in sound:
                for number in getattr(one, numbers):
                    tests[self.mutants[number].name].append(one.test)
        return tests

    def chosen(self, seed: int) -> list[Mutant]:
        """The mutants of a seed that count: the first that a test reaches, whether or not one can notice them."""
        return [one for one in self.mutants if self.seeds[one.name] == seed and self._tests[one.name]][:COUNT]

    def tests(self, name: str, *, quick: bool) -> list[str]:
        """The tests of one suite that reach a mutant, in the order in which they run."""
        return [test for test in self._tests[name] if (test in self.quick) == quick]

    def killers(self, name: str, *, quick: bool | None = None) -> list[str]:
        """The tests that failed, of both suites or of one."""
        failed = [run.test for run in self.runs[name].values() if run.failed]
        return [test for test in failed if quick is None or (test in self.quick) == quick]

    def killed(self, name: str) -> bool:
        """Whether any test failed."""
        return bool(self.killers(name))

    def pending(self, name: str, killers: int = 1) -> list[tuple[float, list[str]]]:
        """The tests that must still run, of the quick suite and then of the other, each with the time it has left."""
        suites = []
        for quick in (True, False):
            if len(self.killers(name, quick=True if quick else None)) >= killers:
                break
            tests = self.tests(name, quick=quick)
            left_s = self.limit_s - sum(self.runs[name][test].cpu_s for test in tests if test in self.runs[name])
            tests = [test for test in tests if test not in self.runs[name]]
            if tests and left_s > 0:
                suites.append((left_s, tests))
        return suites

    def cost_s(self, name: str, killers: int) -> float:
        """What the tests that must still run will take, if none fails."""
        suites = self.pending(name, killers)
        return sum(min(left_s, sum(self._costs_s[test] for test in tests)) for left_s, tests in suites)

    def needed(self, seed: int, killers: int) -> set[str]:
        """All tests that the open mutants of a seed need."""
        suites = [suite for one in self.chosen(seed) for suite in self.pending(one.name, killers)]
        return {test for _, tests in suites for test in tests}

    def add(self, run: Run) -> None:
        """Keep one result, on the disk as well."""
        self.runs[run.mutant][run.test] = run
        append(self.folder / "runs.jsonl", asdict(run))


def processor_s() -> float:
    """Processor time of this process and of the children that it has waited for."""
    return sum(os.times()[:4])


def write_mutants(folder: Path, mutants: Mapping[int, Iterable[Mutant]]) -> list[Mutant]:
    """Keep the mutants of each seed; their numbers are their places."""
    rows = [(seed, mutant) for seed, some in mutants.items() for mutant in some]
    text = json.dumps([{"seed": seed, **asdict(mutant)} for seed, mutant in rows], indent=1)
    (folder / "mutants.json").write_text(text, "utf-8")
    return [mutant for _, mutant in rows]


def lines_of(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file that grows, but for one that was cut off."""
    for line in file.read_text("utf-8").splitlines() if file.exists() else ():
        with suppress(json.JSONDecodeError):
            yield json.loads(line)


def append(file: Path, row: object) -> None:
    """Add a line; a line that was cut off before it ends here."""
    with file.open("a", encoding="utf-8") as out:
        out.write(f"\n{json.dumps(row)}")
