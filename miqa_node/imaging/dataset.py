"""Reads a stored data set for decoding and completes what broken writers left out of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.uid import UID

from miqa_node.errors import DecodeError
from miqa_node.imaging.codestream import transfer_syntax_of
from miqa_node.imaging.elements import find_encoding

PIXEL_ELEMENTS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def read_dataset(path: Path) -> tuple[FileDataset, list[str]]:
    """The data set with everything that decoding needs, and what had to be completed for it.

    Raises
    ------
    DecodeError
        It cannot be parsed, or has no pixels or no image size.
    """
    repairs: list[str] = []
    try:
        ds = pydicom.dcmread(path, force=True)
    except Exception as broken:
        raise DecodeError(f"The data set cannot be parsed to its end ({_brief(broken)}). Send it again.") from broken
    if not hasattr(ds, "file_meta"):
        ds.file_meta = FileMetaDataset()
    if not any(keyword in ds for keyword in PIXEL_ELEMENTS):
        raise DecodeError("The object has no pixel data, or they are cut off. There is nothing to assess.")
    if "PixelData" not in ds:
        raise DecodeError("The pixels are floating-point numbers (a parametric map); the node assesses integer images.")
    _complete_image_pixel(ds, repairs)
    _complete_syntax(ds, path, repairs)
    return ds, repairs


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
