"""Mutants change what runs and nothing else, and what the tests did with them adds up."""

from __future__ import annotations

from pathlib import Path

from tests.project.test_mutants import CHEAP, MORE, NAMES, QUICK, measurement
from tools.mutants.records import LIMIT_S, Records, Run
from tools.mutants.shares import differences


def test_what_was_killed_before_and_survives_is_named(tmp_path: Path) -> None:
    dead = [Run(name, CHEAP, failed=True, cpu_s=0.1) for name in NAMES[:3]]
    before = measurement(tmp_path / "before", dead)
    after = measurement(tmp_path / "after", [dead[0], Run(NAMES[2], CHEAP, failed=False, cpu_s=0.1)])
    assert list(differences(before, after, 1)) == [
        f"miqa_node/a.py:2 constant: 1 -> 2; was killed by {CHEAP}",
        "3 were killed before; 2 of them were measured again, and 1 survive",
    ]


def test_a_measurement_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    measurement(tmp_path, [Run(NAMES[0], CHEAP, failed=False, cpu_s=0.1)])
    with (tmp_path / "runs.jsonl").open("a") as file:
        file.write('\n{"mutant": "miqa')
    records = Records(tmp_path)
    assert records.pending(NAMES[0])[0][1] == [QUICK]
    records.add(Run(NAMES[0], QUICK, failed=False, cpu_s=0.1))
    assert Records(tmp_path).pending(NAMES[0]) == [(LIMIT_S, [MORE])]
