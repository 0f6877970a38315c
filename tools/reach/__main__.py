"""``python -m tools.reach choose FOLDER`` writes what the gate runs, and why; ``pack`` keeps the record of a night."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tools.night import last_full_run
from tools.reach import changes, record, table
from tools.reach.choose import NEEDS, STEPS, Choice, choose, expected_s


def main() -> int:
    """Run one step."""
    parser = argparse.ArgumentParser(prog="python -m tools.reach", description=__doc__)
    steps = parser.add_subparsers(required=True)
    one = steps.add_parser("choose", help="write the files `tests` and `steps` into a folder")
    one.add_argument("folder", type=Path)
    one.add_argument("--since", help="commit of the last full run; default is what the night's record says")
    one.set_defaults(step=write_choice)
    one = steps.add_parser("pack", help="pack what a run of all tests recorded into tests/reach.xz")
    one.add_argument("folder", type=Path)
    one.add_argument("--commit", required=True)
    one.set_defaults(step=pack)
    words = parser.parse_args()
    return int(words.step(words))


def write_choice(words: argparse.Namespace) -> int:
    """``tests`` has a file, folder or function a line, or nothing for everything; ``steps`` a word a line."""
    choice, reasons = chosen(words.since)
    words.folder.mkdir(parents=True, exist_ok=True)
    (words.folder / "tests").write_text("" if choice.everything else "\n".join(sorted(choice.tests)), "utf-8")
    (words.folder / "steps").write_text("\n".join(sorted(choice.steps)), "utf-8")
    sys.stdout.write("\n".join(reasons) + "\n")
    return 0


def chosen(since: str | None) -> tuple[Choice, list[str]]:
    """The choice, and lines that say why."""
    try:
        reach = table.read()
        commit = since or last_full_run()
        differences = changes.since(commit)
    except FileNotFoundError:
        return everything("tests/reach.xz is not there")
    except subprocess.CalledProcessError:
        return everything("the history does not have the commit of the last full run")
    choice = choose(differences, reach, commit)
    if choice.everything:
        return everything(choice.everything)
    minutes = expected_s(choice, reach) / 60
    return choice, [
        f"since {commit}: {len(differences.files)} files, {len(differences.functions)} functions",
        f"chosen: {len(choice.tests)} files, folders and tests, some {minutes:.0f} minutes of one runner",
        f"steps: {' '.join(sorted(choice.steps)) or 'none'}",
    ]


def everything(reason: str) -> tuple[Choice, list[str]]:
    """All tests and all steps."""
    return Choice(everything=reason, steps={*STEPS, *NEEDS}), [f"everything runs: {reason}"]


def pack(words: argparse.Namespace) -> int:
    """Print the size."""
    size = table.write(table.table_of(words.commit, record.rows(words.folder)))
    sys.stdout.write(f"{table.FILE}: {size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
