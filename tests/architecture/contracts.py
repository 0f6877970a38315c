"""Contracts of import-linter: one table of the rooms of libraries, no circles, no long modules (docs/adr/0002).

``make layers`` runs them beside import-linter's own contract of layers. Lazy imports and those for types count too, and
so do modules that are named in a text, and libraries that one module takes from another.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

ROOT = "miqa_node"


class RoomTable(fields.Field[dict[str, list[str]]]):
    """Library → modules and folders of miqa_node that may import it; ``["*"]`` for all."""

    def parse(self, raw_data: Any) -> dict[str, list[str]]:
        """The table as it stands in pyproject.toml."""
        if not isinstance(raw_data, Mapping) or not all(isinstance(rooms, list) for rooms in raw_data.values()):
            raise fields.ValidationError("a room table is library = [rooms]")
        return {str(library): [str(room) for room in rooms] for library, rooms in raw_data.items()}


class Rooms(Contract):
    """Only the rooms of a library import it, and every imported library has a row. Rooms that are not used fail.

    ``by_name`` are the modules that may import what a variable names.
    """

    type_name = "rooms"
    rooms = RoomTable()
    by_name = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Compare the table with what is imported from outside the standard library."""
        table = cast("dict[str, list[str]]", self.rooms)
        broken = []
        unused = {(library, room) for library, rooms in table.items() for room in rooms}
        for module in sorted(graph.modules):
            if graph.is_module_squashed(module):
                continue
            imports = {*graph.find_modules_directly_imported_by(module), *hidden_imports(module)}
            for library in sorted({name.partition(".")[0] for name in imports}):
                if library == ROOT or library in sys.stdlib_module_names:
                    continue
                if library == ANY_MODULE and f"{module.removeprefix(f'{ROOT}.')}" in cast("set[str]", self.by_name):
                    continue
                allowed = [room for room in table.get(library, ()) if _is_in(module, room)]
                unused -= {(library, room) for room in allowed}
                if not allowed:
                    broken.append(f"{module} imports {library}" + ("" if library in table else ", which has no row"))
        broken += [f"{library} has the room {room}, which does not import it" for library, room in sorted(unused)]
        return ContractCheck(kept=not broken, metadata={"lines": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line per fault."""
        _print(check)


class NoCircles(Contract):
    """No module imports itself through others."""

    type_name = "no_circles"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Sort the modules by their imports; the first circle that prevents it is shown."""
        internal = {module for module in graph.modules if not graph.is_module_squashed(module)}
        imports = {module: graph.find_modules_directly_imported_by(module) & internal for module in internal}
        try:
            TopologicalSorter(imports).prepare()
        except CycleError as error:
            return ContractCheck(kept=False, metadata={"lines": [" → ".join(reversed(error.args[1]))]})
        return ContractCheck(kept=True)

    def render_broken_contract(self, check: ContractCheck) -> None:
        """The circle on one line."""
        _print(check)


class ShortModules(Contract):
    """No module has more than ``most_lines`` lines."""

    type_name = "short_modules"
    most_lines = fields.IntegerField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Count the lines of every source file."""
        lengths = {str(path): path.read_bytes().count(b"\n") for path in sorted(Path(ROOT).rglob("*.py"))}
        limit = cast("int", self.most_lines)
        long = [f"{path}: {lines} lines, more than {limit}" for path, lines in lengths.items() if lines > limit]
        return ContractCheck(kept=not long, metadata={"lines": long})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line per module."""
        _print(check)


ANY_MODULE = "a module whose name is not in the source"
IMPORTERS = frozenset({"import_module", "__import__"})


def hidden_imports(module: str) -> Iterator[str]:
    """What a module imports by a function of ``importlib``, or as a name that another module has imported."""
    tree = tree_of(module)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Call) and _last_name(node.func) in IMPORTERS:
            name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ANY_MODULE
            yield str(name)
        elif isinstance(node, ast.ImportFrom) and any(one.name in IMPORTERS and one.asname for one in node.names):
            yield ANY_MODULE
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith(ROOT):
            libraries = names_of_libraries(str(node.module))
            yield from (libraries[one.name] for one in node.names if one.name in libraries)


@cache
def names_of_libraries(module: str) -> dict[str, str]:
    """Name in a module of this project → the library's module that it is, or comes from."""
    names: dict[str, str] = {}
    tree = tree_of(module)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            names |= {one.asname or one.name.partition(".")[0]: one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {one.asname or one.name: node.module for one in node.names}
    return names


@cache
def tree_of(module: str) -> ast.Module | None:
    """The syntax of a module of this project."""
    path = Path(*module.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((ast.parse(file.read_text(encoding="utf-8")) for file in files if file.exists()), None)


def _last_name(function: ast.expr) -> str:
    return str(getattr(function, "attr", getattr(function, "id", "")))


def _is_in(module: str, room: str) -> bool:
    return room == "*" or f"{module}.".startswith(f"{ROOT}.{room}.")


def _print(check: ContractCheck) -> None:
    for line in check.metadata["lines"]:
        output.print_error(line)
