"""Watches a folder for DICOM files and takes them in: for devices that can only copy files, and for discs.

A file counts as complete once its size and time have not changed for ``watch.settle_s``. It is then received like a
C-STORE and moved to ``done``, or to ``failed`` with a text file that gives the reason. A file that cannot be stored
now, without disk or database, stays in place. After a crash between the two steps a file is received again, which
changes nothing.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import structlog

from miqa_node.core.files.shared_folder import SharedFolder
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.settings import WatchSettings
from miqa_node.errors import SettingsError
from miqa_node.stages.receive.intake import Intake, StoreResponse
from miqa_node.stages.receive.part10 import FileOrigin, FileTransfer
from miqa_node.stages.receive.sources.base import ImageSource, SourceContext, SourceKind
from miqa_node.stages.receive.statuses import OUT_OF_RESOURCES, SUCCESS

log = structlog.get_logger(__name__)

DONE, FAILED = "done", "failed"
CHUNK_BYTES = 1 << 20
AE_TITLE = "FOLDER"
_UNFINISHED = (".part", ".tmp", ".partial", ".crdownload", ".filepart")
_INDEX = "DICOMDIR"
MAX_FILES = 1000
"""Taken in one round."""
STUCK_AFTER_S = 600.0
"""The watch counts as hanging if the folder, such as a network share, does not respond for this time."""
_DAY_S = 86_400.0


class WatchOutcome(Enum):
    """Outcome of a file."""

    HANDLED = auto()
    LOCKED = auto()
    """The file cannot be read or moved; others can."""
    NO_ROOM = auto()


class FolderWatch(ImageSource):
    """A thread that polls a folder; of several processes on one folder only one polls."""

    def __init__(
        self,
        settings: WatchSettings,
        intake: Intake,
        called_ae_title: str,
        trusted_now: Callable[[], datetime | None] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._trusted_now = settings, trusted_now
        self._folder = Path(settings.folder)
        self._intake = intake
        self._origin = FileOrigin(AE_TITLE, called_ae_title, "127.0.0.1")
        self._seen: dict[PurePosixPath, tuple[tuple[int, int], float]] = {}
        self._stuck: dict[PurePosixPath, tuple[int, int]] = {}
        self._thread = SteadyThread("folder-watch", self._run, STUCK_AFTER_S)
        self.threads = (self._thread,)
        self._lock: BinaryIO | None = None

    def start(self) -> None:
        """Begin; SettingsError if the folder is missing or cannot be written."""
        try:
            with SharedFolder(self._folder) as folder:
                for name in (DONE, FAILED):
                    folder.make(name)
                self._lock = folder.lock_file(".miqa-watch")
        except OSError as error:
            reason = error.strerror or str(error)
            raise SettingsError(f"watch.folder {self._folder} cannot be used: {reason}.") from error
        self._thread.start()

    def stop(self) -> None:
        """Finish the current file."""
        self._thread.stop()
        if self._lock is not None:
            self._lock.close()

    def _run(self) -> None:
        while self._thread.goes_on(self._settings.interval_s):
            try:
                if self._is_mine():
                    self.look()
            except OSError as error:
                log.error("the watched folder cannot be read", reason=error.strerror)
            except Exception:  # one odd file must not stop the watch
                log.exception("the watched folder could not be looked at, it is tried again")

    def _is_mine(self) -> bool:
        if self._lock is None:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def look(self) -> int:
        """Poll once; return the number of files received or set aside."""
        before, self._seen = self._seen, {}
        now, handled = time.monotonic(), 0
        with SharedFolder(self._folder) as folder:
            for path in folder.files(leave_out=frozenset((DONE, FAILED))):
                self._thread.beat()
                if self._thread.stopping.is_set() or handled >= MAX_FILES:
                    break
                if path.name.lower().endswith(_UNFINISHED):
                    continue
                with suppress(FileNotFoundError):  # another program has moved it
                    status = folder.status(path)
                    stamp = (status.st_size, status.st_mtime_ns)
                    last_state, since = before.get(path, (None, now))
                    if last_state != stamp:
                        since = now
                    # The file's own time saves the wait, unless its clock is ahead of the node's.
                    age_s = time.time() - status.st_mtime
                    settled = (age_s if age_s >= 0 else now - since) >= self._settings.settle_s
                    ready = settled and last_state == stamp and self._stuck.get(path) != stamp
                    outcome = self._take(folder, path, stamp) if ready else None
                    if outcome is WatchOutcome.HANDLED:
                        handled += 1
                    else:
                        self._seen[path] = (stamp, since)
                    if outcome is WatchOutcome.NO_ROOM:
                        break  # the other files would fail in the same way
            self._stuck = {path: stamp for path, stamp in self._stuck.items() if path in self._seen}
            self._forget_old(folder)
        return handled

    def _take(self, folder: SharedFolder, path: PurePosixPath, stamp: tuple[int, int]) -> WatchOutcome:
        """Receive one file and move it."""
        try:
            answer = StoreResponse(SUCCESS) if path.name == _INDEX else self._receive(folder, path)
        except PermissionError as error:
            log.warning("a file of the watched folder waits", reason=error.strerror or str(error))
            return WatchOutcome.LOCKED
        if answer.status == OUT_OF_RESOURCES and not answer.lasting:
            log.warning("a file of the watched folder waits", reason=answer.comment)
            return WatchOutcome.NO_ROOM
        kind = DONE if answer.status == SUCCESS else FAILED
        try:
            target = folder.move(path, PurePosixPath(kind, path))
            if kind == FAILED:
                why = f"{answer.status:04X} {answer.comment}"
                log.warning("a file of the watched folder was refused", status=why[:4], reason=answer.comment)
                with suppress(FileExistsError):  # a file of another program; the log also has the reason
                    folder.write(target.with_name(f"{target.name}.txt"), f"{why}\n".encode())
        except FileNotFoundError:
            raise
        except OSError as error:
            # The outcome stands; the file is not read repeatedly because of this.
            log.error("a file of the watched folder cannot be moved away", reason=error.strerror or str(error))
            self._stuck[path] = stamp
            return WatchOutcome.LOCKED
        return WatchOutcome.HANDLED

    def _receive(self, folder: SharedFolder, path: PurePosixPath) -> StoreResponse:
        transfer = FileTransfer(self._intake, self._origin)
        try:
            with folder.read(path) as file:
                while chunk := file.read(CHUNK_BYTES):
                    transfer.write(chunk)
                    self._thread.beat()
            return transfer.finish()
        except PermissionError:
            raise
        except OSError as error:
            return StoreResponse(OUT_OF_RESOURCES, error.strerror or "the file cannot be read")
        finally:
            transfer.end()

    def _forget_old(self, folder: SharedFolder) -> None:
        """Remove files received long ago; failed ones stay until a person removes them."""
        oldest = time.time() - self._settings.keep_done_days * _DAY_S
        for path in list(folder.files(DONE)):
            with suppress(OSError):
                if folder.status(path).st_ctime < oldest:
                    if self._trusted_now() is None:
                        return
                    folder.remove(path)


def _open(context: SourceContext) -> FolderWatch | None:
    watch = context.settings.watch
    ae_title = context.settings.dicom.ae_title
    return FolderWatch(watch, context.intake, ae_title, context.trusted_now) if watch.folder else None


KIND = SourceKind("folder", _open)
