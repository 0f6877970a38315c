"""Reads the header of a stored object for decoding, completes missing attributes, and finds the frames."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian

from miqa_node.dicom.bytes.head import raw_elements, read_head
from miqa_node.dicom.bytes.headers import read_spacing_mm
from miqa_node.dicom.bytes.numbers import single_number
from miqa_node.dicom.elements import (
    DEFLATED_LE,
    PIXEL_TAGS,
    Read,
    element_head,
    find_encoding,
    inflate_head,
    inflate_value,
    read_elements,
)
from miqa_node.dicom.pixels.codestream import transfer_syntax_of
from miqa_node.dicom.pixels.decoders import syntax_for
from miqa_node.dicom.pixels.pixel_data import (
    ITEM,
    Fragment,
    PixelElement,
    assign_fragments,
    extended_offsets,
    find_fragments,
    join,
    read_native_frame,
)
from miqa_node.dicom.pixels.shutter import TAGS as SHUTTER_TAGS
from miqa_node.errors import DataSetError, DecodeError, lacks_resources

_PIXEL_DATA = 0x7FE00010
_UNDEFINED_LENGTH = 0xFFFFFFFF
FLOATING_POINT = "The pixels are floating-point numbers (a parametric map); the node assesses integer images."
NO_PIXELS = "The object has no pixel data, or they are cut off. There is nothing to assess."
_CODESTREAM_BYTES = 1 << 16
"""Number of bytes of the first frame that suffice to recognise its codec."""

_IMAGE_TAGS = frozenset(
    int(tag_for_keyword(keyword) or 0)
    for keyword in (
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "PlanarConfiguration",
        "NumberOfFrames",
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "PixelPaddingValue",
        "PixelPaddingRangeLimit",
        "RescaleSlope",
        "RescaleIntercept",
        "WindowCenter",
        "WindowWidth",
        "VOILUTFunction",
        "PresentationLUTShape",
        "SOPClassUID",
        *SHUTTER_TAGS,
    )
)


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An object without its pixels, and their location.

    ``repairs`` lists what was completed. ``frames`` are the fragments of each frame, empty if pixels are native.
    ``inflated`` are the pixels of a deflated data set, which can only be read by inflating everything before them.
    """

    path: Path
    ds: FileDataset
    repairs: tuple[str, ...]
    spacing_mm: tuple[float, float] | None
    element: PixelElement
    frames: tuple[Sequence[Fragment], ...]
    inflated: bytes | None

    def read_frame(self, frame: int) -> bytes:
        """The bytes of one frame, counted from 0; ValueError if any are missing."""
        with _reading(self.path, self.inflated) as read:
            if not self.ds.file_meta.TransferSyntaxUID.is_encapsulated:
                return read_native_frame(read, self.element, self.ds, frame)
            if frame >= len(self.frames):
                raise ValueError(f"there are fragments for {len(self.frames)} frames only")
            return join(read, self.frames[frame])


def read_image(path: Path, max_pixels: int) -> StoredImage:
    """Read the header of an object. The last two are cached, so further frames do not read it again.

    Raises
    ------
    DecodeError
        The object cannot be parsed, has no pixels or no image size, or a frame has more than ``max_pixels``.
    OSError
        The file does not exist or may not be read.
    """
    stat = path.stat()
    return _read_image(path, max_pixels, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=2)
def _read_image(path: Path, max_pixels: int, _inode: int, size: int, _modified_ns: int) -> StoredImage:
    repairs: list[str] = []
    inflated: bytes | None = None
    try:
        ds, element, deflated_at = _read_header(path, size)
    except (MemoryError, FileNotFoundError, PermissionError, DecodeError):
        raise  # the first three of these are not the fault of the image: try again
    except Exception as broken:  # noqa: BLE001 - the parser gives up at the first broken sequence, wherever it is
        ds, element = _read_only_what_is_needed(path, size)
        deflated_at = None
        repairs.append(f"data set broken ({_brief(broken)}), read only its image description")
    if element is None:
        try:  # without a preamble the parser may misread elements and find no pixels
            ds, element = _read_only_what_is_needed(path, size)
        except DecodeError:
            raise DecodeError(NO_PIXELS) from None
        repairs.append("read only its image description")
    _complete_image_pixel(ds, repairs)
    if ds.Rows * ds.Columns > max_pixels:
        raise DecodeError(
            "{rows} × {columns} pixels exceed the limit of {max_pixels} (imaging.max_pixels).",
            rows=ds.Rows,
            columns=ds.Columns,
            max_pixels=max_pixels,
        )
    if deflated_at is not None:  # only now, after the size limit has refused data that inflates to gigabytes
        vr, inflated = inflate_value(path, deflated_at)
        element = PixelElement(vr, 0, len(inflated), has_undefined_length=False)
    with _reading(path, inflated) as read:
        frames = _find_frames(read, ds, path, element, repairs)
    if not frames:
        _name_full_colours(ds, element, repairs)
    return StoredImage(path, ds, tuple(repairs), read_spacing_mm(path), element, frames, inflated)


def _find_frames(
    read: Read, ds: FileDataset, path: Path, element: PixelElement, repairs: list[str]
) -> tuple[Sequence[Fragment], ...]:
    """Complete the transfer syntax; return the fragments of each frame if it is encapsulated."""
    fragments: list[Fragment] = []
    table: list[int] = []
    first = None
    try:
        if element.has_undefined_length:
            fragments, table = find_fragments(read, element)
            first = read(fragments[0].offset, min(fragments[0].length, _CODESTREAM_BYTES)) if fragments else b""
        _complete_syntax(ds, path, first, repairs)
        syntax_for(ds.file_meta.TransferSyntaxUID)
        if not ds.file_meta.TransferSyntaxUID.is_encapsulated:
            return ()
        if not element.has_undefined_length:
            if read(element.offset, 4) != ITEM:
                repairs.append(f"pixels are native, though the syntax is {ds.file_meta.TransferSyntaxUID}")
                ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
                return ()
            fragments, table = find_fragments(read, element)
        table = extended_offsets(ds) or table
        return tuple(assign_fragments(read, fragments, table, _whole(ds, "NumberOfFrames") or 1))
    except EOFError:
        raise DecodeError(NO_PIXELS) from None
    except (ValueError, TypeError) as broken:
        raise DecodeError(
            "The fragments of the pixel data are incomplete ({broken}). Send them again.", broken=broken
        ) from broken


def _name_full_colours(ds: FileDataset, element: PixelElement, repairs: list[str]) -> None:
    """Native pixels that say YBR_FULL_422 and have three bytes each are not reduced (PS3.3 C.7.6.3.1.2)."""
    bits = int(ds.Rows) * int(ds.Columns) * int(ds.SamplesPerPixel) * int(ds.BitsAllocated)
    if (
        ds.PhotometricInterpretation == "YBR_FULL_422"
        and element.length >= bits * (_whole(ds, "NumberOfFrames") or 1) // 8
    ):
        ds.PhotometricInterpretation = "YBR_FULL"
        repairs.append("PhotometricInterpretation YBR_FULL_422 with full colours, taken as YBR_FULL")


@contextmanager
def _reading(path: Path, inflated: bytes | None) -> Iterator[Read]:
    if inflated is not None:
        yield lambda offset, count: inflated[offset : offset + count]
        return
    with path.open("rb") as file:
        yield lambda offset, count: os.pread(file.fileno(), count, offset)


def _read_header(path: Path, size: int) -> tuple[FileDataset, PixelElement | None, int | None]:
    """Everything before the pixels, and their location; for a deflated data set, the location in the inflated one."""
    head = inflate_head(path)
    if head is not None:
        if head.pixel_tag not in (0, _PIXEL_DATA):
            raise DecodeError(FLOATING_POINT)
        element = PixelElement("OW", 0, 0, has_undefined_length=False) if head.pixel_tag else None
        return read_head(path), element, len(head.data)
    tags: list[int] = []

    def at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        if tag in PIXEL_TAGS:
            tags.append(int(tag))
        return tag in PIXEL_TAGS

    with path.open("rb") as file:
        ds = read_partial(file, at_pixels, force=True)
        if tags and tags[0] != _PIXEL_DATA:
            raise DecodeError(FLOATING_POINT)
        if not tags:
            return ds, None, None
        implicit, little_endian = ds.original_encoding
        at, big_endian = file.tell(), not little_endian
        return ds, _element_at(file.fileno(), at, size, implicit=bool(implicit), big_endian=big_endian), None


def _element_at(fd: int, offset: int, size: int, *, implicit: bool, big_endian: bool) -> PixelElement:
    head = os.pread(fd, 12, offset).ljust(12, b"\0")
    implicit = implicit and head[4:6] not in (b"OB", b"OW")  # as a length they would be odd
    _, vr, length, head_bytes = element_head(head, implicit=implicit, order=">" if big_endian else "<")
    at = offset + head_bytes
    return PixelElement(vr, at, max(0, min(length, size - at)), has_undefined_length=length == _UNDEFINED_LENGTH)


def _read_only_what_is_needed(path: Path, size: int) -> tuple[FileDataset, PixelElement]:
    """The image description of a data set whose other elements cannot be parsed, and the location of its pixels."""
    try:
        elements = read_elements(path, _IMAGE_TAGS)
    except (DataSetError, OSError, EOFError, ValueError) as broken:
        if lacks_resources(broken):
            raise
        raise DecodeError(
            "The data set cannot be parsed to its end ({brief}). Send it again.", brief=_brief(broken)
        ) from broken
    if elements.pixel_tag != _PIXEL_DATA or elements.transfer_syntax_uid == DEFLATED_LE:
        raise DecodeError("The data set is broken before its pixel data. Send it again.")
    ds = FileDataset(
        path, raw_elements(elements), is_implicit_VR=elements.implicit, is_little_endian=not elements.big_endian
    )
    ds.set_original_encoding(elements.implicit, not elements.big_endian)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(elements.transfer_syntax_uid)
    with path.open("rb") as file:
        element = _element_at(
            file.fileno(), elements.pixel_offset, size, implicit=elements.implicit, big_endian=elements.big_endian
        )
    return ds, element


def _complete_image_pixel(ds: Dataset, repairs: list[str]) -> None:
    """Fill in absent attributes of the Image Pixel module (PS3.3 C.7.6.3) with their only or usual value."""
    for keyword in ("Rows", "Columns", "BitsAllocated"):
        if not _whole(ds, keyword):
            raise DecodeError(
                "The object has pixel data but no {keyword}, so their layout is unknown.", keyword=keyword
            )
    samples = _whole(ds, "SamplesPerPixel") or 1
    usual: dict[str, Any] = {
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": "RGB" if samples == 3 else "MONOCHROME2",
        "BitsStored": ds.BitsAllocated,
        "PixelRepresentation": 0,
    }
    if samples > 1:
        usual["PlanarConfiguration"] = 0
    for keyword, value in usual.items():
        if ds.get(keyword) in (None, ""):
            setattr(ds, keyword, value)
            repairs.append(f"{keyword} missing, taken as {value}")
    if not _whole(ds, "BitsStored"):
        repairs.append(f"BitsStored 0, taken as {ds.BitsAllocated}")
        ds.BitsStored = ds.BitsAllocated
    # A Code String is upper case (PS3.5 6.2), but some devices write lower case.
    photometric = str(ds.PhotometricInterpretation)
    if photometric != photometric.upper():
        ds.PhotometricInterpretation = photometric.upper()
        repairs.append(f"PhotometricInterpretation taken as {photometric.upper()}")
    if ds.BitsStored > ds.BitsAllocated:
        repairs.append(f"BitsStored {ds.BitsStored} above BitsAllocated, taken as {ds.BitsAllocated}")
        ds.BitsStored = ds.BitsAllocated
    if "NumberOfFrames" in ds and not _whole(ds, "NumberOfFrames"):
        del ds.NumberOfFrames
        repairs.append("NumberOfFrames unreadable, taken as 1")


def _complete_syntax(ds: FileDataset, path: Path, first_frame: bytes | None, repairs: list[str]) -> None:
    """Find the transfer syntax if it is missing, and correct it if the frames have another codec."""
    with path.open("rb") as file:
        encoding = find_encoding(lambda offset, count: os.pread(file.fileno(), count, offset))
    declared = str(ds.file_meta.get("TransferSyntaxUID") or "")
    actual = declared or encoding.transfer_syntax_uid
    if first_frame is not None:
        actual = transfer_syntax_of(first_frame, actual)
    if actual != declared:
        repairs.append(f"transfer syntax {declared or 'missing'}, taken as {actual}")
    ds.file_meta.TransferSyntaxUID = UID(actual)


def _whole(ds: Dataset, keyword: str) -> int:
    """A positive whole number; 0 if the element is absent or unreadable."""
    return max(0, int(single_number(ds, keyword) or 0))


def _brief(error: Exception) -> str:
    """The type of a library's error; its message might quote the data set, and so the patient."""
    return type(error).__name__
