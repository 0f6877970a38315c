"""No test decides by a clock: it waits for an event, with a long deadline, and fails early where something must stay.

``tests/waiting.py`` alone sleeps. What a test measures by a clock is held against no limit of less than a minute,
unless the limit is what the software promises.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ITSELF = "waiting.py"
LONG_S = 60.0
"""A machine that runs other tests beside this one needs less for what takes seconds."""
LONG = {"LIMIT_S", "PATIENT_S"}
CLOCKS = {"monotonic", "perf_counter", "time"}
ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
PROMISES = {
    "crash/faults.py": "a node that cannot work says so within ten seconds, and is ready again as soon",
    "crash/station.py": "a limit that starts anew with each step: it names what no longer goes on",
    "crash/test_process_faults.py": "another worker takes over after `work.dead_after_s`",
    "features/audit/page/test_browser_audit.py": "a message is sent within a second; the quickest of several",
    "fuzz/campaign.py": "no input of a few kilobytes takes half a minute",
}
"""The files whose limits are those that the documentation promises, and what they promise."""


def files() -> list[Path]:
    return sorted(TESTS.rglob("*.py"))


def sleeps(tree: ast.AST) -> Iterator[int]:
    """Lines that call ``sleep``, of whatever module and by whatever name."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"time", "asyncio"}
        for alias in node.names
        if alias.name == "sleep"
    } | {"sleep"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in names or called.endswith(".sleep"):
                yield node.lineno


def is_clock(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in CLOCKS | {f"time.{name}" for name in CLOCKS}


def is_elapsed(node: ast.AST, spans: set[str]) -> bool:
    """Whether an expression is a span of a clock: a difference with its reading, or a name for one."""
    for part in ast.walk(node):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub) and any(map(is_clock, ast.walk(part))):
            return True
        if isinstance(part, ast.Name) and part.id in spans:
            return True
    return False


def is_long(node: ast.AST) -> bool:
    """Whether a limit is a minute or more."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and node.value >= LONG_S
    return any(isinstance(part, ast.Name) and part.id in LONG for part in ast.walk(node))


def short_limits(tree: ast.AST) -> Iterator[int]:
    """Lines of assertions that hold a span of a clock against a limit of less than a minute."""
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        spans: set[str] = set()
        for node in ast.walk(scope):
            if isinstance(node, ast.Assign) and is_elapsed(node.value, set()):
                spans |= {name.id for name in node.targets if isinstance(name, ast.Name)}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
                spans |= {ast.unparse(node.func.value) for one in node.args if is_elapsed(one, set())}
        for asserted in (node for node in ast.walk(scope) if isinstance(node, ast.Assert)):
            if any(is_short(one, spans) for one in ast.walk(asserted.test) if isinstance(one, ast.Compare)):
                yield asserted.lineno


def short_deadlines(tree: ast.AST) -> Iterator[int]:
    """Lines that fail unless something happens within less than a minute."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assert | ast.Expr):
            continue
        call = node.test if isinstance(node, ast.Assert) else node.value
        if not isinstance(call, ast.Call):
            continue
        if isinstance(call.func, ast.Name) and call.func.id != "wait_until":  # the futures' own goes on without
            continue
        name = ast.unparse(call.func).rpartition(".")[2]
        limits = call.args[1:2] if name == "wait_until" else call.args[:1] if isinstance(node, ast.Assert) else []
        limits += [word.value for word in call.keywords if word.arg in {"timeout", "limit_s"}]
        if name in {"wait_until", "wait", "result"} and any(
            isinstance(one, ast.Constant) and not is_long(one) for one in limits
        ):
            yield node.lineno


def is_short(compared: ast.Compare, spans: set[str]) -> bool:
    sides = [compared.left, *compared.comparators]
    for left, operation, right in zip(sides, compared.ops, sides[1:], strict=False):
        span, limit = (right, left) if isinstance(operation, ast.Gt | ast.GtE) else (left, right)
        if isinstance(operation, ORDER) and is_elapsed(span, spans) and not is_long(limit):
            return True
    return False


@pytest.mark.parametrize(
    "source", ["time.sleep(1)", "import asyncio\nasyncio.sleep(1)", "from time import sleep as nap\nnap(1)"]
)
def test_the_check_sees_each_sleep(source: str) -> None:
    assert list(sleeps(ast.parse(source)))


@pytest.mark.parametrize(
    ("body", "is_seen"),
    [
        ("assert time.monotonic() - start < 5.0", True),
        ("assert 0.3 <= time.monotonic() - start < 5.0", True),
        ("took_s = time.monotonic() - start; assert 2.0 > took_s", True),
        ("all_s.append(time.monotonic() - start); assert min(all_s) < 2.0", True),
        ("assert abs(stamp - time.time()) < 5", True),
        ("assert time.monotonic() - start < LIMIT_S", False),
        ("assert time.monotonic() - start > 5.0", False),
        ("assert time.monotonic() < end", False),
    ],
)
def test_the_check_sees_each_short_limit(body: str, is_seen: bool) -> None:
    assert bool(list(short_limits(ast.parse(f"def test():\n    {body}")))) is is_seen


@pytest.mark.parametrize(
    ("body", "is_seen"),
    [
        ("assert done.wait(20)", True),
        ("process.wait(timeout=10)", True),
        ("assert wait_until(lambda: done, 10.0)", True),
        ("assert done.wait(LIMIT_S)", False),
        ("assert not done.wait(0.3)", False),
        ("done.wait(0.3)", False),
        ("wait([done], timeout=0.3)", False),
    ],
)
def test_the_check_sees_each_short_deadline(body: str, is_seen: bool) -> None:
    assert bool(list(short_deadlines(ast.parse(body)))) is is_seen


def test_nothing_sleeps_but_the_helpers() -> None:
    places = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in files()
        if path.relative_to(TESTS).as_posix() != ITSELF and "sleep" in (text := path.read_text("utf-8"))
        for line in sleeps(ast.parse(text))
    ]
    assert places == [], "tests/waiting.py has what they need"


def test_a_short_limit_is_a_promise() -> None:
    places: dict[str, list[int]] = {}
    for path in files():
        text = path.read_text("utf-8")
        if any(name in text for name in ("monotonic(", "perf_counter(", "time.time(")) and (
            lines := sorted(set(short_limits(ast.parse(text))))
        ):
            places[path.relative_to(TESTS).as_posix()] = lines
    assert {name: lines for name, lines in places.items() if name not in PROMISES} == {}
    assert PROMISES.keys() <= {path.relative_to(TESTS).as_posix() for path in files()}


@pytest.mark.more
def test_what_must_happen_has_a_minute_at_least() -> None:
    hits = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in files()
        if re.search(r"\bwait|\.result\(", text := path.read_text("utf-8"))
        for line in short_deadlines(ast.parse(text))
    ]
    assert hits == [], "LIMIT_S of tests/waiting.py is long"
