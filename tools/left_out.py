"""Whether limits hold on a scanner they were not set on: ``assess FOLDER… --json | python -m tools.left_out``.

FOLDER has unaltered series. For each measurement with a limit in the policy, a limit of its own is set from all
scanners but one, as ``MARGIN`` times the largest number of the others, and the scanner that was left out is judged by
it. Prints the table of docs/explanation/series.md.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from miqa_node.core.domain.measurand import measurands
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import LimitSide, Subject
from miqa_node.core.domain.shown_number import shown_number
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.stages.measure.tried_on import UNKNOWN_MAKE
from tools.tried_on import scanner_of

MARGIN = 1.4
USUAL = {"hu_air": -1000.0}
"""What a measurement is compared with, if it is not 0."""
LEAST_SCANNERS = 3
HEAD = ("measurement", "flagged", "unaltered, by scanner", "left out and flagged")
Numbers = Mapping[str, Sequence[float]]
"""Of one measurement, by scanner."""


def numbers_of(lines: Iterable[str]) -> dict[str, Numbers]:
    """What the lines of ``assess --json`` say of series, by measurement."""
    all_numbers: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        unit: dict[str, Any] = json.loads(line)
        scanner = _name(unit["files"][0]) if unit.get("measurements") and unit.get("files") else None
        for name, measured in unit.get("measurements", {}).items() if scanner else ():
            if measured["value"] is not None:
                all_numbers[name][str(scanner)].append(measured["value"])
    return dict(all_numbers)


def _name(file: str) -> str | None:
    """The scanner, or the folder of files that name none; None of files that no scanner made."""
    scanner = scanner_of(file)
    return Path(file).parent.name if scanner == UNKNOWN_MAKE else scanner


def flagged_alone(numbers: Numbers, usual: float = 0.0) -> list[str]:
    """The scanners beyond ``MARGIN`` times the largest number of all others.

    >>> flagged_alone({"A": [10.0], "B": [12.0, 4.0], "C": [-20.0]})
    ['C']
    >>> flagged_alone({"A": [-991.0], "B": [-1012.0]}, usual=-1000.0)
    []
    """
    largest = {scanner: max(abs(one - usual) for one in values) for scanner, values in numbers.items()}
    others = {scanner: [one for name, one in largest.items() if name != scanner] for scanner in largest}
    return [scanner for scanner, one in largest.items() if others[scanner] and one > MARGIN * max(others[scanner])]


def rows(all_numbers: Mapping[str, Numbers], policy: Policy) -> Iterable[tuple[str, ...]]:
    """A row for each measurement with a limit in the policy that is no count of faults, and with enough scanners."""
    for name in (one.name for one in measurands()):
        numbers = all_numbers.get(name, {})
        limits = {
            (rule.side, rule.limit)
            for rule in policy.of(Subject.MEASUREMENT)
            if rule.what == name and rule.limit and rule.side is not LimitSide.SHARE
        }
        if len(numbers) < LEAST_SCANNERS or not limits:
            continue
        usual = USUAL.get(name, 0.0)
        values = sorted((one for every in numbers.values() for one in every), key=lambda one: -abs(one - usual))
        signs = sorted({f"{'>' if side is LimitSide.ABOVE else '<'} {limit:g}" for side, limit in limits})
        alone = ", ".join(flagged_alone(numbers, usual)) or f"none of {len(numbers)}"
        yield (
            f"`{name}`",
            ", ".join(signs),
            ", ".join(shown_number(name, one) for one in values).replace("-", "−"),
            alone,
        )


def main() -> None:
    """Print the table."""
    policy = read_policy(load_settings().policy_file)
    table = [HEAD, ("---",) * len(HEAD), *rows(numbers_of(sys.stdin), policy)]
    sys.stdout.writelines(f"| {' | '.join(row)} |\n" for row in table)


if __name__ == "__main__":
    main()
