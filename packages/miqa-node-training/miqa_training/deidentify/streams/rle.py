"""Writes a frame of RLE anew: its header and, of each segment, the runs that make up its pixels (PS3.5 Annex G)."""

from __future__ import annotations

import struct
from itertools import accumulate

HEADER_BYTES, MOST_SEGMENTS = 64, 15
_NOTHING = 0x80


def rewritten(frame: bytes, pixels: int) -> bytes:
    """The frame with as many ``pixels`` in each segment and no other bytes (PS3.5 G.4, G.5).

    Raises
    ------
    ValueError
        A segment has fewer pixels, or the header says what no frame has.
    """
    if len(frame) < HEADER_BYTES:
        raise ValueError("its RLE has no header")
    count, *offsets = struct.unpack("<16L", frame[:HEADER_BYTES])
    starts = offsets[:count]
    if not 0 < count <= MOST_SEGMENTS or starts != sorted(starts) or starts[0] < HEADER_BYTES:
        raise ValueError("its RLE has segments in places where none can be")
    ends = [*starts[1:], len(frame)]
    segments = [_runs(frame[start:end], pixels) for start, end in zip(starts, ends, strict=True)]
    places = list(accumulate((len(one) for one in segments[:-1]), initial=HEADER_BYTES))
    header = struct.pack("<16L", count, *places, *[0] * (MOST_SEGMENTS - count))
    return header + b"".join(segments)


def _runs(data: bytes, pixels: int) -> bytes:
    """The runs of the first pixels, of an even number of bytes (PS3.5 G.3.1)."""
    at = start = surplus = 0
    while pixels > 0:
        if at + 1 >= len(data):
            raise ValueError("a segment of its RLE is cut off")
        start, head = at, data[at]
        if head == _NOTHING:
            at += 1
            continue
        is_literal = head < _NOTHING
        pixels -= head + 1 if is_literal else 257 - head
        at += head + 2 if is_literal else 2
    surplus = -pixels
    runs = data[:at]
    if at > len(data) + surplus * (data[start] < _NOTHING):
        raise ValueError("a segment of its RLE is cut off")
    if surplus and data[start] < _NOTHING:
        runs = runs[:start] + bytes([data[start] - surplus]) + data[start + 1 : at - surplus]
    elif surplus:
        head = data[start] + surplus
        runs = runs[:start] + bytes([head % 256, data[start + 1]])  # 256 would be one pixel: a literal run of it
    return runs + b"\0" * (len(runs) % 2)
