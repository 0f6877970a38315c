"""Content items of documents (PS3.3 C.17.3) as lightweight objects with their own encoder.

A report has hundreds of items. As data sets, they take a fifth of a second to build, write and read back, more than the
networks need to judge the image.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from pydicom.dataelem import DataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import Tag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, MAX_VALUE_LEN, VR, format_number_as_ds

from miqa_node.domain.codes import Code
from miqa_node.imaging.spelling import spelled
from miqa_node.report.elements import item_bytes

CodeSets = tuple[str, ...]
"""Character sets from :func:`miqa_node.report.text.fitting_sets`."""

_SHORT = struct.Struct("<HH2sH")
_LONG = struct.Struct("<HH2sHL")
_SHORT_CODE = 16
_MAX_SHORT_BYTES = 0xFFFF


class Relationship(StrEnum):
    """The relationship of an item to its parent (PS3.3 C.17.3.2.4)."""

    CONTAINS = "CONTAINS"
    HAS_CONCEPT_MOD = "HAS CONCEPT MOD"
    HAS_OBS_CONTEXT = "HAS OBS CONTEXT"
    HAS_ACQ_CONTEXT = "HAS ACQ CONTEXT"
    INFERRED_FROM = "INFERRED FROM"
    SELECTED_FROM = "SELECTED FROM"


@dataclass(slots=True)
class ContentItem:
    """One item with its children. It has at most one of ``text``, ``code`` and ``number`` (value, unit).

    ``reference`` and ``graphic`` are encoded elements before and after all others.
    """

    value_type: str
    name: Code | None
    relationship: Relationship
    children: list[ContentItem] = field(default_factory=list)
    text: str = ""
    code: Code | None = None
    number: tuple[float, Code] | None = None
    template: str = ""
    reference: bytes = b""
    graphic: bytes = b""


def text_item(name: Code, text: str, relationship: Relationship = Relationship.CONTAINS) -> ContentItem:
    """TEXT."""
    return ContentItem("TEXT", name, relationship, text=text)


def code_item(name: Code, code: Code, relationship: Relationship = Relationship.CONTAINS) -> ContentItem:
    """CODE."""
    return ContentItem("CODE", name, relationship, code=code)


def uid_item(name: Code, uid: str, relationship: Relationship) -> ContentItem:
    """UIDREF."""
    return ContentItem("UIDREF", name, relationship, text=uid)


def number_item(
    name: Code, number: float, unit: Code, relationship: Relationship = Relationship.CONTAINS
) -> ContentItem:
    """NUM; an integer is written without a floating point value."""
    return ContentItem("NUM", name, relationship, number=(number, unit))


def container(
    name: Code, children: Iterable[ContentItem], relationship: Relationship = Relationship.CONTAINS, template: str = ""
) -> ContentItem:
    """CONTAINER with continuous content."""
    return ContentItem("CONTAINER", name, relationship, list(children), template=template)


def reference_item(
    value_type: str, name: Code | None, sop_class_uid: str, sop_instance_uid: str, relationship: Relationship,
    frames: Sequence[int] | None = None,
) -> ContentItem:  # fmt: skip
    """IMAGE or COMPOSITE: an instance, or some of its frames, counted from 1."""
    parts = _bytes(0x0008, 0x1150, "UI", sop_class_uid.encode()) + _bytes(
        0x0008, 0x1155, "UI", sop_instance_uid.encode()
    )
    if frames is not None:
        parts += _bytes(0x0008, 0x1160, "IS", "\\".join(map(str, frames)).encode())
    return ContentItem(value_type, name, relationship, reference=_bytes(0x0008, 0x1199, "SQ", item_bytes(parts)))


def region_item(
    name: Code, graphic_type: str, points: Sequence[float], relationship: Relationship, image: ContentItem
) -> ContentItem:
    """SCOORD: ``points`` are column, row, column, row … in the frame of the image from which it was selected."""
    data = struct.pack(f"<{len(points)}f", *points)
    graphic = _bytes(0x0070, 0x0022, "FL", data) + _bytes(0x0070, 0x0023, "CS", graphic_type.encode())
    return ContentItem("SCOORD", name, relationship, [image], graphic=graphic)


def texts_of(items: Iterable[ContentItem]) -> Iterator[str]:
    """All texts that depend on the character set."""
    for item in items:
        yield item.text
        for code in _codes(item):
            yield from (code.value, code.scheme, code.meaning)
        yield from texts_of(item.children)


def spell_items(items: Iterable[ContentItem]) -> None:
    """Replace non-ASCII characters in all texts."""
    for item in items:
        item.text = spelled(item.text)
        item.name, item.code = _spelled(item.name), _spelled(item.code)
        if item.number is not None:
            item.number = (item.number[0], _spelled(item.number[1]) or item.number[1])
        spell_items(item.children)


def encode_items(items: Iterable[ContentItem], sets: CodeSets) -> bytes:
    """The value of a Content Sequence as Explicit VR Little Endian, its texts in these character sets."""
    return b"".join(item_bytes(_item(item, sets)) for item in items)


def _item(item: ContentItem, sets: CodeSets) -> bytes:
    parts = [item.reference, _head(item.relationship, item.value_type)]
    if item.name is not None:
        parts.append(_code_sequence(0x0040, 0xA043, item.name, sets))
    if item.value_type == "CONTAINER":
        parts.append(_bytes(0x0040, 0xA050, "CS", b"CONTINUOUS"))
    elif item.value_type == "PNAME":
        parts.append(_text(0x0040, 0xA123, "PN", item.text, sets))
    elif item.value_type == "UIDREF":
        parts.append(_bytes(0x0040, 0xA124, "UI", item.text.encode("ascii")))
    elif item.value_type == "TEXT":
        parts.append(_text(0x0040, 0xA160, "UT", item.text, sets))
    if item.code is not None:
        parts.append(_code_sequence(0x0040, 0xA168, item.code, sets))
    if item.number is not None:
        parts.append(_number(*item.number, sets))
    if item.template:
        parts.append(_template(item.template))
    if item.children:
        parts.append(_bytes(0x0040, 0xA730, "SQ", encode_items(item.children, sets)))
    parts.append(item.graphic)
    return b"".join(parts)


@lru_cache(maxsize=64)
def _head(relationship: str, value_type: str) -> bytes:
    return _bytes(0x0040, 0xA010, "CS", relationship.encode()) + _bytes(0x0040, 0xA040, "CS", value_type.encode())


@lru_cache(maxsize=16)
def _template(identifier: str) -> bytes:
    item = _bytes(0x0008, 0x0105, "CS", b"DCMR") + _bytes(0x0040, 0xDB00, "CS", identifier.encode())
    return _bytes(0x0040, 0xA504, "SQ", item_bytes(item))


def _number(value: float, unit: Code, sets: CodeSets) -> bytes:
    floating = _bytes(0x0040, 0xA161, "FD", struct.pack("<d", value)) if isinstance(value, float) else b""
    plain = str(float(value))
    if len(plain) > MAX_VALUE_LEN[VR.DS]:
        plain = format_number_as_ds(float(value))
    item = _code_sequence(0x0040, 0x08EA, unit, sets) + floating + _bytes(0x0040, 0xA30A, "DS", plain.encode())
    return _bytes(0x0040, 0xA300, "SQ", item_bytes(item))


@lru_cache(maxsize=4096)
def _code_sequence(group: int, element: int, code: Code, sets: CodeSets) -> bytes:
    """One item (PS3.3 8.8); a long value has a separate element, after the others."""
    long = len(code.value) > _SHORT_CODE
    parts = [
        b"" if long else _text(0x0008, 0x0100, "SH", code.value, sets),
        _text(0x0008, 0x0102, "SH", code.scheme, sets),
        _text(0x0008, 0x0104, "LO", code.meaning, sets),
    ]
    if long:
        is_urn = code.value.startswith("urn") or "://" in code.value
        parts.append(_text(0x0008, 0x0120 if is_urn else 0x0119, "UR" if is_urn else "UC", code.value, sets))
    return _bytes(group, element, "SQ", item_bytes(b"".join(parts)))


def _text(group: int, element: int, vr: str, text: str, sets: CodeSets) -> bytes:
    if text.isascii():
        return _bytes(group, element, vr, text.encode("ascii"))
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_data_element(out, DataElement(Tag(group, element), vr, text), list(sets))
    return out.getvalue()


def _bytes(group: int, element: int, vr: str, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr == "UI" else b" "
    if vr not in EXPLICIT_VR_LENGTH_32 and len(value) > _MAX_SHORT_BYTES:
        vr = "UN"  # PS3.5 6.2.2: its length has four bytes
    if vr in EXPLICIT_VR_LENGTH_32:
        return _LONG.pack(group, element, vr.encode(), 0, len(value)) + value
    return _SHORT.pack(group, element, vr.encode(), len(value)) + value


def _codes(item: ContentItem) -> Iterator[Code]:
    unit = None if item.number is None else item.number[1]
    yield from (code for code in (item.name, item.code, unit) if code is not None)


def _spelled(code: Code | None) -> Code | None:
    return None if code is None else Code(spelled(code.value), spelled(code.scheme), spelled(code.meaning))
