"""Mutants change what runs and nothing else, and what the tests did with them adds up."""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pytest

from tools.mutants.mutations import Mutant, marked, mutants_of
from tools.mutants.records import LIMIT_S, Execution, Records, Run, write_mutants
from tools.mutants.replaced import Functions
from tools.mutants.shares import differences, missed, outcome

SOURCE = b'''"""Docstring."""
LIMIT = 3


def judge(values: list[int], *, least: int = 2) -> "str | None":
    """Another docstring."""
    log.info("no mutant %s", 5)
    total = 0
    for one in values:
        if one < 0:
            continue
        total += one
    if total and not total % LIMIT:
        values.append(
            total,
        )
    return f"{total + 1}" if total > least else None
'''


def found(source: bytes = SOURCE) -> list[tuple[int, str, str, str]]:
    return [(one.line, one.kind, one.before, one.after) for one in mutants_of("miqa_node/a.py", source)]


def test_what_runs_in_a_function_is_mutated_but_not_its_texts_for_logs_types_and_readers() -> None:
    assert found() == [
        (8, "constant", "0", "1"),
        (10, "comparison", "one < 0", "one <= 0"),
        (10, "constant", "0", "1"),
        (11, "removed statement", "continue", "pass"),
        (12, "arithmetic", "total += one", "total -= one"),
        (13, "condition", "total and not total % LIMIT", "not (total and (not total % LIMIT))"),
        (13, "boolean operator", "total and not total % LIMIT", "total or not total % LIMIT"),
        (13, "condition", "not total % LIMIT", "total % LIMIT"),
        (13, "arithmetic", "total % LIMIT", "total / LIMIT"),
        (14, "removed statement", "values.append( total, )", "pass"),
        (17, "return value", 'return f"{total + 1}" if total > least else None', "return None"),
        (17, "comparison", "total > least", "total >= least"),
    ]


@pytest.mark.parametrize(
    ("statement", "others"),
    [
        ("return cast('int', 1)", ["return None", "2"]),
        ("return 'a' + name", ["return None", "'XXaXX'"]),
        ("return zip(a, b, strict=True)", ["return None"]),
        ("return [x for x in a if x]", ["return None", "not x"]),
        ("return lambda: True", ["return None", "False"]),
        ("a.b = 1.5", ["pass", "2.5"]),
        ("del a[b'k']", ["pass", "b'XXkXX'"]),
        ("raise KeyError", ["pass"]),
        ("name = 'x'", ["'XXxXX'"]),
        ("name: Literal['x'] = other", []),
        ("return None", []),
        ("return a is not None", ["return None", "a is None"]),
    ],
)
def test_each_kind_of_code_has_its_mutants(statement: str, others: list[str]) -> None:
    assert [after for *_, after in found(f"def f():\n    {statement}\n".encode())] == others


def test_a_mutant_keeps_the_lines_of_its_file_and_the_variables_of_its_function() -> None:
    lines = SOURCE.count(b"\n")
    for mutant in mutants_of("miqa_node/a.py", SOURCE):
        changed = mutant.applied(SOURCE)
        compile(changed, "a.py", "exec")
        assert changed != SOURCE
        assert changed.count(b"\n") == lines


def test_marks_tell_which_mutants_were_reached_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    mutants = mutants_of("miqa_node/a.py", SOURCE)
    reached: set[int] = set()
    monkeypatch.setattr("tools.mutants.mutations.MARK", "mark")
    log = ModuleType("log")
    log.info = lambda *_: None  # type: ignore[attr-defined]
    names = {"log": log, "mark": reached.add}
    exec(compile(marked(SOURCE, list(enumerate(mutants))), "a.py", "exec"), names)
    judge = names["judge"]
    assert callable(judge)
    assert judge([5]) == "6"
    assert {mutants[number].line for number in reached} == {8, 10, 12, 13, 17}  # not: continue, append
    reached.clear()
    values = [-1, 3]
    assert judge(values) == "4"
    assert values == [-1, 3, 3]
    assert {mutants[number].line for number in reached} == {8, 10, 11, 12, 13, 14, 17}


def measurement(folder: Path, runs: list[Run], outcomes: tuple[str, ...] = ("passed",) * 4) -> Records:
    folder.mkdir(exist_ok=True)
    mutants = [Mutant("miqa_node/a.py", n, n, n + 1, "constant", "2", "1") for n in range(4)]
    write_mutants(folder, {1: mutants})
    tests = ("tests/a/test_a.py::q", "tests/a/test_a.py::row[2]", "tests/a/more/test_b.py::m", "tests/c/test_c.py::q")
    reached = ([0, 1], [1], [0, 1], [0])
    with (folder / "executions.jsonl").open("w") as file:
        for test, numbers, end in zip(tests, reached, outcomes, strict=True):
            costs = 0.5 if "/a/" in test else 0.1
            one = Execution(test, costs, costs, end, numbers, [2] if "/c/" in test else [])
            file.write(json.dumps(asdict(one)) + "\n")
    (folder / "quick.txt").write_text(f"{QUICK}\n{CHEAP}")
    records = Records(folder)
    for run in runs:
        records.add(run)
    return Records(folder)


NAMES = [f"miqa_node/a.py:{n}:{n}:constant" for n in range(4)]
QUICK, ROW, MORE, CHEAP = (
    "tests/a/test_a.py::q",
    "tests/a/test_a.py::row[2]",
    "tests/a/more/test_b.py::m",
    "tests/c/test_c.py::q",
)


def test_the_quick_suite_comes_first_and_the_cheapest_file_of_it(tmp_path: Path) -> None:
    records = measurement(tmp_path, [])
    assert [one.line for one in records.chosen(1)] == [0, 1, 2]  # no test reaches the last
    assert records.pending(NAMES[0]) == [(LIMIT_S, [CHEAP, QUICK]), (LIMIT_S, [MORE])]
    assert records.pending(NAMES[2]) == [(LIMIT_S, [CHEAP])]
    assert [round(records.cost_s(name, 1), 1) for name in NAMES] == [1.1, 1.5, 0.1, 0.0]
    assert records.needed(1, 1) == {QUICK, ROW, MORE, CHEAP}


def test_a_test_that_fails_without_a_mutant_kills_none(tmp_path: Path) -> None:
    records = measurement(tmp_path, [], ("passed", "passed", "failed", "skipped"))
    assert records.pending(NAMES[0]) == [(LIMIT_S, [QUICK])]


def test_the_first_failure_ends_it_and_so_does_a_minute(tmp_path: Path) -> None:
    records = measurement(
        tmp_path,
        [
            Run(NAMES[0], CHEAP, failed=True, cpu_s=0.1),
            Run(NAMES[1], QUICK, failed=False, cpu_s=LIMIT_S),
            Run(NAMES[1], MORE, failed=False, cpu_s=LIMIT_S + 1),
            Run(NAMES[2], CHEAP, failed=False, cpu_s=0.1),
        ],
    )
    assert [records.pending(name) for name in NAMES] == [[], [], [], []]
    assert records.pending(NAMES[0], killers=2) == [(LIMIT_S - 0.1, [QUICK]), (LIMIT_S, [MORE])]
    assert outcome(records, 1)["open"] == 0


@pytest.mark.more
def test_what_was_killed_before_and_survives_is_named(tmp_path: Path) -> None:
    dead = [Run(name, CHEAP, failed=True, cpu_s=0.1) for name in NAMES[:3]]
    before = measurement(tmp_path / "before", dead)
    after = measurement(tmp_path / "after", [dead[0], Run(NAMES[2], CHEAP, failed=False, cpu_s=0.1)])
    assert list(differences(before, after, 1)) == [
        f"miqa_node/a.py:2 constant: 1 -> 2; was killed by {CHEAP}",
        "3 were killed before; 2 of them were measured again, and 1 survive",
    ]


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
def test_a_share_is_of_what_all_tests_kill(tmp_path: Path) -> None:
    by_both = [Run(NAMES[0], CHEAP, failed=True, cpu_s=0.1)]
    by_more = [Run(NAMES[1], QUICK, failed=False, cpu_s=0.1), Run(NAMES[1], MORE, failed=True, cpu_s=0.1)]
    records = measurement(tmp_path, [*by_both, *by_more])
    result = outcome(records, 1)
    names = ("mutants_measured", "open", "killed_by_all_tests", "killed_by_make_test", "share")
    assert [result[name] for name in names] == [3, 1, 2, 1, 0.5]
    assert [(one["place"], one["killed_by"]) for one in missed(records, 1)] == [("miqa_node/a.py:1", [MORE])]
    assert outcome(Records(tmp_path, quick=[MORE]), 1)["killed_by_make_test"] == 1  # another triage, the same runs
