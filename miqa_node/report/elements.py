"""Encodes data elements as Explicit VR Little Endian (PS3.5 7.1.2) without decoding raw elements."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag

Element = DataElement | RawDataElement

_ITEM = struct.Struct("<HHL")


def encode_elements(elements: Mapping[BaseTag, Element], character_sets: Sequence[str] = ("ascii",)) -> bytes:
    """The elements in tag order; decoded text is encoded in these character sets, which must support it."""
    body = DicomBytesIO()
    body.is_little_endian, body.is_implicit_VR = True, False
    for tag in sorted(elements):
        write_data_element(body, elements[tag], list(character_sets))
    return body.getvalue()


def raw_element(tag: BaseTag, vr: str, value: bytes) -> RawDataElement:
    """An element with an already encoded value."""
    padding = b"\0" if vr in ("UI", "UN") else b" "
    padded = value + padding * (len(value) % 2)
    return RawDataElement(tag, vr, len(padded), padded, 0, is_implicit_VR=False, is_little_endian=True)


def raw_sequence(tag: BaseTag, items: Iterable[Mapping[BaseTag, Element]]) -> RawDataElement:
    """A sequence, encoded item by item, because pydicom's writer would decode its raw elements."""
    return raw_element(tag, "SQ", b"".join(item_bytes(encode_elements(item)) for item in items))


def item_bytes(elements: bytes) -> bytes:
    """One item of a sequence, from its encoded elements (PS3.5 7.5)."""
    return _ITEM.pack(0xFFFE, 0xE000, len(elements)) + elements
