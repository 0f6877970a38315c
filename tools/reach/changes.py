"""What changed in a checkout since a commit: functions, and what the functions use that runs outside of them."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.reach.units import Module, read

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = frozenset({"*"})
"""Stands for all names of a module: a statement changed that gives no name a value."""
Name = tuple[str, str]
"""A module, dotted, and a name in it."""


@dataclass
class Changes:
    """``functions``: path and name; ``new``: files that have functions more; ``files``: all paths that differ."""

    functions: set[Name] = field(default_factory=set)
    new: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


def since(commit: str) -> Changes:
    """Committed or not; subprocess.CalledProcessError if the history does not have the commit."""
    changes, names = Changes(), set[Name]()
    changed = git("diff", "--no-renames", "--name-only", "-z", commit, "--").split("\0")
    untracked = git("ls-files", "--others", "--exclude-standard", "-z").split("\0")
    changes.files = {path for path in (*changed, *untracked) if path}
    for path in sorted(path for path in changes.files if path.endswith(".py")):
        _compare(
            path, _module(git("show", f"{commit}:{path}", missing=""), path), _module(_text(path), path), changes, names
        )
    changes.functions |= users(names, modules())
    return changes


def _compare(path: str, old: Module, new: Module, changes: Changes, names: set[Name]) -> None:
    before, after = _functions(old), _functions(new)
    for name in before.keys() | after.keys():
        if before.get(name) != after.get(name):
            changes.functions.add((path, name))
    added = after.keys() - before.keys()
    if added:
        changes.new.add(path)
        # A method that is new acts where its class is used, a function where it is called.
        names.update((dotted(path), name.partition(".")[0]) for name in added)
    left, right = ([unit for unit in module.units if not unit.is_function] for module in (old, new))
    same = {(unit.defines, unit.text) for unit in left} & {(unit.defines, unit.text) for unit in right}
    for unit in (*left, *right):
        if (unit.defines, unit.text) not in same:
            names.update((dotted(path), one) for one in unit.defines or EVERYTHING)


def _functions(module: Module) -> dict[str, set[str]]:
    """Texts by name; a name has several where it depends on a condition, or is a property with a setter."""
    texts = defaultdict[str, set[str]](set)
    for unit in module.units:
        if unit.is_function:
            texts[unit.name].add(unit.text)
    return texts


def users(names: set[Name], tree: Mapping[str, tuple[str, Module]]) -> set[Name]:
    """Path and name of each function that uses one of the names, also by names of other modules that follow from it."""
    importers = defaultdict[str, set[str]](set)
    for name, (_, module) in tree.items():
        for source, what in module.imports.values():
            importers[source].add(name)
            importers[f"{source}.{what}"].add(name)
    hits, open_names, closure = set[Name](), list(names), set(names)
    while open_names:
        name, changed = open_names.pop()
        for user in {name, *importers[name]} & tree.keys():
            path, module = tree[user]
            local = _local_names(module, name, changed, own=user == name)
            for unit in module.units:
                if not (local & unit.uses or "*" in local):
                    continue
                if unit.is_function:
                    hits.add((path, unit.name))
                for follows in () if unit.is_function else ((user, one) for one in unit.defines):
                    if follows not in closure:
                        closure.add(follows)
                        open_names.append(follows)
    return hits


def _local_names(module: Module, source: str, changed: str, *, own: bool) -> set[str]:
    """Under which names a module knows a name of another one."""
    if own:
        return {changed}
    local = {here for here, (origin, what) in module.imports.items() if origin == source and changed in {what, "*"}}
    by_module = [
        here
        for here, (origin, what) in module.imports.items()
        if source in {origin if not what else "", f"{origin}.{what}"}
    ]
    return local | ({changed} if by_module else set())


def modules() -> dict[str, tuple[str, Module]]:
    """All Python files of the checkout: by dotted name the path and what is in it."""
    paths = git("ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.py").split("\0")
    return {
        dotted(path): (path, _module(_text(path), path)) for path in paths if path and not (ROOT / path).is_symlink()
    }


def dotted(path: str) -> str:
    """Name of the module of a file.

    >>> dotted("packages/miqa-node-training/miqa_training/score.py"), dotted("miqa_node/core/__init__.py")
    ('miqa_training.score', 'miqa_node.core')
    """
    parts = path.removesuffix(".py").split("/")
    if parts[0] == "packages":
        parts = parts[2:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def git(*words: str, missing: str | None = None) -> str:
    """What git says; if it fails ``missing``, or CalledProcessError where that is not given."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=missing is None)  # noqa: S603, S607
    return done.stdout.rstrip("\n") if not done.returncode else missing or ""


def _text(path: str) -> str:
    return (ROOT / path).read_text("utf-8") if (ROOT / path).is_file() else ""


def _module(source: str, path: str) -> Module:
    try:
        return read(source, dotted(path))
    except SyntaxError:  # what the linter says better
        return Module(())
