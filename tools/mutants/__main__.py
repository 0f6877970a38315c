"""``python -m tools.mutants STEP --help``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from benchmarks.machine import describe
from tools.mutants.mutations import choose
from tools.mutants.records import COUNT, Records, write_mutants
from tools.mutants.shares import differences, missed, outcome
from tools.mutants.tree import copy_of, git, run_tests, set_marks

NO_PEERS = "not peers and not browser"


def main() -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    steps = parser.add_subparsers(required=True)
    for name, step, text in (
        ("trace", trace, "choose mutants, and run the tests once to see which of them each test reaches"),
        ("kill", kill, "run the tests of each mutant"),
        ("share", share, "say which part of what all tests kill the quick suite kills"),
        ("compare", compare, "name the mutants that were killed before and survive"),
    ):
        one = steps.add_parser(name, help=text, description=text)
        one.add_argument("--work", type=Path, required=True, help="folder of the measurement; it grows, and resumes")
        one.add_argument("--quick", type=Path, help="file with the ids of the quick tests instead, one a line")
        one.add_argument("--seed", type=int, default=1)
        one.add_argument("--commit", default="HEAD", help="what is measured")
        one.add_argument("--killers", type=int, default=1, help="failing tests that end the run of a mutant")
        one.add_argument("--before", type=Path, help="compare: folder of the earlier measurement")
        one.add_argument("--write", type=Path, help="share: file of the result")
        one.set_defaults(step=step)
    words = parser.parse_args()
    words.work = words.work.resolve()
    words.work.mkdir(parents=True, exist_ok=True)
    os.nice(19)  # other work comes first
    words.step(words)


def trace(words: argparse.Namespace) -> None:
    """Each test runs once; mutants that no test reaches are replaced by the next ones of the seed."""
    with copy_of(words.commit, words.work) as tree:
        mutants = choose(tree, words.seed, 2 * COUNT)
        set_marks(tree, write_mutants(words.work, {words.seed: mutants}))
        record = {"MUTANTS_RECORD": str(words.work / "executions.jsonl")}
        for arguments in (["--quick", "--collect-only"], []):
            run_tests(tree, "trace", ["-m", NO_PEERS, *arguments], record)


def kill(words: argparse.Namespace) -> None:
    """A mutant is over when the quick suite killed it, or both suites had their say."""
    needed = _records(words).needed(words.seed, words.killers)
    variables = {"WORK": words.work, "SEED": words.seed, "KILLERS": words.killers}
    if words.quick:
        variables["QUICK"] = words.quick.resolve()
    with copy_of(words.commit, words.work) as tree:
        files = sorted({test.partition("::")[0] for test in needed})
        named = {f"MUTANTS_{name}": str(value) for name, value in variables.items()}
        run_tests(tree, "kill", ["-m", NO_PEERS, *files], named)


def share(words: argparse.Namespace) -> None:
    """Print the figure, and write it with the mutants that only the other tests kill."""
    records = _records(words)
    result = outcome(records, words.seed)
    figures = {name: value for name, value in result.items() if name != "mutants"}
    sys.stdout.write(f"{json.dumps(figures, indent=1)}\n")
    (words.work / "missed.json").write_text(json.dumps(missed(records, words.seed), indent=1), "utf-8")
    if words.write:
        commit = git("rev-parse", "--short", words.commit).decode().strip()
        document = {"machine": {**describe(), "commit": commit}, **result}
        words.write.write_text(f"{json.dumps(document, indent=1)}\n", "utf-8")


def compare(words: argparse.Namespace) -> None:
    """Print what got lost; the mutants are the same where their files are."""
    for line in differences(Records(words.before), _records(words), words.seed):
        sys.stdout.write(f"{line}\n")


def _records(words: argparse.Namespace) -> Records:
    return Records(words.work, words.quick.read_text("utf-8").splitlines() if words.quick else None)


if __name__ == "__main__":
    main()
