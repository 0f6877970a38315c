"""Gives a data set frames that hold nothing but their pixels, native and compressed (PS3.5 8 and Annex A)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from io import BytesIO

import pydicom
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import RLELossless

from miqa_node.dicom.bytes.numbers import single_number
from miqa_node.dicom.pixels.pixel_data import frame_bits, frames_of
from miqa_node.dicom.pixels.stand_in_plugin import DEFLATED_FRAME, JPEG_XL
from miqa_training.deidentify.streams import jpeg, jpeg2000, rle


def with_pixels_only(ds: FileDataset, uncompress: Callable[[bytes], bytes]) -> FileDataset:
    """The data set whose Pixel Data are its frames, each decoded as before, bit for bit, and nothing else.

    JPEG XL, whose streams are no rows of segments, is stored uncompressed: ``uncompress`` gives the same file so.

    Raises
    ------
    ValueError, EOFError
        A frame cannot be taken apart; the text says why.
    """
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax in JPEG_XL:
        file = BytesIO()
        pydicom.dcmwrite(file, ds)
        return pydicom.dcmread(BytesIO(uncompress(file.getvalue())))
    if not syntax.is_encapsulated:
        _cut(ds)
        return ds
    count = int(single_number(ds, "NumberOfFrames") or 1)
    frames = frames_of(ds)[:count]
    if len(frames) < count:
        raise ValueError(f"there are {len(frames)} of {count} frames")
    written = [_rewritten(frame, syntax, ds) for frame in frames]
    if "ExtendedOffsetTable" in ds:
        ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(written)
    else:
        ds.PixelData = encapsulate(written)
    return ds


def _rewritten(frame: bytes, syntax: str, ds: FileDataset) -> bytes:
    """One frame; what it is its first bytes say, for some archives compress anew and leave the syntax as it was."""
    if frame.startswith(b"\xff\xd8"):
        return jpeg.rewritten(frame)
    if frame.startswith(b"\xff\x4f\xff\x51") or frame[4:8] == b"jP  ":
        return jpeg2000.rewritten(frame)
    if syntax == RLELossless:
        return rle.rewritten(frame, int(ds.Rows) * int(ds.Columns))
    if syntax == DEFLATED_FRAME:
        return _deflated(frame, (frame_bits(ds, 0, 1) + 7) // 8)
    raise ValueError("no codec of the node has such frames")


def _deflated(frame: bytes, size: int) -> bytes:
    """A frame deflated anew (PS3.5 A.4.13), for its blocks, too, could hold more than pixels."""
    pixels = zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, size)
    if len(pixels) < size:
        raise ValueError("a deflated frame is cut off")
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(pixels) + packing.flush()


def _cut(ds: FileDataset) -> None:
    """Native pixels as long as all frames are (PS3.5 8.1.1)."""
    element = ds["PixelData"]
    if element.is_undefined_length:
        raise ValueError("its pixels are in fragments, which its transfer syntax does not have")
    frames = int(single_number(ds, "NumberOfFrames") or 1)
    size = (frames * frame_bits(ds, len(element.value), frames) + 7) // 8
    if len(element.value) > size + size % 2:
        # In big-endian words the last byte stands behind its padding.
        is_swapped = element.VR == "OW" and not ds.original_encoding[1]
        end = element.value[size : size + size % 2] if is_swapped else b"\0" * (size % 2)
        element.value = element.value[:size] + end
