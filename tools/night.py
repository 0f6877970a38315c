"""``make night``: all that the gate leaves out, in parts that each fit in an hour; it keeps when each ran last.

``make night PARTS="fuzz soak"`` runs some. A part that consists of several runs goes on where it ended, with what
failed, and one that fails ends no other. ``benchmarks/results/night.json`` has a row for each part, of the commit at
which it began, docs/explanation/reliability.md the same rows. The gate tells their age (`python -m tools.night ages`),
and fails where a part is too old.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tools.reach.changes import ROOT, git

RECORD = ROOT / "benchmarks" / "results" / "night.json"
PAGE = ROOT / "docs" / "explanation" / "reliability.md"
STATE = ROOT / ".cache" / "night"
"""What is done of parts that are not over, and what their tests reached."""
BEGIN, END = "<!-- night -->", "<!-- end of night -->"
WARN = 200
"""Commits since a part ran from which on the gate warns."""
SLICES = {
    "core": "tests/architecture tests/contract tests/core tests/dicom tests/property tests/fuzz",
    "project": "tests/project",
    "runtime": "tests/runtime tests/node",
    "measure": "tests/stages/measure",
    "assess": "tests/stages/assess tests/stages/explain tests/stages/units",
    "stages": "tests/meaning tests/stages/receive tests/stages/conclusion tests/stages/deliver tests/stages/report",
    "features": "tests/features",
    "interfaces": "tests/interfaces tests/web",
    "packages": "tests/packages",
    "examples": "tests/examples",
    "peers": "tests/peers",
    "crash": "tests/crash",
}
"""Folders of tests that run together."""
LAST_FAILED = "--last-failed --last-failed-no-failures none"
"""Of a run that failed, what failed: when it is mended, a part goes on with that."""
PYTEST = "-p required -n 4 --dist loadfile --no-loadscope-reorder --durations 15 --durations-min 5"
NO_PEERS = "-n 4 --dist loadfile -m 'not peers and not browser'"


@dataclass(frozen=True, slots=True)
class Part:
    """``runs``: by name the command of each; the gate is red from ``most`` commits on."""

    title: str
    most: int
    runs: Callable[[], dict[str, str]]


def main() -> int:
    """Run all parts, or those that are named; return 0 if all passed."""
    parser = argparse.ArgumentParser(prog="python -m tools.night", description=main.__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or `ages`")
    names = parser.parse_args().parts
    if names == ["ages"]:
        return tell_ages()
    if unknown := set(names) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    outcomes = [run(name) for name in names or PARTS]
    return 0 if set(outcomes) <= {"passed"} else 1


def run(name: str) -> str:
    """Run what is left of a part, and keep its row when it is over; return its outcome."""
    state = STATE / f"{name}.json"
    done: dict[str, Any] = (
        json.loads(state.read_text("utf-8")) if state.exists() else {"commit": commit(), "at": now(), "runs": {}}
    )
    for run_name, command in PARTS[name].runs().items():
        before = done["runs"].get(run_name, {"seconds": 0, "outcome": ""})
        if before["outcome"] == "passed":
            continue
        own_list = f"-o cache_dir={STATE / name}"  # of what failed: parts have tests in common
        options = f"{own_list} {LAST_FAILED}" if before["outcome"] == "failed" else own_list
        started, variables = time.monotonic(), os.environ | {"PYTEST_ADDOPTS": options}
        status = subprocess.run(["bash", "-c", command], cwd=ROOT, env=variables, check=False).returncode  # noqa: S603, S607
        outcome = "failed" if status else "passed"
        done["runs"][run_name] = {"seconds": before["seconds"] + round(time.monotonic() - started), "outcome": outcome}
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(json.dumps(done, indent=1), "utf-8")
    failed = [one for one, row in done["runs"].items() if row["outcome"] == "failed"]
    row = {
        "at": done["at"],
        "commit": done["commit"],
        "seconds": sum(one["seconds"] for one in done["runs"].values()),
        "outcome": f"failed: {', '.join(failed)}" if failed else "passed",
    }
    if not failed:
        state.unlink()
        if name == "tests":
            pack(done["commit"])
    keep({**parts(), name: row})
    return str(row["outcome"])


def pack(of: str) -> None:
    """Keep which test reaches which function, if this night could record it."""
    if (folder := STATE / "reach").exists():
        subprocess.run([sys.executable, "-m", "tools.reach", "pack", str(folder), "--commit", of], cwd=ROOT, check=True)  # noqa: S603
        shutil.rmtree(folder)


def _tests() -> dict[str, str]:
    """All tests, with the newest Python, which can record what they reach from 3.12 on."""
    version, python = newest_python()
    records = tuple(map(int, version.split(".")[:2])) >= (3, 12)
    options = f"{PYTEST} -p tools.reach.record" if records else PYTEST
    make = f"REACH_FOLDER={STATE / 'reach'} PYTHONPATH=.ci make PYTHON={python} VENV=.venv-{version}"
    return {name: f"{make} setup-train && {_twice(make, options, folders)}" for name, folders in SLICES.items()}


def _python() -> dict[str, str]:
    """With the Python of the gate, all tests but those with peers and browsers, which the gate has."""
    return {name: _twice("make", NO_PEERS, folders) for name, folders in SLICES.items() if name != "peers"}


def _twice(make: str, options: str, folders: str) -> str:
    """What failed runs once more, by itself: machines stall."""
    tests = f'{make} --no-print-directory test-all PYTEST_ARGS="{options} {folders}"'
    return f'{{ {tests} || PYTEST_ADDOPTS="$PYTEST_ADDOPTS {LAST_FAILED}" {tests}; }}'


PARTS = {
    "tests": Part("all tests, with the newest Python, and what they reach", 300, _tests),
    "python": Part("all tests but those with peers and browsers, with the oldest Python", 300, _python),
    "long": Part("`make long`", 300, lambda: {"site": "make site", "long": "make long"}),
    "fuzz": Part("`make fuzz`", 600, lambda: {"fuzz": "make fuzz"}),
    "soak": Part("`make soak`", 600, lambda: {"soak": "make soak"}),
    "crash": Part("`make crash`", 600, lambda: {"crash": "make crash"}),
    "faults": Part("`make faults matrix`", 600, lambda: {"faults": "make faults", "matrix": "make matrix"}),
}


def newest_python() -> tuple[str, str]:
    """Version and program of the newest Python of this machine that the project admits."""
    output = subprocess.run(
        [sys.executable, ".ci/pythons.py"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    mine = (".".join(map(str, sys.version_info[:3])), sys.executable)
    pythons = [mine, *(tuple(line.split(" ", 1)) for line in output.splitlines())]
    version, python = max(pythons, key=lambda one: tuple(map(int, one[0].split("."))))
    return version, python


def commit() -> str:
    """The commit of the checkout, short."""
    return git("rev-parse", "--short=10", "HEAD")


def now() -> str:
    """The time, in the form of the record."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def record() -> dict[str, Any]:
    """``began``: the commit from which on nights are counted; ``parts``: the row of each part that ran."""
    document: dict[str, Any] = json.loads(RECORD.read_text("utf-8"))
    return document


def parts() -> dict[str, dict[str, Any]]:
    """The rows."""
    rows: dict[str, dict[str, Any]] = record()["parts"]
    return rows


def last_full_run() -> str:
    """Commit on which all tests passed last; CalledProcessError if the history does not have it."""
    return git("rev-parse", "--verify", "--quiet", f"{parts().get('tests', {}).get('commit', '')}^{{commit}}")


def keep(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write record and page."""
    document = {**record(), "parts": {name: rows[name] for name in PARTS if name in rows}}
    RECORD.write_text(f"{json.dumps(document, indent=1)}\n", "utf-8")
    text = PAGE.read_text("utf-8")
    PAGE.write_text(text.partition(BEGIN)[0] + published(rows) + text.partition(END)[2], "utf-8")


def published(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of the page, between its marks."""
    lines = ["| part | began | commit | took | outcome |", "|---|---|---|---|---|"]
    for name, part in PARTS.items():
        if row := rows.get(name):
            took = f"{row['seconds'] / 60:.0f} min"
            lines.append(f"| {part.title} | {row['at'][:10]} | `{row['commit']}` | {took} | {row['outcome']} |")
        else:
            lines.append(f"| {part.title} | not yet | – | – | – |")
    return "\n".join([BEGIN, "", *lines, "", END])


def tell_ages() -> int:
    """Print the age of each part; return 1 if one is so old that the gate is red."""
    too_old, document = False, record()
    for name, part in PARTS.items():
        row = document["parts"].get(name, {"commit": document["began"], "at": "", "outcome": "not yet"})
        age = commits_since(row["commit"])
        if age is None:
            line = f"ran {row['at'][:10] or 'never'}; this history is too short to count commits"
        else:
            too_old |= age >= part.most
            line = f"{age} commits ago" if row["at"] else f"did not run in the {age} commits since nights are recorded"
        word = "" if age is None or age < WARN else "TOO OLD: " if age >= part.most else "WARNING: "
        advice = f"; run: make night PARTS={name}" if word else ""
        sys.stdout.write(f"{word}{name}: {line} ({row['outcome']}){advice}\n")
    return int(too_old)


def commits_since(of: str) -> int | None:
    """How many commits the checkout has that another does not have; None if the history is too short."""
    try:
        if git("rev-parse", "--is-shallow-repository") == "true":
            return None
        return int(git("rev-list", "--count", f"{of}..HEAD"))
    except subprocess.CalledProcessError:
        return None


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
