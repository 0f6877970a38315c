"""The destinations of results: those of a TOML file, re-read when it changes, and those of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.event import EventType
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import WatchedFile, read_toml
from miqa_node.core.wrong_values import what_is_wrong
from miqa_node.errors import NotFoundError, SettingsError
from miqa_node.stages.deliver.kinds.base import DESTINATIONS, DestinationConfig

DEFAULT_KIND = "cstore"
"""Kind of a table without ``kind``."""


class Destinations:
    """The destinations in force: those of a watched file, if any, and ``fixed`` ones, which override them."""

    def __init__(self, file: Path, fixed: Sequence[DestinationConfig] = ()) -> None:
        self._fixed = _by_name(fixed, "the command line")
        self._file = WatchedFile[Sequence[DestinationConfig]](file, parse_destinations, absent=())

    def current(self) -> Mapping[str, DestinationConfig]:
        """Destinations by name; cheap enough to ask often."""
        return {config.name: config for config in self._file.current()} | self._fixed

    @property
    def by_option(self) -> frozenset[str]:
        """Names of the destinations from the command line, which are in no file."""
        return frozenset(self._fixed)

    def taking(self, kind: ResultKind) -> tuple[str, ...]:
        """Names of the destinations that objects of a kind go to."""
        return tuple(name for name, config in self.current().items() if config.takes(kind))

    def declining(self, modality: str, verdict: Verdict) -> tuple[str, ...]:
        """Names of the destinations that get no results of images of a modality with this verdict."""
        return tuple(name for name, config in self.current().items() if config.declines(modality, verdict))

    def hearing(self, event_type: EventType) -> tuple[str, ...]:
        """Names of the destinations that events of a type go to."""
        return tuple(name for name, config in self.current().items() if config.hears(event_type))


def parse_destinations(file: Path) -> tuple[DestinationConfig, ...]:
    """Read the ``[[destination]]`` tables; SettingsError names the table and key with the error."""
    document = read_toml(file)
    if unknown := set(document) - {"destination"}:
        raise SettingsError(f"{file.name}: unknown: {', '.join(sorted(unknown))}. Write [[destination]] tables.")
    tables = document.get("destination", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"{file.name}: write [[destination]], with two brackets, above each destination.")
    configs = tuple(_parse(table, f"{file.name}: destination {n}") for n, table in enumerate(tables, 1))
    _by_name(configs, file.name)
    return configs


def parse_flag(text: str) -> DestinationConfig:
    """Read ``NAME=ADDRESS`` of the option --destination; SettingsError shows the syntax.

    >>> parse_flag("pacs=ORTHANC@127.0.0.1:4242").port
    4242
    >>> parse_flag("cloud=https://pacs.example/dicom-web").kind, parse_flag("out=/srv/out").kind
    ('stow', 'folder')
    """
    name, equals, address = text.partition("=")
    return parse_address(address if equals else "", name, f"--destination {text!r}", "NAME=")


def parse_address(address: str, name: str, where: str, prefix: str = "") -> DestinationConfig:
    """A destination given by its address, of the kind that recognises it; ``where`` and ``prefix`` are for errors."""
    kinds = DESTINATIONS.all()
    for kind, plugin in kinds.items():
        if (values := plugin.read_address(address)) is not None:
            return _parse({"name": name, "kind": kind, **values}, where)
    forms = [prefix + plugin.address_syntax for plugin in kinds.values() if plugin.address_syntax]
    raise SettingsError(f"{where}: write {', or '.join(forms)}.")


def _parse(table: Mapping[str, Any], where: str) -> DestinationConfig:
    kinds = DESTINATIONS.all()
    union: Any = reduce(or_, (kind.config for kind in kinds.values()))
    adapter: TypeAdapter[DestinationConfig] = TypeAdapter(Annotated[union, Discriminator("kind")])
    table = {"kind": DEFAULT_KIND, **table}
    if isinstance(name := table.get("name"), str):
        where = f"{where} ({name})"
    try:
        return adapter.validate_python(table)
    except ValidationError as error:
        # Unknown keys first: a misspelt one explains the missing one.
        details = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        raise SettingsError(f"{where}: {_in_words(details, table)}") from error


def _in_words(details: Sequence[ErrorDetails], table: Mapping[str, Any]) -> str:
    first, kind = details[0], table["kind"]
    if first["type"].startswith("union_tag"):
        return _unknown_kind(kind)
    fields = DESTINATIONS.get(kind).config.model_fields
    if first["type"] == "extra_forbidden":
        unknown = sorted(str(one["loc"][-1]) for one in details if one["type"] == "extra_forbidden")
        meant = sorted({match for key in unknown for match in get_close_matches(key, fields, 1)})
        hint = f" Did you mean {' or '.join(meant)}?" if meant else ""
        return f"unknown: {', '.join(unknown)}.{hint} A destination of kind {kind} knows {', '.join(sorted(fields))}."
    words = str(first["ctx"]["error"]) if first["type"] == "value_error" else ""
    if len(first["loc"]) < 2:  # error of the whole table; the first part is the kind
        return words or what_is_wrong(first, shown=False)
    key = str(first["loc"][1])
    if words:
        return f"{key} {words}"
    field = fields[key]
    if not field.description:
        return f"{key}: {what_is_wrong(first, shown=field.repr)}"
    shown = "" if first["type"] == "missing" or not field.repr else f", not {table[key]!r}"
    return f"{key} must be {field.description}{shown}."


def _unknown_kind(kind: object) -> str:
    try:
        DESTINATIONS.get(str(kind))
    except NotFoundError as error:
        if "unavailable" in str(error):
            return f"kind {kind!r} cannot be used: {error}"
    meant = get_close_matches(str(kind), DESTINATIONS.all(), 1)
    hint = f" Did you mean {meant[0]}?" if meant else ""
    return f"kind {kind!r} is unknown; use {' or '.join(DESTINATIONS.all())}.{hint}"


def _by_name(configs: Sequence[DestinationConfig], where: str) -> dict[str, DestinationConfig]:
    by_name = {config.name: config for config in configs}
    if len(by_name) < len(configs):
        names = [config.name for config in configs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise SettingsError(f"{where}: destination names must differ; more than one is called {', '.join(twice)}.")
    return by_name
