"""Says where results go: the destinations of a TOML file, re-read when it changes, and those of the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miqa_node.domain.delivery import DEFAULT_KINDS, ResultKind
from miqa_node.errors import SettingsError
from miqa_node.settings import WatchedFile, read_toml

KINDS = ("cstore",)
MAX_CONCURRENCY = 32

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_AE_TITLE = re.compile(r"(?=.*[^ ])[\x20-\x5b\x5d-\x7e]{1,16}")
_KEYS = frozenset({"name", "kind", "ae_title", "host", "port", "calling_ae_title", "objects", "concurrency"})


@dataclass(frozen=True, slots=True)
class DestinationConfig:
    """One destination; ``calling_ae_title`` None is the node's own, ``concurrency`` None the setting's."""

    name: str
    ae_title: str
    host: str
    port: int
    kind: str = "cstore"
    calling_ae_title: str | None = None
    objects: tuple[ResultKind, ...] = DEFAULT_KINDS
    concurrency: int | None = None


class Destinations:
    """The destinations in force: of a watched file, which need not exist, and ``fixed`` ones, which win."""

    def __init__(self, file: Path, fixed: Sequence[DestinationConfig] = ()) -> None:
        self._fixed = _by_name(fixed, "the command line")
        self._file = WatchedFile[Sequence[DestinationConfig]](file, parse_destinations, absent=())

    def current(self) -> Mapping[str, DestinationConfig]:
        """Destinations by name; cheap enough to ask often."""
        return {config.name: config for config in self._file.current()} | self._fixed

    def wanting(self, kind: ResultKind) -> tuple[str, ...]:
        """Names of the destinations that objects of a kind go to."""
        return tuple(name for name, config in self.current().items() if kind in config.objects)


def parse_destinations(file: Path) -> tuple[DestinationConfig, ...]:
    """Read the ``[[destination]]`` tables; SettingsError names the table and key that is wrong."""
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
    """Read ``NAME=AET@HOST:PORT`` of the command line.

    >>> parse_flag("pacs=ORTHANC@127.0.0.1:4242").port
    4242
    """
    name, equals, rest = text.partition("=")
    ae_title, at, where = rest.partition("@")
    host, colon, port = where.rpartition(":")
    if not (equals and at and colon) or not re.fullmatch("[0-9]{1,5}", port):
        raise SettingsError(f"--destination {text!r}: write NAME=AET@HOST:PORT, for example pacs=ORTHANC@10.0.0.5:104.")
    table = {"name": name, "ae_title": ae_title, "host": host.strip("[]"), "port": int(port)}
    return _parse(table, f"--destination {text!r}")


def _parse(table: Mapping[str, Any], where: str) -> DestinationConfig:
    name = _text(table, "name", where, _NAME, "1 to 64 letters, digits, dots, hyphens or underscores")
    where = f"{where} ({name})"
    if unknown := set(table) - _KEYS:
        raise SettingsError(f"{where}: unknown: {', '.join(sorted(unknown))}. Known are {', '.join(sorted(_KEYS))}.")
    kind = table.get("kind", "cstore")
    if kind not in KINDS:
        raise SettingsError(f"{where}: kind {kind!r} is unknown; use {' or '.join(KINDS)}.")
    title = "1 to 16 characters of ASCII without backslash"
    return DestinationConfig(
        name=name,
        kind=kind,
        ae_title=_text(table, "ae_title", where, _AE_TITLE, title),
        host=_text(table, "host", where, re.compile(r"[^\s/@]{1,255}"), "a host name or IP address"),
        port=_number(table, "port", where, 65535),
        calling_ae_title=_text(table, "calling_ae_title", where, _AE_TITLE, title)
        if "calling_ae_title" in table
        else None,
        objects=_objects(table, where),
        concurrency=_number(table, "concurrency", where, MAX_CONCURRENCY) if "concurrency" in table else None,
    )


def _text(table: Mapping[str, Any], key: str, where: str, pattern: re.Pattern[str], expected: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise SettingsError(f"{where}: {key} must be {expected}" + ("." if value is None else f", not {value!r}."))
    return value


def _number(table: Mapping[str, Any], key: str, where: str, maximum: int) -> int:
    value = table.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= maximum:
        raise SettingsError(f"{where}: {key} must be a whole number from 1 to {maximum}.")
    return value


def _objects(table: Mapping[str, Any], where: str) -> tuple[ResultKind, ...]:
    asked = table.get("objects", [kind.value for kind in DEFAULT_KINDS])
    try:
        return tuple(dict.fromkeys(ResultKind(kind) for kind in asked))
    except (ValueError, TypeError) as error:
        known = ", ".join(f'"{kind.value}"' for kind in ResultKind)
        raise SettingsError(f"{where}: objects must be a list out of [{known}].") from error


def _by_name(configs: Sequence[DestinationConfig], where: str) -> dict[str, DestinationConfig]:
    by_name = {config.name: config for config in configs}
    if len(by_name) < len(configs):
        names = [config.name for config in configs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise SettingsError(f"{where}: destination names must differ; more than one is called {', '.join(twice)}.")
    return by_name
