"""Contracts of import-linter: rooms of libraries, doors, features apart, no circles, no long modules (docs/adr/0002).

``make layers`` runs them beside import-linter's own contract of layers. Lazy imports and those for types count too, and
so do modules that are named in a text, and libraries that one module takes from another.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

ROOT = "miqa_node"
FOLDERS = {
    ROOT: Path(),
    "miqa_phantoms": Path("packages/miqa-node-phantoms"),
    "miqa_selftest": Path("packages/miqa-node-selftest"),
    "miqa_series": Path("packages/miqa-node-series"),
    "miqa_hl7": Path("packages/miqa-node-hl7"),
    "miqa_training": Path("packages/miqa-node-training"),
}
"""Where each package of this project lies in the checkout."""


class RoomTable(fields.Field[dict[str, list[str]]]):
    """Library → modules and folders of miqa_node, or other packages, that may import it; ``*`` is any part."""

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
                if library in FOLDERS or library in sys.stdlib_module_names:
                    continue
                if library == ANY_MODULE and f"{module.removeprefix(f'{ROOT}.')}" in cast("set[str]", self.by_name):
                    continue
                allowed = [room for room in table.get(library, ()) if is_in(module, room)]
                unused -= {(library, room) for room in allowed}
                if not allowed:
                    broken.append(f"{module} imports {library}" + ("" if library in table else ", which has no row"))
        broken += [f"{library} has the room {room}, which does not import it" for library, room in sorted(unused)]
        return ContractCheck(kept=not broken, metadata={"lines": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line per fault."""
        _print(check)


class ShareTable(fields.Field[dict[str, int]]):
    """Pattern of rooms → percentage."""

    def parse(self, raw_data: Any) -> dict[str, int]:
        """The table as it stands in pyproject.toml."""
        if not isinstance(raw_data, Mapping) or not all(isinstance(share, int) for share in raw_data.values()):
            raise fields.ValidationError("a table of shares is pattern = percentage")
        return {str(pattern): share for pattern, share in raw_data.items()}


class Doors(Contract):
    """Other rooms import at most ``share`` percent of a room's modules; the first pattern that fits a room counts.

    Rooms of ``wide`` may have more, and must. A room in ``named`` has exactly these modules as doors, however many.
    """

    type_name = "doors"
    share = ShareTable()
    wide = fields.SetField(subfield=fields.StringField(), required=False)
    named = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find the modules of each room that are imported from elsewhere."""
        share, wide = cast("dict[str, int]", self.share), cast("set[str]", self.wide or set())
        named = {f"{ROOT}.{door}" for door in cast("set[str]", self.named or set())}
        broken = []
        for room, inside in sorted(_rooms(graph, share).items()):
            doors = {one for one in inside if _is_door(graph, one, inside)}
            own = {door for door in named if is_in(door, room)}
            most = next(most for pattern, most in share.items() if is_in(f"{ROOT}.{room}", pattern))
            if own:
                broken += [f"{one} is imported from elsewhere, but is no door" for one in sorted(doors - own)]
                broken += [f"{one} is no door any more" for one in sorted(own - doors)]
            elif (100 * len(doors) > most * len(inside)) != (room in wide):
                broken.append(
                    f"{room}: {len(doors)} of {len(inside)} modules are imported from elsewhere; at most {most} %"
                )
        return ContractCheck(kept=not broken, metadata={"lines": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line per room."""
        _print(check)


def _rooms(graph: ImportGraph, patterns: Iterable[str]) -> dict[str, set[str]]:
    """The modules of each room that a pattern fits."""
    rooms: dict[str, set[str]] = {}
    for module in graph.modules:
        for pattern in patterns:
            if is_in(module, pattern) and not graph.is_module_squashed(module):
                rooms.setdefault(".".join(module.split(".")[1 : pattern.count(".") + 2]), set()).add(module)
    return rooms


def _is_door(graph: ImportGraph, module: str, room: set[str]) -> bool:
    others = graph.find_modules_that_directly_import(module) - room
    return any(one.startswith(f"{ROOT}.") for one in others)


class Apart(Contract):
    """Rooms of a pattern do not import each other; ``exceptions`` are ``module -> module``, and each must be needed."""

    type_name = "apart"
    rooms = fields.StringField()
    exceptions = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look at direct imports: what lies between the rooms may import none of them (the contract of layers)."""
        pattern = cast("str", self.rooms)
        depth = pattern.count(".") + 2
        inside = [one for one in graph.modules if not graph.is_module_squashed(one) and is_in(one, pattern)]
        imports = {
            f"{module} -> {other}"
            for module in inside
            for other in graph.find_modules_directly_imported_by(module)
            if is_in(other, pattern) and other.split(".")[:depth] != module.split(".")[:depth]
        }
        exceptions = set(cast("set[str]", self.exceptions or ()))
        broken = sorted(imports - exceptions) + [f"{one} is no import any more" for one in sorted(exceptions - imports)]
        return ContractCheck(kept=not broken, metadata={"lines": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line per import."""
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
        paths = sorted(path for folder in (ROOT, "packages") for path in Path(folder).rglob("*.py"))
        lengths = {str(path): path.read_bytes().count(b"\n") for path in paths}
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
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith(tuple(FOLDERS)):
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
    names = module.split(".")
    path = FOLDERS.get(names[0], Path()).joinpath(*names)
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((ast.parse(file.read_text(encoding="utf-8")) for file in files if file.exists()), None)


def _last_name(function: ast.expr) -> str:
    return str(getattr(function, "attr", getattr(function, "id", "")))


def is_in(module: str, room: str) -> bool:
    """Whether a module lies in a room: of the node, or another package; a part of the room's name may be a pattern.

    >>> is_in("miqa_node.features.retention.rows.holds", "features.*.rows"), is_in("miqa_node.features", "features.*")
    (True, False)
    >>> is_in("miqa_training.seal", "miqa_training"), is_in("miqa_training.seal", "seal")
    (True, False)
    """
    parts, patterns = module.removeprefix(f"{ROOT}.").split("."), room.split(".")
    return len(parts) >= len(patterns) and all(map(fnmatchcase, parts, patterns))


def _print(check: ContractCheck) -> None:
    for line in check.metadata["lines"]:
        output.print_error(line)
