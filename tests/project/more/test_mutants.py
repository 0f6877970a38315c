"""Mutants change what runs and nothing else, and what the tests did with them adds up."""

from __future__ import annotations

from pathlib import Path

from tests.project.test_mutants import CHEAP, NAMES, measurement
from tools.mutants.records import Run
from tools.mutants.shares import differences


def test_what_was_killed_before_and_survives_is_named(tmp_path: Path) -> None:
    dead = [Run(name, CHEAP, failed=True, cpu_s=0.1) for name in NAMES[:3]]
    before = measurement(tmp_path / "before", dead)
    after = measurement(tmp_path / "after", [dead[0], Run(NAMES[2], CHEAP, failed=False, cpu_s=0.1)])
    assert list(differences(before, after, 1)) == [
        f"miqa_node/a.py:2 constant: 1 -> 2; was killed by {CHEAP}",
        "3 were killed before; 2 of them were measured again, and 1 survive",
    ]
