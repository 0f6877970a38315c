"""Takes in one uploaded file as durably as by C-STORE: a DICOM file, or a picture that becomes one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from miqa_node.domain.instance import Header, InstanceDigest, ReceivedObject
from miqa_node.errors import DataSetError
from miqa_node.imaging.elements import find_encoding
from miqa_node.imaging.headers import read_header
from miqa_node.imaging.picture import is_picture
from miqa_node.imaging.secondary import write_secondary_capture
from miqa_node.receive.incoming import IncomingObject, StoreRequest
from miqa_node.taxonomy.anatomy import STANDARD, Anatomy

CHUNK_BYTES = 1 << 20
AE_TITLE = "UPLOAD"


@dataclass(frozen=True, slots=True)
class PictureDescription:
    """Attributes that a picture lacks."""

    modality: str = "DX"
    body_part: str = "CHEST"
    view: str = "PA"


@dataclass(frozen=True, slots=True)
class Uploads:
    """Destination of uploaded files: a folder on the object store's file system, and the size limit.

    ``check`` raises ResourcesError without enough space; when ``receive`` returns, the object is durable.
    """

    folder: Path
    max_bytes: int
    check: Callable[[], None]
    receive: Callable[[ReceivedObject], None]
    relaxed_uids: bool = False
    anatomy: Anatomy = STANDARD

    def header(self, file: Path, described: PictureDescription) -> tuple[Path, Header]:
        """The DICOM file of the upload, and its header; a picture is converted to a file beside it.

        Raises
        ------
        DataSetError, DecodeError
            The file is neither DICOM nor a picture, or it is damaged.
        """
        if file.stat().st_size == 0:
            raise DataSetError("The file is empty.")
        if is_picture(file):
            made = file.with_suffix(".dcm")
            write_secondary_capture(
                file, made, modality=described.modality, body_part=described.body_part, view=described.view
            )
            file = made
        return file, read_header(file, relaxed=self.relaxed_uids, anatomy=self.anatomy)[0]

    def take_in(self, file: Path, header: Header, peer_address: str) -> InstanceDigest:
        """Store the DICOM file; return its digest. ResourcesError without enough space."""
        self.check()
        with file.open("rb") as opened:
            fd = opened.fileno()
            encoding = find_encoding(lambda offset, count: os.pread(fd, count, offset), {}, frozenset())
            request = StoreRequest(
                sop_class_uid=header.sop_class_uid,
                sop_instance_uid=header.sop_instance_uid,
                transfer_syntax_uid=encoding.transfer_syntax_uid,
                calling_ae_title=AE_TITLE,
                called_ae_title=AE_TITLE,
                peer_address=peer_address,
            )
            incoming = IncomingObject(
                self.folder, request, self.max_bytes, relaxed_uids=self.relaxed_uids, anatomy=self.anatomy
            )
            try:
                opened.seek(encoding.offset)
                for chunk in iter(lambda: opened.read(CHUNK_BYTES), b""):
                    incoming.write([chunk])
                received = incoming.complete()
                self.receive(received)
            finally:
                incoming.discard()
        return received.digest
