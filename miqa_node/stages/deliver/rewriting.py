"""Rewrites a data set in Explicit VR Little Endian without decoding it, for a destination that requires another form.

In Implicit VR, which every storage SCP accepts (PS3.5 A.1), only the heads of the elements change: encoded values stay,
even if their character set is wrong or unknown. In another character set only text values change.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.charsets import recoder
from miqa_node.dicom.elements import MAX_DEPTH, element_head
from miqa_node.errors import DeliveryRefusedError

_IMPLICIT, _SHORT, _LONG = struct.Struct("<HHL"), struct.Struct("<HH2sH"), struct.Struct("<HH2sHL")
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_CHARACTER_SET, _PIXELS = 0x00080005, 0x7FE00000
_UNDEFINED = 0xFFFFFFFF


def as_implicit_vr(data_set: bytes) -> bytes:
    """The data set in Implicit VR Little Endian, sequences with their lengths.

    Raises
    ------
    DeliveryRefusedError
        The data set is damaged, nests too deep, or has a value of unknown type and length.
    """
    return _Rewriting(data_set, implicit=True).result()


def in_character_set(data_set: bytes, sets: Sequence[str]) -> bytes:
    """The data set with its text in these character sets, and declaring them; compressed pixels are unchanged.

    Raises
    ------
    UnicodeError
        A text violates its own character set, or the new sets lack a character.
    DeliveryRefusedError
        As :func:`as_implicit_vr`.
    """
    return _Rewriting(data_set, sets=tuple(sets)).result()


class _Rewriting:
    """The conversion of one data set to another form."""

    def __init__(self, data: bytes, *, implicit: bool = False, sets: tuple[str, ...] | None = None) -> None:
        self._data = data
        self._implicit = implicit
        self._sets = sets

    def result(self) -> bytes:
        converted, _ = self._elements(0, len(self._data), 0, ("",))
        return converted

    def _elements(self, at: int, end: int, depth: int, declared: tuple[str, ...]) -> tuple[bytes, int]:
        """Convert the elements up to ``end``, or to the delimiter of their item; (converted, position after them)."""
        if depth > MAX_DEPTH:
            raise _damaged()
        out = bytearray()
        declares = depth > 0 or self._sets is None  # items inherit the character set of the data set
        while at < end:
            tag, vr, length, value_at = self._head(at, end)
            if tag == _ITEM_END:
                return bytes(out), value_at
            if not declares and tag >= _CHARACTER_SET:
                out += self._element(_CHARACTER_SET, "CS", _even("\\".join(self._sets or ()).encode("ascii")))
                declares = True
            if self._sets is not None and depth == 0 and tag >= _PIXELS:
                return bytes(out) + self._data[at:end], end  # no text follows
            at = value_at
            if vr == "SQ":
                value, at = self._items(at, end if length == _UNDEFINED else at + length, depth, declared)
            elif length == _UNDEFINED or at + length > end:
                raise _damaged()
            else:
                value, at = self._data[at : at + length], at + length
                if self._sets is not None and tag == _CHARACTER_SET:
                    declared = tuple(one.strip() for one in value.decode("ascii").split("\\"))
                    continue
                value = self._text(vr, value, declared)
            out += self._element(tag, vr, value)
        return bytes(out), at

    def _items(self, at: int, end: int, depth: int, declared: tuple[str, ...]) -> tuple[bytes, int]:
        out = bytearray()
        while at < end:
            tag, _, length, at = self._head(at, end)
            if tag == _SEQUENCE_END:
                return bytes(out), at
            if tag != _ITEM:
                raise _damaged()
            item, at = self._elements(at, end if length == _UNDEFINED else at + length, depth + 1, declared)
            out += _IMPLICIT.pack(0xFFFE, 0xE000, len(item)) + item
        return bytes(out), at

    def _text(self, vr: str, value: bytes, declared: tuple[str, ...]) -> bytes:
        return value if self._sets is None else _even(recoder(declared, self._sets)(vr, value))

    def _element(self, tag: int, vr: str, value: bytes) -> bytes:
        group, element = tag >> 16, tag & 0xFFFF
        if self._implicit:
            return _IMPLICIT.pack(group, element, len(value)) + value
        if not vr:
            raise _damaged()
        if vr in EXPLICIT_VR_LENGTH_32:
            return _LONG.pack(group, element, vr.encode("ascii"), 0, len(value)) + value
        if len(value) > 0xFFFF:
            raise UnicodeError(Phrase("the text is too long in this character set"))
        return _SHORT.pack(group, element, vr.encode("ascii"), len(value)) + value

    def _head(self, at: int, end: int) -> tuple[int, str, int, int]:
        """(tag, VR, length, position of the value)."""
        data = self._data
        if end > len(data) or at + 8 > end:
            raise _damaged()
        tag, vr, length, size = element_head(data[at : at + 12].ljust(12, b"\0"), implicit=False, order="<")
        return tag, vr, length, at + size


def _even(value: bytes) -> bytes:
    return value + b" " * (len(value) % 2)


def _damaged() -> DeliveryRefusedError:
    return DeliveryRefusedError("The object cannot be converted to Implicit VR or other characters: it is damaged.")
