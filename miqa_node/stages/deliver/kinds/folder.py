"""Writes result objects into a folder, such as the import folder of another system or a share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from miqa_node.core.domain.instance import can_name
from miqa_node.core.files.shared_folder import SharedFolder
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.kinds.base import (
    MAX_PATH,
    DeliveryContext,
    Destination,
    DestinationKind,
    ObjectsConfig,
    split_file,
)

PROBE_BYTES = 1 << 16
"""About as much as a report and a segmentation."""


class FolderConfig(ObjectsConfig):
    """A destination folder, given by the absolute path of an existing folder."""

    kind: Literal["folder"] = "folder"
    folder: Annotated[str, StringConstraints(pattern=r"^/[^\x00]*$", max_length=MAX_PATH)] = Field(
        description="the whole path of a folder"
    )

    @property
    def address(self) -> str:
        """The path."""
        return self.folder


class FolderDestination(Destination):
    """One file per object, ``SOP Instance UID.dcm``.

    Programs that watch the folder see only complete files: each is written under a name that begins with a dot, flushed
    and renamed. The node never creates the folder, so an unmounted share is an error.
    """

    access_hint = Phrase("Check that the folder is there and that the node may write to it.")

    def __init__(self, config: FolderConfig, _context: DeliveryContext) -> None:
        super().__init__(config.name)
        self._folder = Path(config.folder)

    def probe(self) -> str:
        """Write a file and remove it; an empty one would fit a full disk."""
        path = PurePosixPath(f".miqa-check-{os.getpid()}")
        try:
            with SharedFolder(self._folder) as folder:
                _write(folder, path, bytes(PROBE_BYTES))
                folder.remove(path)
        except OSError as error:
            raise self._unwritable(error) from error
        return Phrase("can be written")

    def send_one(self, sop_class_uid: str, sop_instance_uid: str, data: bytes) -> None:  # noqa: ARG002
        """Write the file; DeliveryError if the folder cannot be written now."""
        try:
            self._keep(sop_instance_uid, data)
        except OSError as error:
            raise self._unwritable(error) from error

    def _keep(self, sop_instance_uid: str, file: bytes) -> None:
        split_file(file)
        if not can_name(sop_instance_uid):
            raise DeliveryRefusedError("The object's SOP Instance UID is not a UID (PS3.5 9.1).")
        path = PurePosixPath(f"{sop_instance_uid}.dcm")
        with SharedFolder(self._folder) as folder:
            try:
                with folder.read(path) as there:
                    is_same = there.read() == file
            except FileNotFoundError:
                _write(folder, path, file)
            else:
                if not is_same:
                    raise DeliveryRefusedError(
                        "{name} is there already, with other content. Move it away.", name=path.name
                    )

    def _unwritable(self, error: OSError) -> DeliveryError:
        return DeliveryError(
            "{folder} cannot be written: {strerror}. Is it there, and may the node write?",
            folder=self._folder,
            strerror=error.strerror or error,
        )


def _write(folder: SharedFolder, path: PurePosixPath, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    with suppress(FileNotFoundError):  # left by a killed attempt
        folder.remove(part)
    try:
        folder.write(part, data)
        folder.replace(part, path)
    except OSError:
        with suppress(OSError):
            folder.remove(part)
        raise


def _read_address(text: str) -> Mapping[str, str] | None:
    return {"folder": text} if text.startswith("/") else None


KIND = DestinationKind(FolderConfig, FolderDestination, _read_address, "/FOLDER")
