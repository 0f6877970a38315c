"""Which part of the tests that reach a changed function the gate chooses by an older record.

For functions that changed since the night's record of ``--record``, drawn by chance, the gate chooses by that record as
if nothing else had changed; today's record says which tests reach each function. A fault in a function can be found by
these alone, so the share of them that run is how far the choice can be trusted. No test runs: it takes minutes.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe, keep
from tools.reach import changes, table
from tools.reach.changes import ROOT, Changes
from tools.reach.choose import choose, covers
from tools.reach.watch import number

CODE = ("miqa_node/", "packages/")


def main() -> int:
    """Print and keep the shares."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chosen_reach", description=main.__doc__)
    parser.add_argument("--record", required=True, help="a commit with tests/reach.xz, by which is chosen")
    parser.add_argument("--functions", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    record, today = _record_of(words.record), table.read()
    pairs = _pairs(record, today, words.functions, words.seed)
    shares = [run / reaching for reaching, run in pairs]
    result = {
        "record": record.commit,
        "today": today.commit,
        "functions": len(pairs),
        "mean share of their tests": round(sum(shares) / len(shares), 4),
        "functions of which all tests run": round(sum(one == 1.0 for one in shares) / len(shares), 4),
        "functions of which none runs": sum(one == 0.0 for one in shares),
    }
    print(result)
    keep("chosen_reach", describe(), result)
    return 0


def _record_of(commit: str) -> table.Table:
    packed = subprocess.check_output(["git", "show", f"{commit}:tests/reach.xz"], cwd=ROOT)
    with tempfile.NamedTemporaryFile(suffix=".xz") as file:
        file.write(packed)
        file.flush()
        return table.read(Path(file.name))


def _pairs(record: table.Table, today: table.Table, most: int, seed: int) -> list[tuple[int, int]]:
    """Of each function how many tests reach it, and how many of them the gate runs."""
    quick = _quick_tests()
    functions = sorted(one for one in changes.since(record.commit).functions if one[0].startswith(CODE))
    pairs: list[tuple[int, int]] = []
    for path, name in random.Random(seed).sample(functions, len(functions)):
        if len(pairs) == most:
            break
        if not (reaching := today.tests([number(path, name)])):
            continue
        chosen = choose(Changes({(path, name)}, set(), {path}), record, "HEAD").tests
        run = [one for one in reaching if one in quick or one not in record.seconds or covers(chosen, one)]
        pairs.append((len(reaching), len(run)))
    return pairs


def _quick_tests() -> set[str]:
    """Those of ``make test``, without their rows; tests that are newer than the record run since they changed."""
    command = [sys.executable, "-m", "pytest", "--quick", "--collect-only", "-q", "-p", "no:cacheprovider"]
    printed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout
    return {line.partition("[")[0] for line in printed.splitlines() if "::" in line}


if __name__ == "__main__":
    sys.exit(main())
