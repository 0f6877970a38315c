"""Reads elements encoded as Explicit VR Little Endian (PS3.5 7.1.2) without creating data sets."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from pydicom.tag import Tag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR, STR_VR

_ELEMENT, _LENGTH = struct.Struct("<HH2sH").unpack_from, struct.Struct("<L").unpack_from
_ITEM = struct.Struct("<HHL").unpack_from
_HEADER = 8
_START, _START_BYTES = b"DICM\x02\0\0\0UL\x04\0", 128
"""After the preamble: the prefix, and the head of the element with the length of File Meta Information (PS3.10 7.1)."""
_UNDEFINED, _END = 0xFFFFFFFF, b"\xfe\xff\xdd\xe0\0\0\0\0"
_LONG_VRS = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_32)
_VRS = {vr.encode(): str(vr) for vr in STANDARD_VR}


class EncodedElement(NamedTuple):
    """An element with its undecoded value."""

    tag: int
    vr: str
    value: bytes


def elements_in(data: bytes) -> list[EncodedElement]:
    """The elements of an encoded data set or item; sequences are not entered.

    Raises
    ------
    ValueError
        It ends within an element, elements are not in order, a VR is unknown, or a length is undefined other than that
        of encapsulated pixels at the end.
    """
    result: list[EncodedElement] = []
    begin, end, last = 0, len(data), -1
    try:
        while begin < end:
            group, number, vr, length = _ELEMENT(data, begin)
            begin += _HEADER
            if vr in _LONG_VRS:
                length = _LENGTH(data, begin)[0]
                begin += 4
            if length == _UNDEFINED and vr == b"OB" and data.endswith(_END):
                length, end = end - len(_END) - begin, end - len(_END)
            if begin + length > end:
                raise ValueError("an element is longer than what it is in")
            tag = group << 16 | number
            if tag <= last or vr not in _VRS:
                raise ValueError("an element has an unknown VR or comes after one with a higher tag")
            result.append(EncodedElement(tag, _VRS[vr], data[begin : begin + length]))
            begin, last = begin + length, tag
    except struct.error as error:
        raise ValueError("a sequence or the file ends within an element") from error
    return result


def items_in(value: bytes) -> list[bytes]:
    """The items of a sequence's value (PS3.5 7.5).

    Raises
    ------
    ValueError
        It is not a sequence of whole items.
    """
    result: list[bytes] = []
    begin, end = 0, len(value)
    while begin < end:
        if begin + _HEADER > end:
            raise ValueError("a sequence ends within an item")
        group, number, length = _ITEM(value, begin)
        begin += _HEADER
        if (group, number) != (0xFFFE, 0xE000) or begin + length > end:
            raise ValueError("a sequence has something else than whole items")
        result.append(value[begin : begin + length])
        begin += length
    return result


class EncodedObject:
    """The elements of a file, with those of its File Meta Information, and the values that the checks need."""

    def __init__(self, data: bytes) -> None:
        if not data.startswith(_START, _START_BYTES):
            raise ValueError("it is not a DICOM file")
        begin = _START_BYTES + len(_START)
        end = begin + 4 + int.from_bytes(data[begin : begin + 4], "little")
        self.elements = {one.tag: one for one in (*elements_in(data[begin + 4 : end]), *elements_in(data[end:]))}

    def __contains__(self, keyword: str) -> bool:
        return tag_of(keyword) in self.elements

    def value(self, keyword: str) -> bytes:
        """The encoded value; empty if the element is absent."""
        element = self.elements.get(tag_of(keyword))
        return b"" if element is None else element.value

    def text(self, keyword: str) -> str:
        """An ASCII value."""
        return ascii_text(self.value(keyword))

    def number(self, keyword: str, default: int = 0) -> int:
        """An unsigned short, or an Integer String."""
        element = self.elements.get(tag_of(keyword))
        if element is None:
            return default
        return int(ascii_text(element.value)) if element.vr == "IS" else int.from_bytes(element.value, "little")

    def is_empty(self, keyword: str) -> bool:
        """Whether the element is absent, or has no value beside padding."""
        element = self.elements.get(tag_of(keyword))
        return element is None or not (element.value.strip(b" \0") if element.vr in STR_VR else element.value)


@lru_cache(maxsize=512)
def tag_of(keyword: str) -> int:
    """The tag of an attribute of the standard."""
    return int(Tag(keyword))


def ascii_text(value: bytes) -> str:
    """A value without its padding; characters beyond ASCII are replaced."""
    return value.decode("ascii", "replace").rstrip(" \0")
