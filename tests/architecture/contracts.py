"""Contracts of import-linter: one table of the rooms of libraries, no circles, no long modules (docs/adr/0002).

``make layers`` runs them beside import-linter's own contract of layers. Lazy imports and those for types count too.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
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
    """Only the rooms of a library import it, and every imported library has a row. Rooms that are not used fail."""

    type_name = "rooms"
    rooms = RoomTable()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Compare the table with what is imported from outside the standard library."""
        table = cast("dict[str, list[str]]", self.rooms)
        broken = []
        unused = {(library, room) for library, rooms in table.items() for room in rooms}
        for module in sorted(graph.modules):
            if graph.is_module_squashed(module):
                continue
            for imported in sorted(graph.find_modules_directly_imported_by(module)):
                library = imported.partition(".")[0]
                if library == ROOT or library in sys.stdlib_module_names:
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


def _is_in(module: str, room: str) -> bool:
    return room == "*" or f"{module}.".startswith(f"{ROOT}.{room}.")


def _print(check: ContractCheck) -> None:
    for line in check.metadata["lines"]:
        output.print_error(line)
