"""Files of a site: TOML, those that may change while the node runs, and what the node itself brings."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from miqa_node.errors import SettingsError

log = structlog.get_logger(__name__)
T = TypeVar("T")


class WatchedFile(Generic[T]):
    """A file of the site that may change while the node runs.

    It is read again when it changes, or one of those in ``beside``, which ``read`` reads, too. A version with an error
    in it never replaces a good one, and a file that vanishes changes nothing. At the start, ``absent`` replaces one
    that does not exist, and what ``unready`` returns one with an error; without them that is an error.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Path], T],
        absent: T | None = None,
        beside: Sequence[Path] = (),
        unready: Callable[[SettingsError], T] | None = None,
    ) -> None:
        self._path = path
        self._read = read
        self._beside = beside
        self._lock = threading.Lock()
        self._stamp = self._look()
        try:
            self._value = absent if absent is not None and self._stamp[0] is None else read(path)
        except SettingsError as error:
            if unready is None:
                raise
            self._value = unready(error)

    def current(self) -> T:
        """Values of the newest readable version of the file; cheap enough to call often."""
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._value = self._read(self._path)
                    log.info("file read again", file=self._path.name)
                except SettingsError as error:
                    log.error("the last good version stays in force", file=self._path.name, reason=str(error))
                except Exception:  # a fault here must not stop receiving or judging an image
                    log.exception("the last good version stays in force", file=self._path.name)
            return self._value

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self._path, *self._beside))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_toml(path: Path) -> dict[str, Any]:
    """The document in a TOML file, with or without byte order mark; SettingsError if it cannot be read."""
    return parse_toml(text_of(read_bytes(path), path.name), path.name)


def read_bytes(path: Path) -> bytes:
    """The content of a file; SettingsError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error


def text_of(data: bytes, name: str) -> str:
    """The text of a TOML file. Line ends stay: TOML knows no lone CR. Windows' Notepad begins UTF-8 with a mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: is not UTF-8, which TOML is: save it with the encoding UTF-8.") from error


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """The document of a TOML text; SettingsError names the file."""
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise SettingsError(f"{name}: cannot be read as TOML: {error}") from error


def share_dir(name: str) -> Path:
    """Folder ``config``, ``models`` or ``migrations``: inside an installed wheel, or of the checkout."""
    package = Path(__file__).parents[2]
    installed = package / "_share" / name
    return installed if installed.is_dir() else package.parent / name
