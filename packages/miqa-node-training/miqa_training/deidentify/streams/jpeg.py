"""Writes a JPEG or JPEG-LS stream anew (ISO/IEC 10918-1 Annex B, 14495-1 Annex C).

What stays: frame, scans, the tables that they use, restart intervals, and the application segments that colours need,
each made anew: JFIF, Adobe's transform, HP's transform of JPEG-LS, and ICC profiles that everybody has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from miqa_training.deidentify.colour_profiles import is_known

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN, _QUANTIZATION, _HUFFMAN, _JPEG_LS = 0xDA, 0xDB, 0xC4, 0xF7
_LOSSLESS, _PROGRESSIVE = frozenset({0xC3, 0xCB, _JPEG_LS}), frozenset({0xC2, 0xCA})
_FRAMES = _LOSSLESS | _PROGRESSIVE | {0xC0, 0xC1, 0xC9}
"""Markers of frames; those of hierarchical processes are not among them."""
_CONDITIONING, _PRESETS = 0xCC, 0xF8
_SIZES = {0xDD: {2, 3, 4}, 0xDC: {2}, _CONDITIONING: set(range(2, 18, 2)), _PRESETS: {11}}
"""Sizes of what restart interval, number of lines, arithmetic conditioning and JPEG-LS presets say."""
MOST_COMPONENTS = 4
_COMMENT, _APPLICATIONS = 0xFE, range(0xE0, 0xF0)
_JFIF = b"JFIF\0\1\2\0\0\1\0\1\0\0"
"""Version 1.2, square pixels, no thumbnail."""
_ICC = b"ICC_PROFILE\0\1\1"
_SCAN_END = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_SCAN_END_LS = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")
"""Behind 0xFF stands a bit that is zero, not a byte (14495-1 A.1)."""
Table = tuple[int, int]
"""Marker and identifier of a table."""


@dataclass(frozen=True, slots=True)
class _Segment:
    marker: int
    content: bytes
    coded: bytes = b""
    """The coded data behind a scan's header."""

    @property
    def written(self) -> bytes:
        return b"\xff" + bytes([self.marker]) + (len(self.content) + 2).to_bytes(2, "big") + self.content + self.coded


def rewritten(stream: bytes) -> bytes:
    """The stream without comments, application data, unused tables, fill bytes, and what is behind its end (B.1).

    Raises
    ------
    ValueError
        It has segments that ISO/IEC 10918-1 B.2 or 14495-1 C.2 do not have in one image, or no end.
    """
    segments: list[_Segment] = []
    current: dict[Table, int] = {}
    needed: set[int] = set()
    frame = _Segment(0, b"")
    for segment in _segments(stream):
        if segment.marker in {_QUANTIZATION, _HUFFMAN}:
            for table in _tables(segment):
                current[table.marker, table.content[0] & 0x1F] = len(segments)
                segments.append(table)
            continue
        if segment.marker in _FRAMES and frame.marker:
            raise ValueError("its JPEG has several frames")
        if segment.marker in _FRAMES:
            frame = segment
        elif segment.marker == _SCAN:
            needed |= {current[table] for table in _used(frame, segment) if table in current}
        if (rest := _kept(segment)) is not None:
            needed.add(len(segments))
            segments.append(rest)
    return _START + b"".join(one.written for number, one in enumerate(segments) if number in needed) + _END


def _segments(stream: bytes) -> Iterator[_Segment]:
    if not stream.startswith(_START):
        raise ValueError("it does not begin as a JPEG")
    at, scan_end = 2, _SCAN_END
    while True:
        while stream[at : at + 2] == b"\xff\xff":
            at += 1
        if stream[at : at + 2] == _END:
            return
        length = int.from_bytes(stream[at + 2 : at + 4], "big")
        if stream[at : at + 1] != b"\xff" or length < 2 or at + 2 + length > len(stream):
            raise ValueError("a JPEG segment is damaged or has no end")
        marker, content, at = stream[at + 1], stream[at + 4 : at + 2 + length], at + 2 + length
        scan_end = _SCAN_END_LS if marker == _JPEG_LS else scan_end
        end = scan_end.search(stream, at) if marker == _SCAN else None
        if marker == _SCAN and end is None:
            raise ValueError("its JPEG has no end marker")
        yield _Segment(marker, content, stream[at : end.start()] if end else b"")
        at = end.start() if end else at


def _kept(segment: _Segment) -> _Segment | None:
    """What is written of a segment; None if nothing is. The sizes are those of B.2.2 to B.2.5."""
    marker, content = segment.marker, segment.content
    if marker in _APPLICATIONS or marker == _COMMENT:
        colours = _colours(marker, content)
        return _Segment(marker, colours) if colours else None
    if marker in _FRAMES:
        fits = len(content) > 5 and content[5] <= MOST_COMPONENTS and len(content) == 6 + 3 * content[5]
    elif marker == _SCAN:
        fits = 0 < len(content) == 4 + 2 * content[0] and content[0] <= MOST_COMPONENTS
    elif marker == _CONDITIONING:
        fits = len(content) in _SIZES[marker] and not any(table & 0xEC for table in content[::2])
    else:
        fits = len(content) in _SIZES.get(marker, ()) and (marker != _PRESETS or content[0] == 1)
    if not fits:
        raise ValueError(f"its JPEG has a segment {marker:02X} of {len(content)} bytes")
    return segment


def _colours(marker: int, content: bytes) -> bytes:
    """An application segment that decoding needs, made anew (JFIF 1.02, Adobe technical note 5116, ICC.1 B.4)."""
    if marker == 0xE0 and content.startswith(b"JFIF\0"):
        return _JFIF
    if marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12 and content[11] < 3:
        return b"Adobe\0\x64\0\0\0\0" + content[11:12]
    if marker == 0xE8 and content.startswith(b"mrfx") and len(content) == 5 and content[4] < 4:
        return content
    return content if marker == 0xE2 and content.startswith(_ICC) and is_known(content[len(_ICC) :]) else b""


def _tables(segment: _Segment) -> Iterator[_Segment]:
    """The tables of a segment, each in one of its own (B.2.4.1, B.2.4.2)."""
    content = segment.content
    while content:
        size = 17 + sum(content[1:17]) if segment.marker == _HUFFMAN else 129 if content[0] >> 4 else 65
        if len(content) < size:
            raise ValueError("a table of its JPEG is cut off")
        yield _Segment(segment.marker, content[:size])
        content = content[size:]


def _used(frame: _Segment, scan: _Segment) -> set[Table]:
    """The tables that a scan uses (B.2.3): of progressive ones those of either kind, of lossless ones no AC."""
    selectors = scan.content[1 : 1 + 2 * scan.content[0]] if scan.content else b""
    codes, components = selectors[1::2], dict(zip(frame.content[6::3], frame.content[8::3], strict=False))
    begins = scan.content[-3:-2] == b"\0"
    has_dc = frame.marker not in _PROGRESSIVE or begins
    has_ac = frame.marker not in _LOSSLESS and (frame.marker not in _PROGRESSIVE or not begins)
    tables = {(_HUFFMAN, code >> 4) for code in codes if has_dc}
    tables |= {(_HUFFMAN, 0x10 | code & 15) for code in codes if has_ac}
    if frame.marker in _LOSSLESS:
        return tables
    return tables | {(_QUANTIZATION, components[one]) for one in selectors[::2] if one in components}
