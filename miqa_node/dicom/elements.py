"""Finds the few header elements that the node needs first, without reading the elements between them.

It walks over the top level of a data set (PS3.5 7.1) from length to length. It reads no pixels and no other values.
Every loop and buffer has a limit, because the bytes come from the network.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from struct import Struct, error

from miqa_node.errors import DataSetError

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

WINDOW_BYTES = 1 << 14
"""Most headers fit: a larger window costs time for every received image."""
MAX_INFLATED_BYTES = 1 << 26
MAX_VALUE_BYTES = 1 << 22
MAX_ELEMENTS = 1_000_000
MAX_DEPTH = 64

_UNDEFINED = 0xFFFFFFFF
_ZLIB = 0x78
"""First byte of a zlib stream with the usual window."""
_ITEM_END, _SEQUENCE_END = 0xFFFEE00D, 0xFFFEE0DD
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_IMPLICIT_LE = (True, "<")
"""Encoding of the items of a sequence with VR UN in every transfer syntax (PS3.5 6.2.2, note 2)."""
_VRS = _LONG_VRS | frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split(),
)

Read = Callable[[int, int], bytes]
"""``read(offset, count)``: up to ``count`` bytes of the data set's file, fewer only at its end."""


@dataclass(frozen=True, slots=True)
class Element:
    """A raw element: ``vr`` is empty in implicit VR; ``value`` are its bytes in the data set's byte order."""

    vr: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Elements:
    """Elements by tag, and how they are encoded.

    ``pixel_tag`` is the tag at which the walk stopped, 0 when the data set has no pixels; ``pixel_offset`` is where
    that element begins (in the inflated data set if it is deflated). ``cut_off`` if an element reaches beyond the file.
    ``transfer_syntax_uid`` is the declared one, or the one that the first bytes suggest.
    """

    by_tag: dict[int, Element]
    transfer_syntax_uid: str
    implicit: bool
    big_endian: bool
    pixel_tag: int
    pixel_offset: int
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class Encoding:
    """Start of the data set in its file, and the encoding of its elements."""

    transfer_syntax_uid: str
    offset: int
    implicit: bool
    big_endian: bool


def read_elements(path: Path, tags: AbstractSet[int]) -> Elements:
    """The top-level elements of some tags (0xGGGGEEEE) of a DICOM file, with or without PS3.10 header.

    Raises
    ------
    DataSetError
        The file is not DICOM, or it ends or is damaged before any of the elements.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        read = _reading(fd)
        elements: dict[int, Element] = {}
        encoding = find_encoding(read, elements, tags)
        if encoding.transfer_syntax_uid == DEFLATED_LE:
            read = _inflating(read, encoding.offset)
            encoding = Encoding(DEFLATED_LE, 0, implicit=False, big_endian=False)
        pixel_tag, pixel_offset = _walk(read, encoding, tags, elements)
    except error as broken:
        raise DataSetError(_NOT_DICOM) from broken
    finally:
        os.close(fd)
    if not elements:
        raise DataSetError(_NOT_DICOM)
    return Elements(
        by_tag=elements,
        transfer_syntax_uid=encoding.transfer_syntax_uid,
        implicit=encoding.implicit,
        big_endian=encoding.big_endian,
        pixel_tag=pixel_tag,
        pixel_offset=pixel_offset if pixel_tag else 0,
        cut_off=not pixel_tag and encoding.transfer_syntax_uid != DEFLATED_LE and pixel_offset > path.stat().st_size,
    )


def _reading(fd: int) -> Read:
    """Read from a file, of which the first bytes are read once: its PS3.10 header has many short elements."""
    start = os.pread(fd, WINDOW_BYTES, 0)

    def read(offset: int, count: int) -> bytes:
        end = offset + count
        return start[offset:end] if end <= len(start) else os.pread(fd, count, offset)

    return read


@dataclass(frozen=True, slots=True)
class InflatedHead:
    """The inflated bytes of a deflated data set before its pixels; ``pixel_tag`` is 0 if there are no pixels."""

    data: bytes
    pixel_tag: int


def inflate_head(path: Path) -> InflatedHead | None:
    """Inflate a file's data set up to its pixels; None if it is not deflated.

    Raises
    ------
    DataSetError
        The data set is damaged, or longer than MAX_INFLATED_BYTES before its pixels.
    """
    with path.open("rb") as file:
        read = _inflating_file(file.fileno(), MAX_INFLATED_BYTES)
        if read is None:
            return None
        try:
            pixel_tag, end = _walk(read, Encoding(DEFLATED_LE, 0, implicit=False, big_endian=False), frozenset(), {})
        except error as broken:
            raise DataSetError(_NOT_DICOM) from broken
        return InflatedHead(read(0, end if pixel_tag else 2 * MAX_INFLATED_BYTES), pixel_tag)


def inflate_value(path: Path, offset: int) -> tuple[str, bytes]:
    """VR and value of the element at ``offset`` of a deflated data set, without a limit on its length."""
    with path.open("rb") as file:
        read = _inflating_file(file.fileno(), sys.maxsize)
        if read is None:
            raise DataSetError(_NOT_DICOM)
        _, vr, length, size = element_head(read(offset, 12).ljust(12, b"\0"), implicit=False, order="<")
        return vr, b"" if length == _UNDEFINED else read(offset + size, length)


def _inflating_file(fd: int, most_bytes: int) -> Read | None:
    """Read from the deflated data set of a file; None if it is not deflated."""
    read = _reading(fd)
    try:
        encoding = find_encoding(read)
    except error:
        return None
    return _inflating(read, encoding.offset, most_bytes) if encoding.transfer_syntax_uid == DEFLATED_LE else None


def peek_elements(head: bytes, tags: AbstractSet[int]) -> tuple[Encoding, dict[int, Element]]:
    """Encoding, and elements of some tags, of a DICOM file of which only the beginning may be present.

    Raises
    ------
    DataSetError
        The file is not DICOM.
    """

    def read(offset: int, count: int) -> bytes:
        return head[offset : offset + count]

    elements: dict[int, Element] = {}
    try:
        encoding = find_encoding(read, elements, tags)
        if encoding.transfer_syntax_uid == DEFLATED_LE:
            body = Encoding(DEFLATED_LE, 0, implicit=False, big_endian=False)
            _walk(_inflating(read, encoding.offset), body, tags, elements)
        else:
            _walk(read, encoding, tags, elements)
    except (error, DataSetError) as broken:
        if not elements:
            raise DataSetError(_NOT_DICOM) from broken
    return encoding, elements


def first_item(value: bytes, tags: AbstractSet[int], *, implicit: bool, big_endian: bool) -> dict[int, Element]:
    """The elements of some tags in the first item of a sequence's value, not those of sequences within it."""
    length = int.from_bytes(value[4:8], "big" if big_endian else "little")
    item = value[8:] if length == _UNDEFINED else value[8 : 8 + length]
    elements: dict[int, Element] = {}
    with suppress(error, DataSetError):
        _walk(lambda at, count: item[at : at + count], Encoding("", 0, implicit, big_endian), tags, elements)
    return elements


_NOT_DICOM = "Not a DICOM data set: no element of a DICOM header can be read from it. Send the original DICOM file."


def find_encoding(
    read: Read, by_tag: dict[int, Element] | None = None, tags: AbstractSet[int] = frozenset()
) -> Encoding:
    """Start and encoding of the data set, even if parts of the PS3.10 header are missing.

    The form of the first element takes precedence over the declared syntax, because some writers declare one value
    representation and write the other. Elements of group 2 are added to ``by_tag``.
    """
    head = read(0, 132)
    offset = 132 if head[128:132] == b"DICM" else 4 if head[:4] == b"DICM" else 0
    declared = ""
    if read(offset, 2) == b"\x02\x00":
        meta: dict[int, Element] = {} if by_tag is None else by_tag
        explicit = read(offset + 4, 2) in _VRS
        start = Encoding("", offset, implicit=not explicit, big_endian=False)
        offset = _walk_meta(read, start, tags | {0x00020010}, meta)
        syntax = meta.get(0x00020010)
        declared = syntax.value.decode("ascii", "replace").strip(" \0") if syntax else ""
    first = read(offset, 8)
    if declared == DEFLATED_LE:
        inflated = first[:2] == b"\x08\x00" and first[4:6] in _VRS  # some writers declare it but do not deflate
        return Encoding(EXPLICIT_LE if inflated else declared, offset, implicit=False, big_endian=False)
    return _look_at_first_element(first, offset, declared)


def _look_at_first_element(first: bytes, offset: int, declared: str) -> Encoding:
    explicit = first[4:6] in _VRS
    # A group number below 0x100 is common to all data sets, so its zero byte shows the byte order.
    big_endian = explicit and len(first) == 8 and first[0] == 0 and first[1] != 0
    if not first:
        explicit, big_endian = declared != IMPLICIT_LE, declared == EXPLICIT_BE
    guess = IMPLICIT_LE if not explicit else EXPLICIT_BE if big_endian else EXPLICIT_LE
    return Encoding(declared or guess, offset, implicit=not explicit, big_endian=big_endian)


def _walk_meta(read: Read, start: Encoding, tags: AbstractSet[int], by_tag: dict[int, Element]) -> int:
    """Read group 2 and return the offset after it; its length element is not trusted."""
    offset = start.offset
    for _ in range(64):
        head = read(offset, 12)
        if len(head) < 8 or head[:2] != b"\x02\x00":
            break
        tag, vr, length, size = element_head(head, implicit=start.implicit, order="<")
        if length > MAX_VALUE_BYTES:
            break
        if tag in tags:
            by_tag[tag] = Element(vr, read(offset + size, length))
        offset += size + length
    return offset


def _walk(read: Read, encoding: Encoding, tags: AbstractSet[int], by_tag: dict[int, Element]) -> tuple[int, int]:
    """Collect elements until the pixels or the end; return the pixel element's tag and offset, or zero and the end.

    This loop runs for every element of every received image, so it works on one window of bytes
    with local names and unpacks each element once.
    """
    order = ">" if encoding.big_endian else "<"
    unpack_short, unpack_long = Struct(order + "HH2sH").unpack_from, Struct(order + "L").unpack_from
    unpack_implicit = Struct(order + "HHL").unpack_from
    base, offset = encoding.offset, 0
    window = read(base, WINDOW_BYTES)
    size = len(window)
    for _ in range(MAX_ELEMENTS):
        if offset + 12 > size:
            base += offset
            offset = 0
            window = read(base, WINDOW_BYTES)
            size = len(window)
            if size < 8:
                return 0, base
        if encoding.implicit:
            group, number, length = unpack_implicit(window, offset)
            vr, head = b"", 8
        else:
            group, number, vr, length = unpack_short(window, offset)
            head = 8
            if vr in _LONG_VRS:
                length = unpack_long(window, offset + 8)[0]
                head = 12
            elif vr not in _VRS:  # some writers change to implicit VR within the data set
                length = unpack_long(window, offset + 4)[0]
                vr = b""
        tag = group << 16 | number
        if tag in PIXEL_TAGS:
            return int(tag), base + offset
        if tag in (_ITEM_END, _SEQUENCE_END):
            offset += 8
            continue
        if length == _UNDEFINED:
            within = _IMPLICIT_LE if vr == b"UN" else (encoding.implicit or not vr, order)
            end = _end_of_sequence(read, base + offset + head, *within)
            length = max(0, end - (base + offset + head))
        if tag in tags and length <= MAX_VALUE_BYTES and tag not in by_tag:
            at = offset + head
            value = window[at : at + length] if at + length <= size else read(base + at, length)
            by_tag[tag] = Element(vr.decode("ascii"), value)
        offset += head + length
        if offset > size:
            base += offset
            offset = size = 0
    return 0, base + offset


def _end_of_sequence(read: Read, offset: int, implicit: bool, order: str) -> int:
    """The offset after the delimiter of a sequence of undefined length whose items begin at ``offset``.

    Items and sequences may nest: each undefined length opens a level and each delimiter closes one (PS3.5 7.5).
    Items of known length, such as the fragments of an icon's pixels, are skipped.
    """
    levels = [(implicit, order)]
    base, window = offset, read(offset, WINDOW_BYTES)
    for _ in range(MAX_ELEMENTS):
        at = offset - base
        if not 0 <= at <= len(window) - 12:
            base, at, window = offset, 0, read(offset, WINDOW_BYTES)
            if len(window) < 8:
                return offset + 8  # beyond the end of the file: there is no delimiter
        implicit, order = levels[-1]
        tag, vr, length, size = element_head(window[at : at + 12].ljust(12, b"\0"), implicit=implicit, order=order)
        offset += size
        if tag in (_ITEM_END, _SEQUENCE_END):
            levels.pop()
            if not levels:
                return offset
        elif length != _UNDEFINED:
            offset += length
        elif len(levels) == MAX_DEPTH:
            raise DataSetError(
                "Sequences nest deeper than {max_depth} levels. The data set is broken.", max_depth=MAX_DEPTH
            )
        else:
            levels.append(_IMPLICIT_LE if vr == "UN" else (implicit, order))
    raise DataSetError(
        "A sequence holds more than {max_elements} elements. The data set is broken.", max_elements=MAX_ELEMENTS
    )


def element_head(head: bytes, *, implicit: bool, order: str) -> tuple[int, str, int, int]:
    """(tag, VR, length, size of the head in bytes) of the element that starts with ``head``."""
    group, number, vr, length = Struct(order + "HH2sH").unpack_from(head)
    tag = group << 16 | number
    if implicit or vr not in _VRS:
        return tag, "", Struct(order + "L").unpack_from(head, 4)[0], 8
    if vr in _LONG_VRS:
        return tag, vr.decode("ascii"), Struct(order + "L").unpack_from(head, 8)[0], 12
    return tag, vr.decode("ascii"), length, 8


def _inflating(read: Read, offset: int, most_bytes: int = MAX_INFLATED_BYTES) -> Read:
    """Read from the deflated data set at ``offset`` (PS3.5 A.5), inflating only what is requested and allowed."""
    head = read(offset, 2)
    # A deflated data set has no zlib header (RFC 1950), but some writers add one.
    wrapped = len(head) == 2 and head[0] == _ZLIB and int.from_bytes(head) % 31 == 0
    inflater = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
    inflated = bytearray()
    consumed = offset

    def read_inflated(start: int, count: int) -> bytes:
        nonlocal consumed
        while len(inflated) < start + count and not inflater.eof:
            if len(inflated) > most_bytes:
                raise DataSetError("The deflated header is larger than {most_bytes} bytes.", most_bytes=most_bytes)
            chunk = inflater.unconsumed_tail or read(consumed, WINDOW_BYTES)
            if not inflater.unconsumed_tail:
                consumed += len(chunk)
            if not chunk:
                break
            try:
                inflated.extend(inflater.decompress(chunk, 1 << 20))
            except zlib.error as broken:
                raise DataSetError("The deflated data set cannot be inflated: it is damaged.") from broken
        return bytes(inflated[start : start + count])

    return read_inflated
