"""Says where results go: the destinations of a TOML file, re-read when it changes, and those of the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from miqa_node.domain.delivery import DEFAULT_EVENTS, DEFAULT_KINDS, EVENT_KINDS, OBJECT_KINDS, ResultKind
from miqa_node.errors import SettingsError
from miqa_node.settings import WatchedFile, read_toml

MAX_CONCURRENCY = 32


class OnWarning(StrEnum):
    """What a warning status (PS3.4 B.2.3: stored, but not as it was sent) means for the delivery."""

    ACCEPT = "accept"
    """The object is there: SENT, with a line in the log."""
    RETRY = "retry"
    """It counts as a failed attempt."""


@dataclass(frozen=True, slots=True)
class DestinationConfig:
    """One destination; ``calling_ae_title`` None is the node's own, ``concurrency`` None the setting's.

    ``kind`` says which of the others count: cstore (host to commitment), stow (url to token_file), folder or
    webhook (url, secret_file and allow_http; ``objects`` are events).
    """

    name: str
    ae_title: str = ""
    host: str = ""
    port: int = 0
    kind: str = "cstore"
    calling_ae_title: str | None = None
    objects: tuple[ResultKind, ...] = DEFAULT_KINDS
    concurrency: int | None = None
    on_warning: OnWarning = OnWarning.ACCEPT
    commitment: bool = False
    tls: bool = False
    tls_ca: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    url: str = ""
    token_file: str = ""
    secret_file: str = ""
    allow_http: bool = False
    folder: str = ""

    @property
    def address(self) -> str:
        """Where it is, as log lines and errors name it; the path of a webhook may be a secret."""
        if self.kind == "webhook":
            parts = urlsplit(self.url)
            return f"{parts.scheme}://{parts.netloc}"
        return self.url or self.folder or f"{self.ae_title}@{self.host}:{self.port}"


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


def parse_flag(text: str, where: str = "") -> DestinationConfig:
    """Read ``NAME=AET@HOST:PORT``, ``NAME=https://…`` (STOW-RS) or ``NAME=/folder`` of the command line.

    ``where`` is what errors call it; otherwise the option --destination.

    >>> parse_flag("pacs=ORTHANC@127.0.0.1:4242").port
    4242
    >>> parse_flag("cloud=https://pacs.example/dicom-web").kind, parse_flag("out=/srv/out").kind
    ('stow', 'folder')
    """
    where = where or f"--destination {text!r}"
    name, equals, rest = text.partition("=")
    if equals and rest.startswith(("http://", "https://")):
        return _parse({"name": name, "kind": "stow", "url": rest}, where)
    if equals and rest.startswith("/"):
        return _parse({"name": name, "kind": "folder", "folder": rest}, where)
    ae_title, at, address = rest.partition("@")
    host, colon, port = address.rpartition(":")
    if not (equals and at and colon) or not re.fullmatch("[0-9]{1,5}", port):
        raise SettingsError(
            f"{where}: write NAME=AET@HOST:PORT, for example pacs=ORTHANC@10.0.0.5:104, or NAME=https://… for STOW-RS, "
            "or NAME=/folder."
        )
    return _parse({"name": name, "ae_title": ae_title, "host": host.strip("[]"), "port": int(port)}, where)


def _parse(table: Mapping[str, Any], where: str) -> DestinationConfig:
    name = _text(table, "name", where, _NAME, "1 to 64 letters, digits, dots, hyphens or underscores")
    where = f"{where} ({name})"
    kind = table.get("kind", "cstore")
    if kind not in _KEYS:
        raise SettingsError(f"{where}: kind {kind!r} is unknown; use {' or '.join(_KEYS)}.")
    known = _COMMON_KEYS | _KEYS[kind]
    if unknown := set(table) - known:
        raise SettingsError(
            f"{where}: unknown: {', '.join(sorted(unknown))}. "
            f"A destination of kind {kind} knows {', '.join(sorted(known))}."
        )
    objects = _events(table, where) if kind == "webhook" else _objects(table, where)
    values: dict[str, Any] = {"name": name, "kind": kind, "objects": objects}
    texts = _TEXTS | _WEBHOOK_TEXTS if kind == "webhook" else _TEXTS
    values |= {key: _text(table, key, where, *texts[key]) for key in _REQUIRED[kind]}
    values |= {key: _text(table, key, where, *texts[key]) for key in sorted(_OPTIONAL_TEXTS & table.keys())}
    values |= {key: _flag(table, key, where) for key in ("tls", "commitment", "allow_http") if key in table}
    if kind == "cstore":
        values["port"] = _number(table, "port", where, 65535)
    if "concurrency" in table:
        values["concurrency"] = _number(table, "concurrency", where, MAX_CONCURRENCY)
    if "on_warning" in table:
        values["on_warning"] = _on_warning(table["on_warning"], where)
    return _check_http(_check_tls(DestinationConfig(**values), where), where)


_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_AE_TITLE = re.compile(r"(?=.*[^ ])[\x20-\x5b\x5d-\x7e]{1,16}")
_PATH = re.compile(r"[^\x00]{1,4096}")

_COMMON_KEYS = frozenset({"name", "kind", "concurrency"})
_TLS_KEYS = frozenset({"tls_ca", "tls_certificate", "tls_key"})
_KEYS = {
    "cstore": _TLS_KEYS
    | {"objects", "ae_title", "host", "port", "calling_ae_title", "tls", "commitment", "on_warning"},
    "stow": _TLS_KEYS | {"objects", "url", "token_file", "on_warning"},
    "folder": frozenset({"objects", "folder"}),
    "webhook": _TLS_KEYS | {"events", "url", "secret_file", "allow_http"},
}
_REQUIRED = {
    "cstore": ("ae_title", "host"),
    "stow": ("url",),
    "folder": ("folder",),
    "webhook": ("url", "secret_file"),
}
_OPTIONAL_TEXTS = frozenset({"calling_ae_title", "token_file"}) | _TLS_KEYS
_TEXTS = {
    "ae_title": (_AE_TITLE, "1 to 16 characters of ASCII without backslash"),
    "calling_ae_title": (_AE_TITLE, "1 to 16 characters of ASCII without backslash"),
    "host": (re.compile(r"[^\s/@]{1,255}"), "a host name or IP address"),
    "url": (re.compile(r"https?://[^\s/?#]+[^\s?#]*"), "an address such as https://pacs.example/dicom-web"),
    "folder": (re.compile(r"/[^\x00]{0,4095}"), "the whole path of a folder"),
    **dict.fromkeys(
        ("token_file", "secret_file", "tls_ca", "tls_certificate", "tls_key"), (_PATH, "the path of a file")
    ),
}

_WEBHOOK_TEXTS = {
    "url": (re.compile(r"https?://[^\s/?#@]+([/?][^\s#]*)?"), "an address such as https://ris.example/miqa")
}


def _check_tls(config: DestinationConfig, where: str) -> DestinationConfig:
    if config.tls_key and not config.tls_certificate:
        raise SettingsError(f"{where}: tls_key belongs to a tls_certificate; give both.")
    given = config.tls_ca or config.tls_certificate
    if given and not (config.tls or config.url.startswith("https:")):
        raise SettingsError(f"{where}: certificates are given but TLS is off; set tls = true, or an https address.")
    return config


def _check_http(config: DestinationConfig, where: str) -> DestinationConfig:
    if config.kind == "webhook" and config.url.startswith("http:") and not config.allow_http:
        host = urlsplit(config.url).hostname or ""
        if host != "localhost" and not _is_loopback(host):
            raise SettingsError(
                f"{where}: write https in the url. Only this machine is told over plain http, unless allow_http = true."
            )
    return config


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return False


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


def _flag(table: Mapping[str, Any], key: str, where: str) -> bool:
    value = table[key]
    if not isinstance(value, bool):
        raise SettingsError(f"{where}: {key} must be true or false.")
    return value


def _on_warning(value: object, where: str) -> OnWarning:
    try:
        return OnWarning(str(value))
    except ValueError as error:
        raise SettingsError(f"{where}: on_warning must be {' or '.join(OnWarning)}.") from error


def _objects(table: Mapping[str, Any], where: str) -> tuple[ResultKind, ...]:
    return _chosen(
        table.get("objects"), {kind.value: kind for kind in OBJECT_KINDS}, DEFAULT_KINDS, f"{where}: objects"
    )


def _events(table: Mapping[str, Any], where: str) -> tuple[ResultKind, ...]:
    known = {kind.event_type: kind for kind in EVENT_KINDS}
    return _chosen(table.get("events"), known, DEFAULT_EVENTS, f"{where}: events")


def _chosen(
    asked: object, known: Mapping[str, ResultKind], default: tuple[ResultKind, ...], what: str
) -> tuple[ResultKind, ...]:
    if asked is None:
        return default
    if not isinstance(asked, list) or not all(isinstance(one, str) and one in known for one in asked):
        names = ", ".join(f'"{name}"' for name in known)
        raise SettingsError(f"{what} must be a list out of [{names}].")
    return tuple(dict.fromkeys(known[one] for one in asked))


def _by_name(configs: Sequence[DestinationConfig], where: str) -> dict[str, DestinationConfig]:
    by_name = {config.name: config for config in configs}
    if len(by_name) < len(configs):
        names = [config.name for config in configs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise SettingsError(f"{where}: destination names must differ; more than one is called {', '.join(twice)}.")
    return by_name
