"""Which part of seeded faults the tests that the gate chooses find, of those that all tests find.

Run it in a checkout of its own: it puts one fault after the other into the files, and takes it out again. Faults are
mutants of functions that changed since the night's record (``--record`` names a commit that has one), changed
constants, templates and TOML files, and what only a peer or a browser sees. For each the gate chooses by that record;
if the chosen tests and the quick suite pass, the tests that reach the fault by today's record run, too. Of each, only
those run that reach the changed function, if any does. Each step ends with its first failure, or at ``--limit-s``.
Results are kept after each fault, in ``--work``, and resumed.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks.machine import describe, keep
from benchmarks.mutations import mutants_of
from tools.reach import changes, table
from tools.reach.changes import ROOT, git
from tools.reach.choose import choose, covers
from tools.reach.watch import number

MUTANTS, OTHERS, SEEN_OUTSIDE = 60, 20, 10
WIDE = 4
"""Where no trace says who sees a fault, whole rooms run, for so many times the limit."""
OUTSIDE = ("miqa_node/stages/deliver/", "miqa_node/stages/receive/", "miqa_node/interfaces/dicomweb/")
"""Code whose faults peers see."""
LEFT_OUT = ("tests/", "examples/", "pyproject", "/vendor/")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Fault:
    """``before`` stands in the file at ``start`` and becomes ``after``."""

    kind: str
    path: str
    start: int
    before: str
    after: str

    @property
    def name(self) -> str:
        """Where it is."""
        return f"{self.kind}: {self.path}:{self.start}"


def main() -> int:
    """Print a line for each fault, and write the counts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeded_faults", description=main.__doc__)
    parser.add_argument("--record", required=True, help="a commit with tests/reach.xz, by which is chosen")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit-s", type=float, default=600.0, help="of the tests of one fault, in each step")
    parser.add_argument("--hours", type=float, default=24.0, help="no fault is begun after them: they come by chance")
    words = parser.parse_args()
    words.work.mkdir(parents=True, exist_ok=True)
    packed = words.work / "reach.xz"
    packed.write_bytes(subprocess.check_output(["git", "show", f"{words.record}:tests/reach.xz"], cwd=ROOT))
    record, today = table.read(packed), table.read()
    results = words.work / "results.json"
    rows: dict[str, Any] = json.loads(results.read_text("utf-8")) if results.exists() else {}
    end = time.monotonic() + words.hours * 3600
    for fault in faults(record.commit, words.seed):
        if fault.name not in rows and time.monotonic() < end:
            rows[fault.name] = asdict(fault) | outcome(fault, record, today, words)
            results.write_text(json.dumps(rows, indent=1), "utf-8")
            print(fault.name, rows[fault.name]["step"], flush=True)
    keep("seeded_faults", describe(), {"record": record.commit, "counts": counts(rows), "faults": list(rows.values())})
    return 0


def counts(rows: dict[str, Any]) -> dict[str, dict[str, int]]:
    """By kind how many faults ended at which step."""
    result: dict[str, dict[str, int]] = {}
    for row in rows.values():
        of_kind = result.setdefault(row["kind"], {})
        of_kind[row["step"]] = of_kind.get(row["step"], 0) + 1
    return result


def outcome(fault: Fault, record: table.Table, today: table.Table, words: argparse.Namespace) -> dict[str, Any]:
    """``step``: what found it, ``chosen``, ``quick`` or ``all``; ``none`` if it survives all, else ``unfinished``."""
    with put_in(fault):
        differences = changes.since("HEAD")
        choice = choose(differences, record, "HEAD")
        whole = choose(differences, today, "HEAD").tests
        newer = {one for one in whole if "::" in one and one not in record.seconds}  # the gate runs what changed itself
        chosen = choice.tests | newer
        near = today.tests(number(path, name) for path, name in differences.functions)  # no others can see it
        steps = [
            ("chosen", {one for one in near if covers(chosen, one)} if near else chosen, ()),
            ("quick", near, ("--quick",)),
            ("all", near - chosen if near else whole - chosen, ()),
        ]
        rest = "none"
        for step, tests, options in steps:
            if not tests and not options:
                continue
            started = time.monotonic()
            limit_s = words.limit_s * (1 if near else WIDE)
            test = first_failure([*options, *arguments(words, tests, record)], limit_s)
            if test:
                return {"step": step, "test": test, "s": round(time.monotonic() - started)}
            rest = "unfinished" if test is None else rest
    return {"step": rest}


def arguments(words: argparse.Namespace, tests: set[str], record: table.Table) -> list[str]:
    """Some tests, the cheapest files first; without any, all."""
    if not tests:
        return []
    file: Path = words.work / "tests"
    file.write_text("\n".join(sorted(tests)), "utf-8")
    cost = dict.fromkeys((one.partition("::")[0] for one in tests), 0.0)
    for test, seconds in record.seconds.items():
        for place in {test.partition("::")[0], *map(str, PurePosixPath(test.partition("::")[0]).parents)} & cost.keys():
            cost[place] += seconds if covers(tests, test) else 0.0
    return [f"--chosen={file}", "--no-loadscope-reorder", *sorted(cost, key=lambda one: cost[one])]


def first_failure(arguments: list[str], limit_s: float) -> str | None:
    """The first test that fails, twice; empty if none does, None if none did until the limit."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "2", "--dist", "loadfile", "-p", "chosen"]
    environment = os.environ | {"PYTHONPATH": ".ci", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as run:
        try:
            printed, _ = run.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            printed = ""
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)  # nodes and peers that it started would take the time of the next ones
    if run.returncode < 0:
        return None
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", printed, re.MULTILINE)
    if not failed:
        return "collection" if run.returncode not in {0, 5} else ""
    again = subprocess.run([*command[:4], failed[0]], cwd=ROOT, env=environment, check=False, capture_output=True)
    return str(failed[0]) if again.returncode else ""


@contextmanager
def put_in(fault: Fault) -> Iterator[None]:
    """The file with the fault."""
    file = ROOT / fault.path
    before = file.read_bytes()
    start, end = fault.start, fault.start + len(fault.before.encode())
    try:
        file.write_bytes(before[:start] + fault.after.encode() + before[end:])
        yield
    finally:
        file.write_bytes(before)


def faults(since: str, seed: int) -> list[Fault]:
    """The same for one seed and checkout, in the same order."""
    chance = random.Random(seed)
    functions = changes.since(since).functions
    mutants = list(_mutants())
    several = [
        ([one for name, one in mutants if (one.path, name) in functions], MUTANTS),
        (list(_in_texts("template", "miqa_node/*.html", r">([A-Z][a-z]+[^<{}]*)<")), OTHERS * 2 // 5),
        (list(_in_texts("settings", "*.toml", r"= (\d+)\b")), OTHERS // 5),
        (list(_in_texts("module level", "miqa_node/*.py", r"(?m)^[A-Z_]+ = (\d+)\b")), OTHERS * 2 // 5),
        ([replace(one, kind="wire") for _, one in mutants if one.path.startswith(OUTSIDE)], SEEN_OUTSIDE // 2),
        (list(_in_texts("script", "miqa_node/*.js", r'querySelector\("([^"]+)"\)')), SEEN_OUTSIDE // 2),
    ]
    chosen = [fault for some, count in several for fault in chance.sample(some, min(count, len(some)))]
    return chance.sample(chosen, len(chosen))  # so that the first of them are a fair part


def _files(pattern: str) -> Iterator[tuple[str, bytes]]:
    for path in git("ls-files", "-z", pattern).split("\0"):
        if path and not (ROOT / path).is_symlink() and not any(part in path for part in LEFT_OUT):
            yield path, (ROOT / path).read_bytes()


def _mutants() -> Iterator[tuple[str, Fault]]:
    """With the function in which each lies."""
    for path, source in _files("miqa_node/*.py"):
        names = dict(_names(ast.parse(source).body, ""))
        for mutant in mutants_of(path, source):
            end = len(source) - mutant.end
            after = mutant.applied(source)
            before, changed = source[mutant.start : mutant.end], after[mutant.start : len(after) - end]
            yield names.get(mutant.line, ""), Fault("mutant", path, mutant.start, before.decode(), changed.decode())


def _names(body: list[ast.stmt], of_class: str) -> Iterator[tuple[int, str]]:
    """The function of each line of a file."""
    for one in body:
        name = f"{of_class}.{one.name}".lstrip(".") if isinstance(one, (ast.ClassDef, *FUNCTIONS)) else ""
        if isinstance(one, ast.ClassDef):
            yield from _names(one.body, name)
        elif name:
            yield from ((line, name) for line in range(one.lineno, (one.end_lineno or one.lineno) + 1))


def _in_texts(kind: str, pattern: str, expression: str) -> Iterator[Fault]:
    """Another number, or a text that nobody expects."""
    for path, source in _files(pattern):
        for hit in re.finditer(expression.encode(), source):
            before = hit[1].decode()
            after = str(int(before) + 1) if before.isdigit() else f"x{before}"
            yield Fault(kind, path, hit.start(1), before, after)


if __name__ == "__main__":
    sys.exit(main())
