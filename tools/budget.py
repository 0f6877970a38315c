"""The lines of each storey against the table of ``CONTRIBUTING.md``: ``python -m tools.budget`` prints them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_ROW = re.compile(r"\| (?P<storey>[\w ]+) \| (?P<places>`[^|]+`) \| (?P<lines>[\d,]+) \| (?P<more>[^|]*)\|")
_ALLOWANCE = re.compile(r"([\d,]+) for ")


@dataclass(frozen=True, slots=True)
class Budget:
    """A storey: its lines of Python, its budget, and its allowances."""

    storey: str
    lines: int
    most: int
    allowed: int

    @property
    def fault(self) -> str:
        """By how much it is too large, and what to do about it; empty if it is not."""
        over = self.lines - self.most - self.allowed
        return (
            f"{self.storey} has {self.lines:,} lines, {over:,} more than CONTRIBUTING.md allows: something goes out, "
            "or a page of docs/adr says why not and changes the table"
            if over > 0
            else ""
        )


def budgets(root: Path = ROOT) -> Iterator[Budget]:
    """Each row of the table, with the lines that are there."""
    for row in _ROW.finditer((root / "CONTRIBUTING.md").read_text("utf-8")):
        files = {file for pattern in re.findall("`([^`]+)`", row["places"]) for file in root.glob(pattern)}
        if row["storey"] != "migrations":
            files = {file for file in files if "migrations" not in file.parts}
        lines = sum(len(file.read_text("utf-8").splitlines()) for file in files if not _is_link(file, root))
        allowed = sum(_number(one) for one in _ALLOWANCE.findall(row["more"]))
        yield Budget(row["storey"], lines, _number(row["lines"]), allowed)


def _is_link(file: Path, root: Path) -> bool:
    """Whether it is reached by a link: ``libraries`` has links to packages, which count once."""
    return any(part.is_symlink() for part in (file, *file.parents) if root in part.parents)


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def main() -> None:
    """A line for each storey."""
    for one in budgets():
        sys.stdout.write(f"{one.storey:12}{one.lines:9,} of {one.most + one.allowed:9,}  {one.fault}\n")


if __name__ == "__main__":
    main()
