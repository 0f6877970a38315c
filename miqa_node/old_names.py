"""Paths of modules before the six storeys, for plug-ins of ``miqa_api = 1``: they work, and each warns once.

A module is the same under both names, and so are its classes, also those that have another name now. Plug-ins should
import from :mod:`miqa_node.api`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

PACKAGE = "miqa_node."
log = logging.getLogger(__name__)  # where no log is set up, it writes to stderr


def install() -> None:
    """Ask for old names after everything else; programs that use none pay nothing."""
    if not any(isinstance(finder, OldNames) for finder in sys.meta_path):
        sys.meta_path.append(OldNames())


class OldNames(MetaPathFinder):
    """Finds a module of this package by the name that it had."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module of today as the module of that name; None if there is none."""
        if not fullname.startswith(PACKAGE):
            return None
        name = fullname.removeprefix(PACKAGE)
        new = new_name(name)
        spec = find_spec(PACKAGE + new) if new not in ("", name) else None
        if spec is None and not any(old.startswith(f"{name}.") for old in names()):
            return None
        if spec is None or spec.submodule_search_locations is not None:
            return ModuleSpec(fullname, OldFolder(new), is_package=True)
        return ModuleSpec(fullname, MovedModule(PACKAGE + new))


class MovedModule(Loader):
    """Puts the module of today in the place of the old one."""

    def __init__(self, new: str) -> None:
        self._new = new

    def exec_module(self, module: ModuleType) -> None:
        """Import the module and say where it is now."""
        log.warning("%s is %s now; plug-ins import what they need from miqa_node.api", module.__name__, self._new)
        sys.modules[module.__name__] = today = import_module(self._new)
        for old, new in names().items():
            (module_then, _, name), (module_now, _, name_now) = old.rpartition("."), new.rpartition(".")
            if PACKAGE + module_then == module.__name__:  # what has another name, or is in another module now
                setattr(today, name, getattr(import_module(PACKAGE + module_now), name_now))

    def get_code(self, _fullname: str) -> CodeType | None:
        """For ``python -m``, which runs the code itself."""
        spec = find_spec(self._new)
        return spec.loader.get_code(self._new) if spec and isinstance(spec.loader, InspectLoader) else None


class OldFolder(Loader):
    """A folder that is gone: its modules are found by their names, and its own names in the folder of today."""

    def __init__(self, new: str) -> None:
        self._new = new

    def exec_module(self, module: ModuleType) -> None:
        """Give it the names of the folder of today, and those that have lines of their own."""
        old = module.__name__

        def name_of(name: str) -> Any:
            place, _, attribute = new_name(f"{old.removeprefix(PACKAGE)}.{name}").rpartition(".")
            if name.startswith("__") or not place:
                raise AttributeError(f"module {old!r} has no attribute {name!r}")
            value = getattr(import_module(PACKAGE + place), attribute)
            log.warning(
                "%s.%s is %s.%s now; plug-ins import it from miqa_node.api", old, name, PACKAGE + place, attribute
            )
            setattr(module, name, value)
            return value

        module.__dict__["__getattr__"] = name_of


def new_name(name: str) -> str:
    """The name of today, below the package; empty if it has no other.

    >>> new_name("domain.policy")
    'core.domain.policy'
    """
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        if new := names().get(".".join(parts[:count])):
            return ".".join([new, *parts[count:]])
    return ""


@cache
def names() -> Mapping[str, str]:
    """Old name → new one, both below the package."""
    lines = Path(__file__).with_suffix(".tsv").read_text("utf-8").splitlines()
    return dict(line.split("\t") for line in lines if not line.startswith("#"))
