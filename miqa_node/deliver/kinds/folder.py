"""Writes result objects into a folder, such as the import folder of another system or a share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from miqa_node.deliver.kinds.base import DeliveryContext, Destination, DestinationKind, ObjectsConfig, split_file
from miqa_node.domain.instance import is_uid
from miqa_node.errors import DeliveryError, DeliveryRefusedError


class FolderConfig(ObjectsConfig):
    """The whole path of a folder that exists."""

    kind: Literal["folder"] = "folder"
    folder: Annotated[str, StringConstraints(pattern=r"^/[^\x00]{0,4095}$")] = Field(
        description="the whole path of a folder"
    )

    @property
    def address(self) -> str:
        """The path."""
        return self.folder


class FolderDestination(Destination):
    """One file per object, ``SOP Instance UID.dcm``.

    Whoever watches the folder sees whole files only: they are written under a name that begins with a dot, flushed
    and renamed. The node never creates the folder, so that a share that is not mounted is an error.
    """

    access_hint = "Check that the folder is there and that the node may write to it."

    def __init__(self, config: FolderConfig, _context: DeliveryContext) -> None:
        super().__init__(config.name)
        self._folder = Path(config.folder)

    def probe(self) -> str:
        """Write a file and remove it again."""
        path = self._folder / f".miqa-check-{os.getpid()}"
        try:
            self._write(path, b"")
            path.unlink()
        except OSError as error:
            raise self._unwritable(error) from error
        return "can be written"

    def send_one(self, sop_class_uid: str, sop_instance_uid: str, data: bytes) -> None:  # noqa: ARG002
        """Write the file; DeliveryError if the folder cannot be written now."""
        try:
            self._keep(sop_instance_uid, data)
        except OSError as error:
            raise self._unwritable(error) from error

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

    def _unwritable(self, error: OSError) -> DeliveryError:
        return DeliveryError(
            f"{self._folder} cannot be written: {error.strerror}. Is it there, and may the node write?"
        )


def _read_address(text: str) -> Mapping[str, str] | None:
    return {"folder": text} if text.startswith("/") else None


KIND = DestinationKind(FolderConfig, FolderDestination, _read_address, "/FOLDER")
