"""Unpacks an uploaded ZIP file, such as a copied CD, within limits on number, size and ratio of its members."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from miqa_node.core.domain.instance import is_uid
from miqa_node.core.settings import WebSettings
from miqa_node.dicom.elements import peek_elements
from miqa_node.errors import ArchiveError, DataSetError

CHUNK_BYTES = 1 << 20
INDEX_NAME = "DICOMDIR"
_SOP_CLASS_UID = 0x00080016
_HEAD_BYTES = 1 << 14


def members(path: Path, folder: Path, limits: WebSettings) -> Iterator[Path]:
    """The file itself, or the members of a ZIP file one by one, each written to ``folder`` under a number.

    Names inside the archive are never used as paths, so none can point outside the folder. The index of a medium
    (DICOMDIR, PS3.10 8) and hidden files are skipped.

    Raises
    ------
    ArchiveError
        See there. Earlier members were already yielded.
    """
    if not zipfile.is_zipfile(path):
        yield path
        return
    folder.mkdir()
    budget = limits.max_archive_bytes
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if _is_image_file(info)]
            if len(infos) > limits.max_archive_members:
                raise ArchiveError(
                    "The ZIP file has {files} files; {max_archive_members} are the limit (web.max_archive_members).",
                    files=len(infos),
                    max_archive_members=limits.max_archive_members,
                )
            for number, info in enumerate(infos):
                if info.flag_bits & 1:
                    raise ArchiveError("The ZIP file is locked with a password. Unpack it and upload the images.")
                written = folder / f"{number:06d}"
                budget -= _extract(archive, info, written, budget, limits)
                yield written
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ArchiveError("The ZIP file is damaged or packed in a way that is not read.") from error


def is_dicom(file: Path) -> bool:
    """Whether a file begins as a DICOM object does, with or without the preamble of PS3.10."""
    with file.open("rb") as opened:
        head = opened.read(_HEAD_BYTES)
    try:
        _, elements = peek_elements(head, frozenset({_SOP_CLASS_UID}))
    except DataSetError:
        elements = {}
    if head[128:132] == b"DICM":
        return True
    sop_class = elements.get(_SOP_CLASS_UID)
    return sop_class is not None and is_uid(sop_class.value.decode("latin-1").strip(" \0"))


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, budget: int, limits: WebSettings) -> int:
    """Write one member; the written bytes are counted, because the header's size may be wrong."""
    most = min(budget, max(info.compress_size, 1) * limits.max_archive_ratio)
    written = 0
    with archive.open(info) as source, target.open("wb") as out:
        while chunk := source.read(CHUNK_BYTES):
            written += len(chunk)
            if written > most:
                raise ArchiveError(
                    "The ZIP file unpacks to more than web.max_archive_bytes or web.max_archive_ratio allow. "
                    "Upload its images in parts."
                )
            out.write(chunk)
    return written


def _is_image_file(info: zipfile.ZipInfo) -> bool:
    name = info.filename.rsplit("/", 1)[-1]
    hidden = name.startswith(".") or "__MACOSX" in info.filename
    is_folder = info.filename.endswith("/")  # ``is_dir`` raises for a member without a name
    return not (is_folder or hidden or name.upper() == INDEX_NAME)
