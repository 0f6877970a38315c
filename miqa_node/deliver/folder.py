"""Writes result objects into a folder, such as the import folder of another system or a share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from miqa_node.deliver.cstore import split_file
from miqa_node.deliver.destinations import DestinationConfig
from miqa_node.domain.delivery import ResultKind
from miqa_node.domain.instance import is_uid
from miqa_node.errors import CommitmentUnsupportedError, DeliveryError, DeliveryRefusedError


class FolderDestination:
    """One file per object, ``SOP Instance UID.dcm``; see :class:`~miqa_node.domain.ports.Destination`.

    Whoever watches the folder sees whole files only: they are written under a name that begins with a dot, flushed
    and renamed. The folder is never made by the node, so that a share that is not mounted is an error.
    """

    def __init__(self, config: DestinationConfig) -> None:
        self.name = config.name
        self._config = config
        self._folder = Path(config.folder)

    def send(self, files: Sequence[tuple[str, str, bytes]]) -> Sequence[Exception | None]:
        """Write in order; DeliveryError for a folder that cannot be written now."""
        return [self._outcome(uid, file) for _sop_class_uid, uid, file in files]

    def wants(self, kind: ResultKind) -> bool:
        """Whether objects of this kind go here."""
        return kind in self._config.objects

    def check(self) -> None:
        """Write a file and remove it again."""
        try:
            self._write(self._folder / f".miqa-check-{os.getpid()}", b"")
            (self._folder / f".miqa-check-{os.getpid()}").unlink()
        except OSError as error:
            raise self._not_now(error) from error

    def request_commitment(self, _transaction_uid: str, _objects: Sequence[tuple[str, str]], /) -> None:
        """A folder promises nothing."""
        raise CommitmentUnsupportedError("A folder does no storage commitment.")

    def close(self) -> None:
        """Nothing is open."""

    def _outcome(self, sop_instance_uid: str, file: bytes) -> Exception | None:
        try:
            self._keep(sop_instance_uid, file)
        except DeliveryError as error:
            return error
        except OSError as error:
            return self._not_now(error)
        return None

    def _keep(self, sop_instance_uid: str, file: bytes) -> None:
        split_file(file)
        if not is_uid(sop_instance_uid):
            raise DeliveryRefusedError("The object's SOP Instance UID is not a UID (PS3.5 9.1).")
        path = self._folder / f"{sop_instance_uid}.dcm"
        if path.exists():
            if path.read_bytes() != file:
                raise DeliveryRefusedError(f"{path.name} is there already, with other content. Move it away.")
            return
        self._write(path, file)

    def _write(self, path: Path, data: bytes) -> None:
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            part.rename(path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _not_now(self, error: OSError) -> DeliveryError:
        return DeliveryError(
            f"{self._folder} cannot be written: {error.strerror}. Is it there, and may the node write?"
        )
