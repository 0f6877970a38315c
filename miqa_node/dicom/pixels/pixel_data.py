"""Finds the bytes of single frames in Pixel Data (7FE0,0010), to read one frame instead of the whole element.

Native frames are contiguous (PS3.5 8.1.1). Encapsulated frames are fragments (PS3.5 A.4), which are assigned to frames
by an offset table, by their number or by the end markers of JPEG.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from pydicom import Dataset

from miqa_node.dicom.bytes.numbers import single_number
from miqa_node.dicom.elements import Read

ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_END_OF_IMAGE = b"\xff\xd9"
_TAIL_BYTES = 10
"""Number of last bytes of a frame that contain its end marker; padding may follow the marker."""


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Position of the value of Pixel Data; ``length`` ends at the end of the file at the latest."""

    vr: str
    offset: int
    length: int
    has_undefined_length: bool


@dataclass(frozen=True, slots=True)
class Fragment:
    """One fragment: offset of its item from the first one, and the position of its bytes in the file."""

    item: int
    offset: int
    length: int


def read_native_frame(read: Read, element: PixelElement, ds: Dataset, frame: int) -> bytes:
    """The bytes of one frame as if it were the only one.

    Raises
    ------
    ValueError
        Bytes of this or any other frame are missing.
    """
    frames = int(ds.get("NumberOfFrames") or 1)
    bits = frame_bits(ds, element.length, frames)
    if element.length < (frames * bits + 7) // 8:
        raise ValueError(f"{element.length} of {(frames * bits + 7) // 8} bytes are there")
    start, end = frame * bits, (frame + 1) * bits
    first, last = start // 8, (end + 7) // 8
    if bits % 8:  # single bits: frames follow each other without padding
        packed = np.frombuffer(read(element.offset + first, last - first), np.uint8)
        single = np.unpackbits(packed, bitorder="little")[start % 8 : start % 8 + bits]
        return np.packbits(single, bitorder="little").tobytes()
    swapped = element.vr == "OW" and int(ds.BitsAllocated) == 8 and not ds.original_encoding[1]
    if not swapped or (first % 2 == 0 and last % 2 == 0):
        return read(element.offset + first, last - first)
    # Bytes in big-endian words: the frame's bytes are known only after swapping (PS3.5 7.3).
    words = read(element.offset + first - first % 2, last - first + first % 2 + last % 2)
    own = np.frombuffer(words, ">u2").astype("<u2").tobytes()[first % 2 : first % 2 + last - first]
    return np.frombuffer(own + b"\0", "<u2").astype(">u2").tobytes()


def frame_bits(ds: Dataset, length: int, frames: int) -> int:
    """Bits of one native frame; 4:2:2 colours take two thirds, unless the length shows full chrominance."""
    bits = int(ds.Rows) * int(ds.Columns) * int(ds.SamplesPerPixel) * int(ds.BitsAllocated)
    is_reduced = ds.PhotometricInterpretation == "YBR_FULL_422" and length < frames * bits // 8
    return bits // 3 * 2 if is_reduced else bits


def find_fragments(read: Read, element: PixelElement) -> tuple[list[Fragment], list[int]]:
    """The fragments, and the Basic Offset Table, which may be empty.

    Raises
    ------
    EOFError
        The last fragments are missing.
    ValueError
        There are other data between them.
    """
    table: list[int] = []
    fragments: list[Fragment] = []
    at, first, end = element.offset, 0, element.offset + element.length
    while at + 8 <= end:
        head = read(at, 8)
        if head[:4] == _SEQUENCE_END:
            return fragments, table
        if head[:4] != ITEM:
            raise ValueError("something else lies between the fragments")
        length = int.from_bytes(head[4:], "little")
        if first:
            fragments.append(Fragment(at - first, at + 8, length))
        else:
            first = at + 8 + length
            table = np.frombuffer(read(at + 8, length // 4 * 4), "<u4").tolist()
        at += 8 + length
    if element.has_undefined_length and not (fragments and at == end):  # some writers omit the delimiter
        raise EOFError
    return fragments, table


def frames_of(ds: Dataset) -> list[bytes]:
    """The encapsulated frames of an object in memory, each in one piece. Errors are those of the other functions."""
    value = ds.PixelData

    def read(offset: int, count: int) -> bytes:
        return bytes(value[offset : offset + count])

    fragments, table = find_fragments(read, PixelElement("OB", 0, len(value), has_undefined_length=False))
    offsets = extended_offsets(ds) or table
    count = int(single_number(ds, "NumberOfFrames") or 1)
    return [join(read, own) for own in assign_fragments(read, fragments, offsets, count)]


def extended_offsets(ds: Dataset) -> list[int]:
    """The Extended Offset Table (7FE0,0001) as far as it has whole numbers; empty if there is none."""
    value = ds.get("ExtendedOffsetTable")
    return np.frombuffer(value[: len(value) // 8 * 8], "<u8").tolist() if isinstance(value, bytes) else []


def assign_fragments(
    read: Read, fragments: Sequence[Fragment], offsets: Sequence[int], frames: int
) -> list[Sequence[Fragment]]:
    """The fragments of each frame; ``offsets`` is the Basic or Extended Offset Table, used if it fits.

    Raises
    ------
    ValueError
        There are fewer fragments than frames.
    """
    if frames == 1:  # all fragments belong to it, whatever an offset table says
        return [fragments]
    items = [fragment.item for fragment in fragments]
    fits = len(offsets) == frames and offsets[0] == 0 and all(one < later for one, later in pairwise(offsets))
    if fits and set(offsets) <= set(items):
        cuts = [bisect_left(items, offset) for offset in offsets] + [len(items)]
        return [fragments[start:end] for start, end in pairwise(cuts)]
    if len(fragments) == frames:
        return [(fragment,) for fragment in fragments]
    if len(fragments) < frames:
        raise ValueError(f"there are {len(fragments)} fragments for {frames} frames")
    assigned: list[Sequence[Fragment]] = []
    own: list[Fragment] = []
    for fragment in fragments:
        own.append(fragment)
        tail = min(_TAIL_BYTES, fragment.length)
        if _END_OF_IMAGE in read(fragment.offset + fragment.length - tail, tail):
            assigned.append(own)
            own = []
    return [*assigned, own] if own else assigned


def join(read: Read, fragments: Sequence[Fragment]) -> bytes:
    """The bytes of a frame; ValueError if they are missing or incomplete."""
    parts = [read(fragment.offset, fragment.length) for fragment in fragments]
    if not parts:
        raise ValueError("there is no fragment")
    if any(len(part) < fragment.length for part, fragment in zip(parts, fragments, strict=True)):
        raise ValueError("the last fragment is cut off")
    return b"".join(parts)
