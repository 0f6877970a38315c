"""What a Python file consists of: functions, and statements that run once when the module is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Unit:
    """A function, with the class that it belongs to, or what stands outside of functions.

    ``defines`` are names of the module: of a method its class. ``uses`` are all identifiers in the text, attributes
    included; ``text`` is the same if nothing but its place, comments and docstrings changed.
    """

    name: str
    is_function: bool
    defines: frozenset[str]
    uses: frozenset[str]
    text: str


@dataclass(frozen=True, slots=True)
class Module:
    """Units of a file, and what it imports: by local name the module and, if one of its names is meant, that name."""

    units: tuple[Unit, ...]
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)


def read(source: bytes | str, name: str) -> Module:
    """The module of that dotted name; SyntaxError if it is not Python."""
    tree = ast.parse(source)
    _without_docstrings(tree)
    return Module(tuple(_units(tree.body, "")), dict(_imports(tree, name)))


def _units(body: list[ast.stmt], of_class: str) -> Iterator[Unit]:
    for statement in body:
        name = (
            f"{of_class}.{statement.name}"
            if of_class and hasattr(statement, "name")
            else getattr(statement, "name", "")
        )
        if isinstance(statement, Function):
            yield _unit(statement, name, [of_class.partition(".")[0] or name], is_function=True)
        elif isinstance(statement, ast.ClassDef):
            head = ast.ClassDef(statement.name, statement.bases, statement.keywords, [], statement.decorator_list)
            yield _unit(head, name, [name.partition(".")[0]], is_function=False)
            yield from _units(statement.body, name)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield from _of_import(statement)
        elif isinstance(statement, (ast.If, ast.Try, ast.With)):
            inner = [one for part in ("body", "orelse", "finalbody") for one in getattr(statement, part, [])]
            inner += [one for handler in getattr(statement, "handlers", []) for one in handler.body]
            yield from _units(inner, of_class)
        else:
            yield _unit(
                statement, name, [of_class.partition(".")[0]] if of_class else _bound(statement), is_function=False
            )


def _unit(statement: ast.stmt, name: str, defines: list[str], *, is_function: bool) -> Unit:
    uses = set[str]()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            uses.add(node.id)
        elif isinstance(node, ast.Attribute):
            uses.add(node.attr)
        elif isinstance(node, ast.arg):
            uses.add(node.arg)  # of a test, the name of a fixture
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            uses.add(node.value)  # an annotation, or what getattr and fixtures ask for
    return Unit(name, is_function, frozenset(defines), frozenset(uses), ast.dump(statement))


def _of_import(statement: ast.Import | ast.ImportFrom) -> Iterator[Unit]:
    """A unit for each name: others may import it from here."""
    for alias in statement.names:
        name = (alias.asname or alias.name).partition(".")[0]
        origin = getattr(statement, "module", ""), getattr(statement, "level", 0)
        yield Unit("", False, frozenset({name}), frozenset({name}), f"{origin} {ast.dump(alias)}")


def _bound(statement: ast.stmt) -> list[str]:
    """Names that a statement of a module gives a value."""
    return [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _imports(tree: ast.Module, name: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.rpartition(".")[2], (alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            parent = ".".join(name.split(".")[: -node.level]) + "." if node.level else ""
            for alias in node.names:
                yield alias.asname or alias.name, (f"{parent}{node.module or ''}".strip("."), alias.name)


def _without_docstrings(tree: ast.Module) -> None:
    """Texts that nothing reads at run time change nothing."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, Function)) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
