"""Mutants change what runs and nothing else, and what the tests did with them adds up."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from tests.project.test_mutants import CHEAP, MORE, NAMES, QUICK, measurement
from tools.mutants.mutations import mutants_of
from tools.mutants.records import LIMIT_S, Records, Run
from tools.mutants.replaced import Functions
from tools.mutants.shares import differences, missed, outcome


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


LOADED = b"""
from functools import cache

def plain(x):
    return x + 1

@cache
def cached(x):
    return helper(x) if x else 0

def helper(x):
    found = sorted((x,), key=lambda one: -one)
    return (lambda y: y * 2)(found[0])

class Thing(list):
    def __init__(self):
        super().__init__([1])
"""


def test_functions_that_are_loaded_get_the_code_of_the_mutant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "loaded_for_mutants.py"
    file.write_bytes(LOADED)
    monkeypatch.syspath_prepend(str(tmp_path))
    import loaded_for_mutants as loaded  # type: ignore[import-not-found]

    gc.freeze()  # as our own programs do
    functions = Functions()
    mutants = {(one.line, one.after): one for one in mutants_of("miqa_node/a.py", LOADED)}

    def mutate(line: int, after: str) -> int:
        return functions.replace(file, LOADED, mutants[line, after].applied(LOADED))

    assert (mutate(5, "x - 1"), loaded.plain(3)) == (1, 2)
    mutate(9, "not x")
    assert loaded.cached(3) == 0
    mutate(13, "y / 2")
    assert loaded.helper(8) == 4
    mutate(17, "pass")  # its variable __class__ stays, without which no function takes this code
    assert loaded.Thing() == []
    with pytest.raises(ValueError, match="no loaded function"):
        functions.replace(file, LOADED, LOADED)
    sys.modules.pop("loaded_for_mutants")


def test_a_share_is_of_what_all_tests_kill(tmp_path: Path) -> None:
    by_both = [Run(NAMES[0], CHEAP, failed=True, cpu_s=0.1)]
    by_more = [Run(NAMES[1], QUICK, failed=False, cpu_s=0.1), Run(NAMES[1], MORE, failed=True, cpu_s=0.1)]
    records = measurement(tmp_path, [*by_both, *by_more])
    result = outcome(records, 1)
    names = ("mutants_measured", "open", "killed_by_all_tests", "killed_by_make_test", "share")
    assert [result[name] for name in names] == [3, 1, 2, 1, 0.5]
    assert [(one["place"], one["killed_by"]) for one in missed(records, 1)] == [("miqa_node/a.py:1", [MORE])]
    assert outcome(Records(tmp_path, quick=[MORE]), 1)["killed_by_make_test"] == 1  # another triage, the same runs
