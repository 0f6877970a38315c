"""``make campaign``: what the gate leaves out for its time, in turn; when each part ran last is kept and published.

A part that fails does not end the others. ``benchmarks/results/campaign.json`` has a row for each part, and
docs/explanation/reliability.md the same rows; both are written after each part, so that a campaign may be broken off.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.machine import RESULTS, describe

ROOT = RESULTS.parents[1]
RECORD = RESULTS / "campaign.json"
PAGE = ROOT / "docs" / "explanation" / "reliability.md"
BEGIN, END = "<!-- campaign -->", "<!-- end of campaign -->"
PYTHONS = "all tests with the other Pythons"
COMMANDS = {name: f"make {name}" for name in ("crash", "faults", "matrix", "long", "soak", "fuzz")}
"""Of each part but the Pythons, in the order in which they run."""
ALL_TESTS = "--long -n 4 --dist loadfile --no-loadscope-reorder"


def main() -> int:
    """Run all parts, or those that are named; return 0 if all passed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign", description=main.__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join([*COMMANDS, 'pythons'])}")
    options = parser.parse_args()
    if unknown := set(options.parts) - {*COMMANDS, "pythons"}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    rows = json.loads(RECORD.read_text("utf-8"))["parts"]
    passed = True
    for name in options.parts or (*COMMANDS, "pythons"):
        commands = _with_other_pythons() if name == "pythons" else [COMMANDS[name].split()]
        rows[name] = run(commands)
        passed &= rows[name]["outcome"] == "passed"
        keep(rows)
    return 0 if passed else 1


def run(commands: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The row of a part, whose commands all run."""
    machine, beginning, started = describe(), datetime.now(UTC), time.monotonic()
    failed = [subprocess.run(command, cwd=ROOT, check=False).returncode for command in commands]
    return {
        "at": beginning.isoformat(timespec="seconds"),
        "commit": machine["commit"],
        "uncommitted_changes": machine["uncommitted_changes"],
        "minutes": round((time.monotonic() - started) / 60.0),
        "outcome": "failed" if any(failed) else "passed",
    }


def keep(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write record and page."""
    RECORD.write_text(json.dumps({"benchmark": "campaign", "parts": rows}, indent=2) + "\n", "utf-8")
    text = PAGE.read_text("utf-8")
    PAGE.write_text(text.partition(BEGIN)[0] + published(rows) + text.partition(END)[2], "utf-8")


def published(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of the page, between its marks."""
    lines = ["| part | began | commit | took | outcome |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        part = f"`{COMMANDS[name]}`" if name in COMMANDS else PYTHONS
        if not row:
            lines.append(f"| {part} | not recorded | – | – | – |")
            continue
        commit = f"`{row['commit']}`" + (" and uncommitted changes" if row.get("uncommitted_changes") else "")
        took = f"{row['minutes']} min" if "minutes" in row else "–"
        lines.append(f"| {part} | {row['at'][:10]} | {commit} | {took} | {row['outcome']} |")
    return "\n".join([BEGIN, "", *lines, "", END])


def _with_other_pythons() -> list[list[str]]:
    """Every test with each of them, in an environment of its own beside the checkout's."""
    output = subprocess.run([sys.executable, ".ci/pythons.py"], cwd=ROOT, check=True, capture_output=True, text=True)
    pairs = [line.split(" ", 1) for line in output.stdout.splitlines()]
    return [
        ["make", "test-all", f"PYTHON={program}", f"VENV=.venv-{version}", f"PYTEST_ARGS={ALL_TESTS}"]
        for version, program in pairs
    ]


if __name__ == "__main__":
    sys.exit(main())
