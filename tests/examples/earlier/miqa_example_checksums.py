"""A destination that writes one line per delivered object: its SHA-256, its SOP class and its UID."""

import hashlib
from pathlib import Path
from typing import Literal

from miqa_node.deliver.kinds.base import DeliveryContext, Destination, DestinationKind, ObjectsConfig
from pydantic import Field

from miqa_node.errors import DeliveryError

miqa_api = 1


class ChecksumsConfig(ObjectsConfig):
    """The keys of its ``[[destination]]`` table, beside name, concurrency and objects."""

    kind: Literal["checksums"] = "checksums"
    file: str = Field(min_length=1, description="the path of a text file")


class ChecksumsDestination(Destination):
    """Appends lines; a line that is there already is not written again, so a repeated delivery changes nothing."""

    def __init__(self, config: ChecksumsConfig, _context: DeliveryContext) -> None:
        super().__init__(config.name)
        self._file = Path(config.file)

    def probe(self) -> str:
        """For ``miqa-node doctor``."""
        self._read()
        return "can be read"

    def send_one(self, sop_class_uid: str, sop_instance_uid: str, data: bytes) -> None:
        """A DeliveryError is tried again later."""
        line = f"{hashlib.sha256(data).hexdigest()} {sop_class_uid} {sop_instance_uid}"
        if line in self._read():
            return
        try:
            with self._file.open("a", encoding="utf-8") as out:
                out.write(f"{line}\n")
        except OSError as error:
            raise DeliveryError(f"{self._file} cannot be written: {error.strerror}.") from error

    def _read(self) -> list[str]:
        try:
            return self._file.read_text("utf-8").splitlines() if self._file.exists() else []
        except OSError as error:
            raise DeliveryError(f"{self._file} cannot be read: {error.strerror}.") from error


KIND = DestinationKind(ChecksumsConfig, ChecksumsDestination)
