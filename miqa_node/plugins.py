"""Loads plug-ins: one :class:`Seam` for each place where the node can be extended.

A plug-in is an object of a seam's class: one of the node itself (built_in.py), or an entry point of a group
``miqa.<seam>`` of another distribution. Both are used in the same way, so others have the same possibilities
(docs/how-to/extend.md). A plug-in that cannot be loaded is *unavailable*: it is listed with the reason, and the node
runs without it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, distributions, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from miqa_node import __version__
from miqa_node.built_in import FOUND, modules_of, places_of
from miqa_node.errors import NotFoundError

T = TypeVar("T")

API_VERSION = 1
"""Required value of ``miqa_api`` in a plug-in's module; with another value the plug-in is unavailable."""

NODE = "miqa-node"
OWN_DISTRIBUTIONS = frozenset(
    {NODE, *(f"{NODE}-{branch}" for branch in ("hl7", "phantoms", "selftest", "series", "training"))}
)
"""Those of this project, of one version. Their entry points need no consent and no ``miqa_api``."""
FOLDERS = "miqa.folders"
"""Group of entry points that name a package of this project in whose folders the plug-ins of a seam are found."""
EVERYTHING = ("*",)
MAX_PLUGINS = 1000
"""Maximum number of entry points of one group; further ones are ignored."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plug-in: its distribution and, if it is unavailable, the reason."""

    seam: str
    name: str
    distribution: str
    version: str
    unavailable: str = ""
    module: str = ""
    """Of a plug-in of the node itself."""

    @property
    def built_in(self) -> bool:
        """Whether the plug-in is part of this project."""
        return self.distribution in OWN_DISTRIBUTIONS


class Seam(Generic[T]):
    """All plug-ins of one place, which are instances of ``kind``; loaded on first use and then cached.

    ``listed`` makes an object of the node itself of its row, where that says all and nothing is to be imported.
    """

    def __init__(self, name: str, kind: type[T], listed: Callable[[str], T] | None = None) -> None:
        self.name = name
        self._kind, self._listed = kind, listed
        self._loaded: dict[tuple[str, ...], _SeamContent[T]] = {}

    @property
    def group(self) -> str:
        """The entry point group."""
        return f"miqa.{self.name}"

    @property
    def kind(self) -> type[T]:
        """The class that a plug-in's object must be an instance of."""
        return self._kind

    def all(self) -> Mapping[str, T]:
        """The available plug-ins by name: the built-in ones first, then those of other distributions."""
        return self._load().values

    def get(self, name: str) -> T:
        """The plug-in of that name; NotFoundError, with the reason, if it is missing or unavailable."""
        plugins = self.all()
        if name in plugins:
            return plugins[name]
        reason = next((one.unavailable for one in self.plugins() if one.name == name), "")
        names = ", ".join(sorted(plugins)) or "nothing"
        if reason:
            raise NotFoundError(
                "{kind} {name} is unavailable: {reason}", kind=self.name, name=f"{name!r}", reason=reason
            )
        raise NotFoundError(
            "{kind} {name} is unknown; installed: {names}.", kind=self.name, name=f"{name!r}", names=names
        )

    def plugins(self) -> Sequence[Plugin]:
        """All plug-ins, including unavailable ones."""
        return self._load().plugins

    def _load(self) -> _SeamContent[T]:
        patterns = _ALLOWED.patterns
        if patterns not in self._loaded:
            self._loaded[patterns] = _SeamContent(self.group, self._kind, patterns, self._listed)
        return self._loaded[patterns]


class _AllowList:
    """The patterns in force. They are process-wide, because all parts of the node must see the same plug-ins."""

    def __init__(self) -> None:
        self.patterns: tuple[str, ...] = EVERYTHING


_ALLOWED = _AllowList()


def allow(patterns: Sequence[str]) -> None:
    """Load only matching plug-ins from now on; the node's own are always loaded.

    A pattern is ``<distribution>`` or ``<distribution>:<seam>.<name>``, with ``*`` and ``?`` as in file names.
    """
    _ALLOWED.patterns = tuple(patterns)


def allowed() -> tuple[str, ...]:
    """The patterns in force."""
    return _ALLOWED.patterns


def refused(distribution: str, seam: str, name: str, patterns: Sequence[str]) -> bool:
    """Whether ``plugins.allow`` excludes an entry point.

    >>> refused("miqa-dose", "outputs", "dose", ["miqa-*"]), refused("miqa-dose", "outputs", "dose", ["other"])
    (False, True)
    >>> refused("miqa-dose", "outputs", "dose", ["miqa-dose:outputs.*"])
    False
    """
    full = f"{distribution}:{seam}.{name}"
    return not any(fnmatchcase(full, pattern if ":" in pattern else f"{pattern}:*") for pattern in patterns)


SEAMS: Seam[Seam[Any]] = Seam("seams", Seam)
"""Every seam by name. A seam is itself a plug-in, of the seam ``seams``."""


def of_others() -> Sequence[Plugin]:
    """The plug-ins of other distributions and all unavailable ones, by seam, the available ones first."""
    shown = [one for one in SEAMS.plugins() if one.unavailable]
    for seam in SEAMS.all().values():
        shown += [one for one in seam.plugins() if one.unavailable or not one.built_in]
    for group, entries in _installed(tuple(sys.path)).items():
        name = group.removeprefix("miqa.")
        if group.startswith("miqa.") and group != FOLDERS and name != "seams" and name not in SEAMS.all():
            reason = "This node has no such seam."
            shown += [Plugin(name, entry.name, *_origin(entry), reason) for entry in entries]
    return sorted(shown, key=lambda one: (one.seam, bool(one.unavailable)))


class _SeamContent(Generic[T]):
    def __init__(self, group: str, kind: type[T], patterns: tuple[str, ...], listed: Callable[[str], T] | None) -> None:
        self._group, self._kind, self._patterns, self._listed = group, kind, patterns, listed

    @cached_property
    def _pairs(self) -> Sequence[tuple[Plugin, T | None]]:
        return tuple(self._each())

    @cached_property
    def values(self) -> Mapping[str, T]:
        return {plugin.name: value for plugin, value in self._pairs if value is not None}

    @cached_property
    def plugins(self) -> Sequence[Plugin]:
        return tuple(plugin for plugin, _ in self._pairs)

    def _each(self) -> Iterator[tuple[Plugin, T | None]]:
        seam = self._group.removeprefix("miqa.")
        owners: dict[str, str] = {}
        for plugin, value in sorted(self._own(seam), key=lambda pair: pair[0].name):
            owners[plugin.name] = NODE
            yield plugin, value
        for entry in entries_beside(self._group):
            distribution, version = _origin(entry)
            value, reason = None, ""
            if not is_own(entry) and refused(distribution, seam, entry.name, self._patterns):
                reason = "plugins.allow leaves it out."
            elif entry.name in owners:
                reason = f"The name is taken by {owners[entry.name]}."
            else:
                value, reason = _import(entry, self._kind, own=is_own(entry))
            if value is not None:
                owners[entry.name] = distribution
            yield Plugin(seam, entry.name, distribution, version, reason), value

    def _own(self, seam: str) -> Iterator[tuple[Plugin, T | None]]:
        """Those of the node: by the places of its table, and what its modules declare, each once."""
        value: T | None
        for name, place in places_of(seam).items():
            if self._listed is None:
                value, reason = _import(EntryPoint(name, place, self._group), self._kind, own=True)
            else:
                value, reason = self._listed(place), ""
            yield Plugin(seam, name, NODE, __version__, reason, place.partition(":")[0]), value
        values: dict[str, T | None] = {}
        for distribution, module in _modules(seam):
            for name, value, reason in _found(module, self._kind):
                if name not in values:
                    values[name] = value
                    yield Plugin(seam, name, distribution, __version__, reason, module), value
                elif values[name] is not value:
                    yield Plugin(seam, name, distribution, __version__, f"{module} has another of it.", module), None


def _modules(seam: str) -> Iterator[tuple[str, str]]:
    """Distribution and name of each module in which own plug-ins of a seam are found: the node's first."""
    beside = [entry for entry in entries_beside(FOLDERS) if entry.name == seam and is_own(entry)]
    for distribution, names in ((NODE, FOUND.get(seam, ())), *((_origin(one)[0], (one.value,)) for one in beside)):
        yield from ((distribution, module) for module in modules_of(names))


def _found(module: str, kind: type[T]) -> Iterator[tuple[str, T | None, str]]:
    """Name, object and fault of what a module declares: the name is that of its variable, in lower case."""
    try:
        declared = vars(import_module(module))
    except Exception as error:  # noqa: BLE001 - as of a plug-in with a place
        yield module.rpartition(".")[2], None, _fault(error)
        return
    yield from ((name.lower(), value, "") for name, value in declared.items() if isinstance(value, kind))


def own(seam: str) -> dict[str, Any]:
    """The node's own objects of a seam by name. None is left out: what keeps one from being imported is raised."""
    return {name: EntryPoint(name, place, f"miqa.{seam}").load() for name, place in places_of(seam).items()}


def entries_beside(group: str) -> Sequence[EntryPoint]:
    """The entry points of a group beside the node's own: this project's first, then by distribution and name."""
    entries = _installed(tuple(sys.path)).get(group, ())
    return sorted(entries, key=lambda entry: (not is_own(entry), _origin(entry)[0], entry.name))[:MAX_PLUGINS]


@lru_cache(maxsize=1)
def _installed(_folders: tuple[str, ...]) -> Mapping[str, Sequence[EntryPoint]]:
    """The entry points of all distributions in these folders by group: each seam asks, and reading them takes 20 ms."""
    installed = entry_points()
    return {group: tuple(installed.select(group=group)) for group in installed.groups}


def is_own(entry: EntryPoint) -> bool:
    """Whether an entry point is of a distribution of this project."""
    return _origin(entry)[0] in OWN_DISTRIBUTIONS


def addition(what: str) -> str:
    """The command that adds an extra of the node, or another distribution, to this installation.

    What an extra brings has names of its own; the project's own are nobody's on an index, so a file is named.

    >>> addition("seal").partition("bin/")[2]
    "pip install 'onnx>=1.23'"
    """
    pip = f"{Path(sys.prefix) / 'bin' / 'pip'} install"
    name, bracket, extras = what.partition("[")
    if name in OWN_DISTRIBUTIONS:
        file = f"./{name.replace('-', '_')}-{__version__}-py3-none-any.whl{bracket}{extras}"
        return f"{pip} '{file}' in the folder of the release"
    needed = [line for one in distributions(name=NODE) for line in one.requires or ()]
    brought = [line.partition(";")[0].strip() for line in needed if f"extra == '{what}'" in line.replace('"', "'")]
    return " ".join([pip, *(f"'{one}'" for one in dict.fromkeys(brought) or [what])])


def _origin(entry: EntryPoint) -> tuple[str, str]:
    if entry.dist is None:
        return "unknown", ""
    place = str(getattr(entry.dist, "_path", id(entry.dist)))  # each entry point has a distribution object of its own
    if place not in _origins:  # reading the metadata takes longer than importing a small module
        _origins[place] = entry.dist.name, entry.dist.version
    return _origins[place]


_origins: dict[str, tuple[str, str]] = {}


def _import(entry: EntryPoint, kind: type[T], *, own: bool = False) -> tuple[T | None, str]:
    try:
        version = getattr(import_module(entry.module), "miqa_api", None)
        if not own and version != API_VERSION:
            fault = "has no miqa_api" if version is None else f"was written for miqa_api = {version}"
            return None, f"It {fault}; this node has {API_VERSION}."
        value = entry.load()
    except Exception as error:  # noqa: BLE001 - a plug-in may fail in any way; the node must still start
        return None, _fault(error)
    return (value, "") if isinstance(value, kind) else (None, f"{entry.value} is not a {kind.__name__}.")


def _fault(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and str(error.name).startswith("miqa_node."):
        return f"This node has no module {error.name}; plug-ins import what they need from miqa_node.api."
    if isinstance(error, ModuleNotFoundError):
        return f"The module {error.name} is not installed."
    return f"It failed to load: {type(error).__name__}: {error}"
