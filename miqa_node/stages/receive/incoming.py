"""Writes an incoming object to disk, byte for byte, and checks that it matches its request."""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.core.domain.instance import InstanceDigest, MoveOrigin, ReceivedObject, can_name, is_uid
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.headers import TAGS, HeaderReader
from miqa_node.dicom.bytes.spelling import spelled
from miqa_node.dicom.elements import Element, read_elements
from miqa_node.errors import DataSetError, MismatchError, TooLargeError

SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID = 0x00080016, 0x00080018, 0x0020000D

Bytes = bytes | bytearray | memoryview

WRITE_BACK_BYTES, WRITE_BACK_BYTES_ALONE = 1 << 20, 1 << 18
"""Write-back begins after this many bytes, so that the flush at the end is short; earlier if no other object is coming.

Other transfers keep the disk busy: small pieces would then cost more than they save.
"""

ROOM_BYTES = 8 << 20
"""Free space is checked again after this many bytes of an object, which may have gigabytes."""


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """Data of a C-STORE request and its association about the object that follows."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    study_instance_uid: str = ""
    """Accept only objects of this study; empty accepts all."""
    move: MoveOrigin | None = None
    """The C-MOVE that it comes by, if the peer says so."""


class IncomingObject:
    """One object being received: a file in the incoming folder that is removed unless ``complete`` was called."""

    def __init__(
        self, folder: Path, request: StoreRequest, max_bytes: int, headers: HeaderReader, *, is_alone: bool = False,
        check_room: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """``check_room`` raises ResourcesError if the disk has no room for the rest."""
        self._check_room, self._checked_bytes = check_room, 0
        self._write_back_bytes = WRITE_BACK_BYTES_ALONE if is_alone else WRITE_BACK_BYTES
        self._headers = headers
        self._is_uid = can_name if headers.relaxed else is_uid
        for uid, name in (
            (request.sop_class_uid, "SOP class"),
            (request.sop_instance_uid, "SOP instance"),
            (request.transfer_syntax_uid, "transfer syntax"),
        ):
            if not self._is_uid(uid):
                raise DataSetError(_no_uid(Phrase("The request's {name} UID", name=name), uid))
        head = file_head(request)  # first, before an error could leave a file open
        self._request = request
        self._max_bytes = max_bytes
        self._size_bytes = self._started_bytes = 0
        self._digest = hashlib.sha256()
        self._path, self._fd = _new_file(folder)
        self._pending: list[Bytes] = [head]
        self._head_bytes = len(head)

    def write(self, parts: Sequence[Bytes]) -> None:
        """Append bytes of the data set.

        Raises
        ------
        TooLargeError
            The object is larger than allowed; the rest is discarded.
        ResourcesError
            The disk has become too full meanwhile.
        """
        self._size_bytes += sum(map(len, parts))
        if self._size_bytes > self._max_bytes:
            raise TooLargeError("Object larger than dicom.max_object_bytes ({max_bytes}).", max_bytes=self._max_bytes)
        if self._size_bytes - self._checked_bytes >= ROOM_BYTES:
            self._checked_bytes = self._size_bytes
            self._check_room()
        for part in parts:
            self._digest.update(part)
        _write_all(self._fd, [*self._pending, *parts])
        self._pending = []
        if self._size_bytes - self._started_bytes >= self._write_back_bytes:
            _start_writing(self._fd, self._started_bytes, self._size_bytes - self._started_bytes)
            self._started_bytes = self._size_bytes

    def complete(self) -> ReceivedObject:
        """Check that the data set matches the request, and flush the file to disk.

        Raises
        ------
        DataSetError
            There is no data set, or its header cannot be read.
        MismatchError
            SOP class or instance UID differ from the request, or the object belongs to another study.
        """
        if not self._size_bytes:
            raise DataSetError("The request came without a data set.")
        elements = read_elements(self._path, TAGS)  # nobody reads them again
        self._check_identity(elements.by_tag)
        header = self._headers.read(elements)
        os.fsync(self._fd)
        return ReceivedObject(
            path=str(self._path),
            digest=InstanceDigest(self._digest.hexdigest()),
            size_bytes=self._size_bytes,
            calling_ae_title=self._request.calling_ae_title,
            called_ae_title=self._request.called_ae_title,
            peer_address=self._request.peer_address,
            received_at=datetime.now(UTC),
            header=header,
            file_bytes=self._head_bytes + self._size_bytes,
            move=self._request.move,
        )

    def discard(self) -> None:
        """Close the file and remove it, unless it has been moved away."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        self._path.unlink(missing_ok=True)

    def _check_identity(self, elements: Mapping[int, Element]) -> None:
        for tag, name, request_value in (
            (SOP_CLASS_UID, "SOP Class UID", self._request.sop_class_uid),
            (SOP_INSTANCE_UID, "SOP Instance UID", self._request.sop_instance_uid),
        ):
            if tag not in elements:
                raise DataSetError("The data set has no {name}.", name=name)
            uid = elements[tag].value.decode("latin-1").strip(" \0")
            if not self._is_uid(uid):
                raise DataSetError(_no_uid(Phrase("The data set's {name}", name=name), uid))
            if uid != request_value:
                raise MismatchError("{name} of request and data set differ.", name=name)
        if study := self._request.study_instance_uid:
            element = elements.get(STUDY_INSTANCE_UID)
            if element is None or element.value.decode("latin-1").strip(" \0") != study:
                raise MismatchError("The object belongs to another study than the one of the address.")


def _no_uid(element: Phrase, uid: str) -> Phrase:
    if can_name(uid):
        return Phrase("{element} has letters: dicom.relaxed_uids.", element=element)
    return Phrase("{element} is not a UID (PS3.5 9.1).", element=element)


def file_head(request: StoreRequest) -> bytes:
    """Preamble and file meta information (PS3.10 7.1); the sender's AE title as Source Application Entity Title."""
    elements = (
        _element(0x0001, b"OB", b"\0\1")
        + _element(0x0002, b"UI", request.sop_class_uid.encode("ascii"))
        + _element(0x0003, b"UI", request.sop_instance_uid.encode("ascii"))
        + _element(0x0010, b"UI", request.transfer_syntax_uid.encode("ascii"))
        + _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID.encode("ascii"))
        + _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME.encode("ascii"))
        + _element(0x0016, b"AE", spelled(request.calling_ae_title).encode("ascii")[:16])
    )
    return b"\0" * 128 + b"DICM" + _element(0x0000, b"UL", struct.pack("<I", len(elements))) + elements


def _new_file(folder: Path) -> tuple[Path, int]:
    """A file that is locked during reception: other processes remove only files without a lock."""
    while True:
        path = folder / f"{uuid.uuid4().hex}.part"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        is_ours = True
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another process is just removing it
            is_ours = False
        except OSError:  # a file system without locks
            pass
        if is_ours and os.fstat(fd).st_nlink:
            return path, fd
        os.close(fd)


def remove_leftovers(folder: Path) -> int:
    """Remove unacknowledged files of killed processes; return their number."""
    removed = 0
    for path in folder.glob("*.part"):
        with suppress(OSError):
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                removed += 1
            finally:
                os.close(fd)
    return removed


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    if vr == b"OB":
        return struct.pack("<HH2sHI", 2, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def _write_all(fd: int, parts: Sequence[Bytes]) -> None:
    """Write everything; after a short write on a full disk, the next call raises the error."""
    for start in range(0, len(parts), _IOV_MAX):
        some = parts[start : start + _IOV_MAX]
        written = os.writev(fd, some)
        for part in some:
            if written >= len(part):
                written -= len(part)
                continue
            rest = memoryview(part)[written:]
            written = 0
            while rest:
                rest = rest[os.write(fd, rest) :]


def _start_writing(fd: int, offset: int, count: int) -> None:
    """Let the system write a part of the file to disk now, in the background.

    Linux does so when told that the part will not be needed; what is not yet on disk stays in memory all the same.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # only advice
            os.posix_fadvise(fd, offset, count, os.POSIX_FADV_DONTNEED)


_IOV_MAX = 512
