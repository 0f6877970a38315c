"""Mutants change what runs and nothing else."""

from __future__ import annotations

import pytest

from benchmarks.mutations import mutants_of

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
