"""Reads the elements of an encoded sequence at every depth without creating data sets."""

from __future__ import annotations

import struct
from typing import NamedTuple

from pydicom.datadict import keyword_for_tag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

_ELEMENT, _LENGTH = struct.Struct("<HH2sH"), struct.Struct("<L")
_ITEM_TAG, _ITEM_HEADER, _SHORT_HEADER, _LONG_HEADER = 0xFFFEE000, 8, 8, 12
_UNDEFINED = 0xFFFFFFFF
_LONG_VRS = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_32)


class UndefinedLengthError(ValueError):
    """A sequence or an item has an undefined length."""


class Leaf(NamedTuple):
    """An element other than a sequence; ``path`` has the tags of its enclosing sequences, then its own."""

    path: tuple[int, ...]
    vr: str
    value: bytes

    @property
    def name(self) -> str:
        """The keywords of its sequences, then its own."""
        return "/".join(map(keyword_for_tag, self.path))


def leaves(value: bytes, path: tuple[int, ...]) -> list[Leaf]:
    """The leaves of a sequence's value (Explicit VR Little Endian, PS3.5 7.5); the last tag of ``path`` is its own.

    Raises
    ------
    UndefinedLengthError
        A length is undefined.
    ValueError
        It is not a sequence of items.
    """
    result: list[Leaf] = []
    try:
        _items(value, 0, len(value), path, result)
    except struct.error as error:
        raise ValueError("a sequence ends within an element") from error
    return result


def _items(data: bytes, begin: int, end: int, path: tuple[int, ...], result: list[Leaf]) -> None:
    while begin < end:
        group, element, _, _ = _ELEMENT.unpack_from(data, begin)
        length = _defined(data, begin + 4)
        begin += _ITEM_HEADER
        if group << 16 | element != _ITEM_TAG or begin + length > end:
            raise ValueError("a sequence has something else than whole items")
        _elements(data, begin, begin + length, path, result)
        begin += length


def _elements(data: bytes, begin: int, end: int, path: tuple[int, ...], result: list[Leaf]) -> None:
    while begin < end:
        group, element, vr, length = _ELEMENT.unpack_from(data, begin)
        if vr in _LONG_VRS:
            length = _defined(data, begin + _SHORT_HEADER)
            begin += _LONG_HEADER
        else:
            begin += _SHORT_HEADER
        if begin + length > end:
            raise ValueError("an element is longer than its item")
        there = (*path, group << 16 | element)
        if vr == b"SQ":
            _items(data, begin, begin + length, there, result)
        else:
            result.append(Leaf(there, vr.decode("ascii"), data[begin : begin + length]))
        begin += length


def _defined(data: bytes, at: int) -> int:
    length: int = _LENGTH.unpack_from(data, at)[0]
    if length == _UNDEFINED:
        raise UndefinedLengthError("a length is undefined")
    return length
