"""Takes in one uploaded file as durably as by C-STORE: a DICOM file, or a picture that becomes one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.dicom.bytes.secondary import write_secondary_capture
from miqa_node.dicom.elements import find_encoding
from miqa_node.dicom.pixels.picture import is_picture
from miqa_node.errors import DataSetError
from miqa_node.stages.receive.incoming import StoreRequest
from miqa_node.stages.receive.intake import Intake

CHUNK_BYTES = 1 << 20
AE_TITLE = "UPLOAD"


@dataclass(frozen=True, slots=True)
class PictureDescription:
    """Attributes that a picture lacks; where nobody says the body part, its pixels do."""

    modality: str = "DX"
    body_part: str = ""
    view: str = ""


@dataclass(frozen=True, slots=True)
class Uploads:
    """The way of uploaded files into the node's intake."""

    intake: Intake

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
        return file, self.intake.headers.read_file(file)[0]

    def take_in(self, file: Path, header: Header, peer_address: str) -> InstanceDigest:
        """Store the DICOM file; return its digest once it is durable.

        Raises
        ------
        ResourcesError
            The node takes no objects now; the same file may be uploaded later.
        UnreadableError
            The intake refuses the file.
        """
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
            transfer = self.intake.begin(request)
            try:
                opened.seek(encoding.offset)
                for chunk in iter(lambda: opened.read(CHUNK_BYTES), b""):
                    transfer.write([chunk])
                transfer.finish()
            finally:
                transfer.end()
        if transfer.error is not None:
            raise transfer.error
        assert transfer.received is not None  # noqa: S101 - without an error it was kept
        return transfer.received.digest
