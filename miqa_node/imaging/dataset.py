"""Reads a stored data set for decoding and completes what broken writers left out of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pydicom
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.uid import UID

from miqa_node.errors import DataSetError, DecodeError
from miqa_node.imaging.codestream import transfer_syntax_of
from miqa_node.imaging.elements import DEFLATED_LE, find_encoding, read_elements

PIXEL_ELEMENTS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


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
    )
)


def read_dataset(path: Path) -> tuple[FileDataset, list[str]]:
    """The data set with everything that decoding needs, and what had to be completed for it.

    Raises
    ------
    DecodeError
        It cannot be parsed, or has no pixels or no image size.
    OSError
        The file is not there or may not be read.
    """
    repairs: list[str] = []
    try:
        ds = pydicom.dcmread(path, force=True)
    except (MemoryError, FileNotFoundError, PermissionError):
        raise  # the store's fault and not the image's: worth another attempt
    except Exception as broken:  # noqa: BLE001 - the parser gives up at the first broken sequence, wherever it is
        ds = _read_only_what_is_needed(path)
        repairs.append(f"data set broken ({_brief(broken)}), read only its image description")
    if not hasattr(ds, "file_meta"):
        ds.file_meta = FileMetaDataset()
    if not any(keyword in ds for keyword in PIXEL_ELEMENTS):
        raise DecodeError("The object has no pixel data, or they are cut off. There is nothing to assess.")
    if "PixelData" not in ds:
        raise DecodeError("The pixels are floating-point numbers (a parametric map); the node assesses integer images.")
    _complete_image_pixel(ds, repairs)
    _complete_syntax(ds, path, repairs)
    return ds, repairs


def _read_only_what_is_needed(path: Path) -> FileDataset:
    """The image description and the pixels of a data set whose other elements cannot be parsed."""
    try:
        elements = read_elements(path, _IMAGE_TAGS)
        with path.open("rb") as file:
            file.seek(elements.pixel_offset)
            pixels = next(data_element_generator(file, elements.implicit, not elements.big_endian), None)
    except (DataSetError, OSError, EOFError, ValueError) as broken:
        raise DecodeError(f"The data set cannot be parsed to its end ({_brief(broken)}). Send it again.") from broken
    if not elements.pixel_tag or elements.transfer_syntax_uid == DEFLATED_LE or pixels is None:
        raise DecodeError("The data set is broken before its pixel data. Send it again.")
    raw: dict[BaseTag, DataElement | RawDataElement] = {
        BaseTag(tag): RawDataElement(
            BaseTag(tag), element.vr or None, len(element.value), element.value, 0, elements.implicit,
            not elements.big_endian,
        )
        for tag, element in elements.found.items()
    }  # fmt: skip
    raw[pixels.tag] = pixels
    ds = FileDataset(path, raw, is_implicit_VR=elements.implicit, is_little_endian=not elements.big_endian)
    ds.set_original_encoding(elements.implicit, not elements.big_endian)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(elements.transfer_syntax_uid)
    return ds


def _complete_image_pixel(ds: Dataset, repairs: list[str]) -> None:
    """Fill in absent attributes of the Image Pixel module (PS3.3 C.7.6.3) with their only or usual value."""
    for keyword in ("Rows", "Columns", "BitsAllocated"):
        if not _whole(ds, keyword):
            raise DecodeError(f"The object has pixel data but no {keyword}, so their layout is unknown.")
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
    # A Code String is upper case (PS3.5 6.2), which not every device knows.
    said = str(ds.PhotometricInterpretation)
    if said != said.upper():
        ds.PhotometricInterpretation = said.upper()
        repairs.append(f"PhotometricInterpretation taken as {said.upper()}")
    if ds.BitsStored > ds.BitsAllocated:
        repairs.append(f"BitsStored {ds.BitsStored} above BitsAllocated, taken as {ds.BitsAllocated}")
        ds.BitsStored = ds.BitsAllocated
    if "NumberOfFrames" in ds and not _whole(ds, "NumberOfFrames"):
        del ds.NumberOfFrames
        repairs.append("NumberOfFrames unreadable, taken as 1")


def _complete_syntax(ds: FileDataset, path: Path, repairs: list[str]) -> None:
    """Find the transfer syntax where it is missing, and correct it where the frames are of another codec."""
    with path.open("rb") as file:
        encoding = find_encoding(lambda offset, count: os.pread(file.fileno(), count, offset))
    declared = str(ds.file_meta.get("TransferSyntaxUID") or "")
    actual = declared or encoding.transfer_syntax_uid
    if ds["PixelData"].is_undefined_length:
        try:
            first = next(generate_frames(ds.PixelData, number_of_frames=1))
            actual = transfer_syntax_of(first[:65536], actual)
        except (StopIteration, ValueError, IndexError):
            raise DecodeError("The encapsulated pixel data hold no complete frame. Send the object again.") from None
    if actual != declared:
        repairs.append(f"transfer syntax {declared or 'missing'}, taken as {actual}")
    ds.file_meta.TransferSyntaxUID = UID(actual)


def _whole(ds: Dataset, keyword: str) -> int:
    """A positive whole number, 0 when the element is absent or unreadable."""
    try:
        return max(0, int(ds.get(keyword) or 0))
    except (TypeError, ValueError):
        return 0


def _brief(error: Exception) -> str:
    """The kind of a library's error; its text might quote the data set, and so the patient."""
    return type(error).__name__
