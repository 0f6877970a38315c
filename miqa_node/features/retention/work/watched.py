"""An erased patient's files in the watched folder: those that were received or refused go, with their names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from miqa_node.core.files.shared_folder import SharedFolder
from miqa_node.core.settings import Settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import DataSetError
from miqa_node.features.retention.rows.erasure import ErasureRecord, names
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.stages.receive.sources.folder import AE_TITLE, DONE, FAILED

LEAST_ID = 4
"""A shorter Patient ID is found in any file; it is not searched for in files that are no images."""


@dataclass(frozen=True, slots=True)
class WatchedFiles:
    """Names below the watched folder, which may name people: for whoever erases, never for a proof or a log."""

    removed: int = 0
    waiting: tuple[str, ...] = ()
    """The patient's, and not received yet: they stay."""
    unread: tuple[str, ...] = ()
    """Received or refused, and nobody can tell whose: they stay."""


def erase_watched(settings: Settings, record: ErasureRecord, patient_id: str = "") -> WatchedFiles:
    """Remove the patient's files; OSError if the folder cannot be read. ``patient_id`` is empty if nobody knows it."""
    top = Path(settings.watch.folder)
    if not settings.watch.folder or not top.is_dir():
        return WatchedFiles()
    owner = _Owner(settings, record, patient_id)
    removed, unread = 0, []
    with SharedFolder(top) as folder:
        for path in _finished(folder):
            is_own = owner.has(top / path)
            if is_own:
                _remove(folder, path)
                removed += 1
            elif is_own is None:
                unread.append(str(path))
        others = folder.files(leave_out=frozenset((DONE, FAILED)))
        waiting = tuple(str(path) for path in others if owner.has(top / path))
    return WatchedFiles(removed, waiting, tuple(unread))


def _finished(folder: SharedFolder) -> Iterator[PurePosixPath]:
    """Without the text files beside refused ones, which go with them."""
    for kind in (DONE, FAILED):
        files = set(folder.files(kind))
        yield from sorted(path for path in files if path.suffix != ".txt" or path.with_suffix("") not in files)


def _remove(folder: SharedFolder, path: PurePosixPath) -> None:
    """The file, the reason beside it, and folders that are empty then: here, and where it came from."""
    folder.remove(path)
    with suppress(FileNotFoundError):
        folder.remove(path.with_name(f"{path.name}.txt"))
    for parent in path.parents:
        if len(parent.parts) > 1:
            for emptied in (parent, PurePosixPath(*parent.parts[1:])):
                with suppress(OSError):  # other files are in it
                    folder.remove_folder(emptied)


class _Owner:
    """Whether files are the patient's of an erasure."""

    def __init__(self, settings: Settings, record: ErasureRecord, patient_id: str) -> None:
        self._record, self._document, self._id = record, record.document(""), patient_id
        self._images = frozenset(record.images)
        self._authorities = settings.patients.authorities

    def has(self, path: Path) -> bool | None:
        """None if nobody can tell."""
        try:
            _, study = read_header(path, nameless=True)
        except (DataSetError, OSError):
            return self._mentions(path) or None
        if not study.patient_id:
            return data_set_digest(path) in self._images or None
        if data_set_digest(path) in self._images:
            return True
        if not names(self._document, study.patient_id):
            return False
        authority = self._authorities.authority(study.authority or "", AE_TITLE, "127.0.0.1")
        return self._record.authority in (None, authority) or None

    def _mentions(self, path: Path) -> bool:
        """Whether a file that is no image, such as the index of a disc, has the patient's ID in it."""
        with suppress(OSError):
            return len(self._id) >= LEAST_ID and self._id.encode() in path.read_bytes()
        return False
