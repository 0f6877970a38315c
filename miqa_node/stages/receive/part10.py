"""Takes in DICOM files (PS3.10) from STOW-RS and the watched folder, as durably as by C-STORE."""

from __future__ import annotations

from dataclasses import dataclass

from miqa_node.core.domain.instance import can_name, is_uid
from miqa_node.dicom.elements import Encoding, peek_elements
from miqa_node.errors import DataSetError
from miqa_node.stages.receive.incoming import SOP_CLASS_UID, SOP_INSTANCE_UID, StoreRequest
from miqa_node.stages.receive.intake import Intake, StoreResponse, Transfer
from miqa_node.stages.receive.statuses import comment_of, status_of

HEAD_BYTES = 1 << 16
"""The beginning of a file is buffered up to this length, or to its end, to detect the kind of file."""

_META_CLASS, _META_INSTANCE = 0x00020002, 0x00020003
_WANTED = frozenset({SOP_CLASS_UID, SOP_INSTANCE_UID, _META_CLASS, _META_INSTANCE})


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """Sender of the file, as recorded with the instance."""

    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    study_instance_uid: str = ""
    """Accept only instances of this study; empty accepts all."""


class FileTransfer:
    """One file, in pieces; ``finish`` returns the outcome. ``end`` must be called in any case."""

    def __init__(self, intake: Intake, origin: FileOrigin) -> None:
        self._intake = intake
        self._origin = origin
        self._head = bytearray()
        self._transfer: Transfer | None = None
        self._error: Exception | None = None
        self.sop_class_uid = ""
        self.sop_instance_uid = ""

    def write(self, part: bytes) -> None:
        """Write more bytes of the file."""
        if self._transfer is not None:
            self._transfer.write([part])
        elif self._error is None:
            self._head += part
            if len(self._head) >= HEAD_BYTES:
                self._begin()

    def finish(self) -> StoreResponse:
        """The file is complete: make it durable. The status is that of a C-STORE response."""
        if self._transfer is None and self._error is None:
            self._begin()
        if self._transfer is None:
            error = self._error or DataSetError("The file is empty.")
            return StoreResponse(status_of(error), comment_of(error))
        return self._transfer.finish()

    def end(self) -> None:
        """Remove an unfinished file."""
        if self._transfer is not None:
            self._transfer.end()
            self._transfer = None

    def _begin(self) -> None:
        try:
            encoding, request = self._read_head()
        except DataSetError as error:
            self._error = error
            return
        self._transfer = self._intake.begin(request)
        if len(self._head) > encoding.offset:
            self._transfer.write([bytes(self._head[encoding.offset :])])
        self._head = bytearray()

    def _read_head(self) -> tuple[Encoding, StoreRequest]:
        encoding, elements = peek_elements(bytes(self._head), _WANTED)
        values = {tag: element.value.decode("latin-1").strip(" \0") for tag, element in elements.items()}
        # The data set takes precedence: file headers often date from an earlier version of the object.
        sop_class_uid = values.get(SOP_CLASS_UID) or values.get(_META_CLASS, "")
        sop_instance_uid = values.get(SOP_INSTANCE_UID) or values.get(_META_INSTANCE, "")
        if not (is_uid(sop_class_uid) and can_name(sop_instance_uid)):
            raise DataSetError("Not a DICOM file: it has no SOP Class UID or no SOP Instance UID (PS3.5 9.1).")
        self.sop_class_uid, self.sop_instance_uid = sop_class_uid, sop_instance_uid
        request = StoreRequest(
            sop_class_uid=self.sop_class_uid,
            sop_instance_uid=self.sop_instance_uid,
            transfer_syntax_uid=encoding.transfer_syntax_uid,
            calling_ae_title=self._origin.calling_ae_title,
            called_ae_title=self._origin.called_ae_title,
            peer_address=self._origin.peer_address,
            study_instance_uid=self._origin.study_instance_uid,
        )
        return encoding, request
