"""Mutants of a file: each is one changed expression or one left-out statement inside a function."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Div,
    ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}  # fmt: skip
_Found = tuple[ast.expr | ast.stmt, str, ast.AST]
_LOG_NAMES = frozenset({"log", "_log", "logger", "logging"})
_TYPE_CALLS = frozenset({"cast", "assert_never", "assert_type", "reveal_type", "NewType", "TypeVar"})
_ALIKE = frozenset({"strict", "stacklevel", "slots", "repr"})
"""Keyword arguments whose value changes nothing that a test should see."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of the bytes ``[start, end)`` of a file; ``statement`` says that they are no expression."""

    path: str
    line: int
    start: int
    end: int
    kind: str
    after: str
    before: str
    statement: bool = False

    def applied(self, source: bytes) -> bytes:
        """The file with the change; every line keeps its number, and every function its variables."""
        old = source[self.start : self.end]
        if self.kind == "removed statement":
            new = b"if 0: " + old
        elif self.kind == "return value":
            new = b"return None; " + old
        else:
            lines = b"\n" * (old.count(b"\n") - self.after.count("\n"))
            new = self.after.encode() + lines if self.statement else b"(" + self.after.encode() + lines + b")"
        return source[: self.start] + new + source[self.end :]


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """All mutants of one file, in the order of its text."""
    return [_mutant(path, source, hits) for hits in _found(ast.parse(source))]


def _mutant(path: str, source: bytes, hits: _Found) -> Mutant:
    node, kind, after = hits
    lines = source.splitlines(keepends=True)
    first = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    last = sum(map(len, lines[: (node.end_lineno or 0) - 1])) + (node.end_col_offset or 0)
    before = " ".join(source[first:last].decode().split())
    return Mutant(path, node.lineno, first, last, kind, ast.unparse(after), before, isinstance(node, ast.stmt))


def _found(tree: ast.AST, *, inside: bool = False) -> Iterator[_Found]:
    """Walk what runs when a function is called: no annotations, docstrings, patterns, texts of logs or f-strings."""
    if isinstance(tree, (ast.JoinedStr, ast.pattern)) or _is_log(tree):
        return
    if inside and isinstance(tree, (ast.expr, ast.stmt)):
        yield from ((tree, kind, after) for kind, after in changes(tree))
    if inside:
        yield from ((test, "condition", ast.UnaryOp(ast.Not(), test)) for test in _conditions(tree))
    function = isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    for name, value in ast.iter_fields(tree):
        if name in {"annotation", "returns", "type_params"}:
            continue
        children = value if isinstance(value, list) else [value]
        if name == "args" and isinstance(tree, ast.Call) and _called(tree) in _TYPE_CALLS:
            children = children[1:]
        for child in children:
            if isinstance(child, ast.AST) and not (isinstance(child, ast.keyword) and child.arg in _ALIKE):
                yield from _found(child, inside=inside or (function and name == "body"))


def _conditions(node: ast.AST) -> list[ast.expr]:
    """What decides; comparisons and negations are mutated as such."""
    tests = [node.test] if isinstance(node, (ast.If, ast.While, ast.IfExp)) else []
    tests += node.ifs if isinstance(node, ast.comprehension) else []
    return [one for one in tests if not isinstance(one, (ast.Compare, ast.UnaryOp))]


def changes(node: ast.expr | ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """What may become of one node itself, by kind; its children are nodes of their own."""
    new = copy.copy(node)
    match new:
        case ast.Compare(ops=[first, *others]):
            new.ops = [_COMPARISONS[type(first)](), *others]
            yield "comparison", new
        case ast.BoolOp(op=operator):
            new.op = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield "boolean operator", new
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "condition", operand
        case ast.Constant(value=str() | bytes() | int() | float() | complex() as value):
            yield "constant", ast.Constant(_other(value))
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
            if not (_is_text(left) or _is_text(right)):
                new.op = _ARITHMETIC[type(operator)]()
                yield "arithmetic", new
        case ast.AugAssign(op=operator, value=value) if type(operator) in _ARITHMETIC and not _is_text(value):
            new.op = _ARITHMETIC[type(operator)]()
            yield "arithmetic", new
        case ast.Return(value=value) if value is not None and not isinstance(value, ast.Constant):
            yield "return value", ast.Return(ast.Constant(None))
        case _ if _can_go(node):
            yield "removed statement", ast.Pass()


def _can_go(node: ast.AST) -> bool:
    """Whether the names of the function stay as they are without it."""
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Continue() | ast.Break() | ast.Delete():
            return True
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            return True
        case _:
            return False


def _other(value: str | bytes | complex) -> str | bytes | complex:
    match value:
        case bool():
            return not value
        case str():
            return f"XX{value}XX"
        case bytes():
            return b"XX" + value + b"XX"
        case _:
            return value + 1


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


def _is_log(node: ast.AST) -> bool:
    """A docstring, or a call such as ``log.info(…)``."""
    if not isinstance(node, ast.Expr):
        return False
    call = node.value
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        return isinstance(call.func.value, ast.Name) and call.func.value.id in _LOG_NAMES
    return isinstance(call, ast.Constant)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
