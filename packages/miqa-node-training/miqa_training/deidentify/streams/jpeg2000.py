"""Writes a JPEG 2000 or HTJ2K code stream anew, also out of a JP2 file (ISO/IEC 15444-1 Annexes A and I, 15444-15 A).

What stays: sizes, coding styles, quantization, regions of interest and the coded data of tile-parts, whose lengths are
counted again. Comments, lengths of packets, registrations and profiles go; no decoder needs them.
"""

from __future__ import annotations

from collections.abc import Iterator

_START, _TILE, _DATA, _END = b"\xff\x4f", b"\xff\x90", b"\xff\x93", b"\xff\xd9"
_CAP, _SIZ, _COD, _COC, _QCD, _QCC, _RGN, _POC = 0x50, 0x51, 0x52, 0x53, 0x5C, 0x5D, 0x5E, 0x5F
_LENGTHS = 0x55
_LEFT_OUT = frozenset({0x56, 0x57, 0x58, 0x59, 0x63, 0x64})
"""PRF, PLM, PLT, CPF, CRG and COM."""
_TILE_HEADER, LEAST_TILE = 12, 14
MOST_PROGRESSIONS = 32
TILES_OF_A_SEGMENT = 10_000
_CHANGES_OF_SAMPLES = frozenset({b"pclr", b"cmap", b"cdef"})
_SUPERBOX = b"jp2h"
Segment = tuple[int, bytes]
"""Marker and content."""


def rewritten(stream: bytes) -> bytes:
    """The code stream without comments, and nothing behind its end (A.4); of a JP2 file its code stream (I.5.4).

    Raises
    ------
    ValueError
        It has segments that 15444-1 A.5 and A.6 do not have, is cut off, or is a JP2 file that maps its samples.
    """
    stream = _code_stream(stream)
    main, at = _header(stream, 2, _TILE, [])
    if stream[:2] != _START or not main or main[0][0] != _SIZ:
        raise ValueError("it does not begin as a JPEG 2000 code stream")
    parts, lengths = bytearray(), list[bytes]()
    while stream[at : at + 2] == _TILE:
        part, at = _tile_part(stream, at, main)
        lengths.append(part[4:6] + len(part).to_bytes(4, "big"))
        parts += part
    if stream[at : at + 2] != _END and stream[at:].strip(b"\0"):
        raise ValueError("something lies between the tiles of its JPEG 2000 code stream")
    rest = [one for one in main if one[0] != _LENGTHS]
    if len(rest) < len(main):  # 15444-15 wants them with RPCL
        groups = [lengths[start : start + TILES_OF_A_SEGMENT] for start in range(0, len(lengths), TILES_OF_A_SEGMENT)]
        rest += [(_LENGTHS, bytes([number, 0x60]) + b"".join(group)) for number, group in enumerate(groups)]
    return _START + b"".join(_written(*one) for one in rest) + bytes(parts) + _END


def _code_stream(stream: bytes) -> bytes:
    """The code stream of a JP2 file; decoders may know nothing of its colours, which DICOM ignores (PS3.5 8.2.4)."""
    if stream[4:8] != b"jP  ":
        return stream
    boxes = dict(_boxes(stream))
    if _CHANGES_OF_SAMPLES & dict(_boxes(boxes.get(_SUPERBOX, b""))).keys() or b"jp2c" not in boxes:
        raise ValueError("its JP2 file maps samples to colours or has no code stream")
    return boxes[b"jp2c"]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes (I.4)."""
    at = 0
    while at + 8 <= len(data):
        length, kind, header = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + length if length else len(data)
        if end < at + header:
            return
        yield kind, data[at + header : end]
        at = end


def _tile_part(stream: bytes, at: int, main: list[Segment]) -> tuple[bytes, int]:
    """A tile-part, and where the next one begins (A.4.2)."""
    header, data = _header(stream, at + _TILE_HEADER, _DATA, main)
    length = int.from_bytes(stream[at + 6 : at + 10], "big")
    end = at + length if length else stream.find(_END, data)
    if 0 < length < LEAST_TILE or not data < end <= len(stream):
        raise ValueError("its JPEG 2000 code stream is cut off")
    content = b"".join(_written(*one) for one in header) + stream[data:end]
    size = (_TILE_HEADER + len(content)).to_bytes(4, "big")
    return stream[at : at + 6] + size + stream[at + 10 : at + _TILE_HEADER] + content, end


def _header(stream: bytes, at: int, end: bytes, main: list[Segment]) -> tuple[list[Segment], int]:
    """The segments that stay up to a marker (A.3), and where it is; that of the coded data belongs to them."""
    segments: list[Segment] = []
    while stream[at : at + 2] != end:
        length = int.from_bytes(stream[at + 2 : at + 4], "big")
        if stream[at : at + 1] != b"\xff" or length < 2 or at + 2 + length > len(stream):
            raise ValueError("a segment of its JPEG 2000 code stream is damaged")
        segments.append((stream[at + 1], stream[at + 4 : at + 2 + length]))
        at += 2 + length
    both = [*main, *segments]
    components = next((int.from_bytes(content[34:36], "big") for marker, content in both if marker == _SIZ), 0)
    size = 1 if components < 257 else 2
    levels = max((_levels(marker, content, size) for marker, content in both), default=0)
    rest = [(marker, _kept(marker, content, size, levels)) for marker, content in segments if marker not in _LEFT_OUT]
    return rest, at


def _kept(marker: int, content: bytes, size: int, levels: int) -> bytes:
    """The content of a segment, of the size that A.5 and A.6 give it; ``size`` is that of the number of a component."""
    if marker in {_QCD, _QCC}:
        start = 1 if marker == _QCD else size + 1
        steps = {0: 3 * levels + 1, 1: 2, 2: 2 * (3 * levels + 1)}.get(content[start - 1] & 0x1F, 0)
        if steps and len(content) > start:
            return content[: start + steps]
    elif marker == _POC:
        fits = 0 < len(content) <= MOST_PROGRESSIONS * (5 + 2 * size) and len(content) % (5 + 2 * size) == 0
    else:
        fits = marker == _LENGTHS or len(content) == _size(marker, content, size)
    if marker in {_QCD, _QCC} or not fits:
        raise ValueError(f"its JPEG 2000 code stream has a segment {marker:02X} of {len(content)} bytes")
    return content


def _size(marker: int, content: bytes, size: int) -> int:
    """Size of a segment by what it says."""
    if marker == _SIZ:
        return 36 + 3 * int.from_bytes(content[34:36], "big")
    if marker == _CAP:
        return 4 + 2 * int.from_bytes(content[:4], "big").bit_count()
    if marker == _RGN:
        return size + 2
    if marker not in {_COD, _COC} or len(content) < size + 6:
        return -1
    start = 5 if marker == _COD else size + 1
    precincts = content[0 if marker == _COD else size] & 1
    return start + 5 + precincts * (content[start] + 1)


def _levels(marker: int, content: bytes, size: int) -> int:
    """Levels of decomposition that a coding style has (A.6.1, A.6.2); 0 of other segments."""
    start = {_COD: 5, _COC: size + 1}.get(marker)
    return content[start] & 0x3F if start is not None and len(content) > start else 0


def _written(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + (len(content) + 2).to_bytes(2, "big") + content
