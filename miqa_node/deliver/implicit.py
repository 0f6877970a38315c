"""Converts a data set of Explicit VR Little Endian to Implicit VR, which every storage SCP accepts (PS3.5 A.1).

Only the heads of the elements change. Values stay as they are encoded, in whatever character set, also where that is
wrong or unknown: patient and study leave the node byte for byte.
"""

from __future__ import annotations

import struct

from miqa_node.errors import DeliveryRefusedError
from miqa_node.imaging.elements import MAX_DEPTH, element_head

_HEAD = struct.Struct("<HHL")
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF


def as_implicit_vr(data_set: bytes) -> bytes:
    """The data set in Implicit VR Little Endian, sequences with their lengths.

    Raises
    ------
    DeliveryRefusedError
        It is damaged, nests too deep, or has a value of unknown type and length.
    """
    converted, _ = _elements(data_set, 0, len(data_set), 0)
    return converted


def _elements(data: bytes, at: int, end: int, depth: int) -> tuple[bytes, int]:
    """The elements up to ``end``, or to the delimiter of their item; (converted, position behind them)."""
    if depth > MAX_DEPTH:
        raise _damaged()
    out = bytearray()
    while at < end:
        tag, vr, length, at = _head(data, at, end)
        if tag == _ITEM_END:
            return bytes(out), at
        if vr == "SQ":
            value, at = _items(data, at, end if length == _UNDEFINED else at + length, depth)
        elif length == _UNDEFINED or at + length > end:
            raise _damaged()
        else:
            value, at = data[at : at + length], at + length
        out += _HEAD.pack(tag >> 16, tag & 0xFFFF, len(value)) + value
    return bytes(out), at


def _items(data: bytes, at: int, end: int, depth: int) -> tuple[bytes, int]:
    out = bytearray()
    while at < end:
        tag, _, length, at = _head(data, at, end)
        if tag == _SEQUENCE_END:
            return bytes(out), at
        if tag != _ITEM:
            raise _damaged()
        item, at = _elements(data, at, end if length == _UNDEFINED else at + length, depth + 1)
        out += _HEAD.pack(0xFFFE, 0xE000, len(item)) + item
    return bytes(out), at


def _head(data: bytes, at: int, end: int) -> tuple[int, str, int, int]:
    """(tag, VR, length, position of the value)."""
    if end > len(data) or at + 8 > end:
        raise _damaged()
    tag, vr, length, size = element_head(data[at : at + 12].ljust(12, b"\0"), implicit=False, order="<")
    return tag, vr, length, at + size


def _damaged() -> DeliveryRefusedError:
    return DeliveryRefusedError("The object cannot be converted to Implicit VR Little Endian.")
