"""Content items of documents (PS3.3 C.17.3) as lightweight objects with their own encoder.

A report has hundreds of items. As data sets, they take a fifth of a second to build, write and read back, more than the
networks need to judge the image.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from pydicom.valuerep import MAX_VALUE_LEN, VR, format_number_as_ds

from miqa_node.core.domain.codes import Code
from miqa_node.dicom.bytes.spelling import spelled
from miqa_node.stages.report.elements import element_bytes, item_bytes, text_bytes

CodeSets = tuple[str, ...]
"""Character sets from :func:`miqa_node.stages.report.text.fitting_sets`."""

_SHORT_CODE = 16


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
    """NUM."""
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
    reference = _reference(sop_class_uid, sop_instance_uid, None if frames is None else tuple(frames))
    return ContentItem(value_type, name, relationship, reference=reference)


def region_item(
    name: Code, graphic_type: str, points: Sequence[float], relationship: Relationship, image: ContentItem
) -> ContentItem:
    """SCOORD: ``points`` are column, row, column, row … in the frame of the image from which it was selected."""
    data = struct.pack(f"<{len(points)}f", *points)
    graphic = element_bytes(0x00700022, "FL", data) + element_bytes(0x00700023, "CS", graphic_type.encode())
    return ContentItem("SCOORD", name, relationship, [image], graphic=graphic)


def texts_of(items: Iterable[ContentItem]) -> list[str]:
    """All texts that depend on the character set."""
    texts: list[str] = []
    for item in items:
        texts.append(item.text)
        for code in (item.name, item.code, None if item.number is None else item.number[1]):
            if code is not None:
                texts += (code.value, code.scheme, code.meaning)
        texts += texts_of(item.children)
    return texts


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
        parts.append(_code_sequence(0x0040A043, item.name, sets))
    if item.value_type == "CONTAINER":
        parts.append(element_bytes(0x0040A050, "CS", b"CONTINUOUS"))
    elif item.value_type == "PNAME":
        parts.append(text_bytes(0x0040A123, "PN", item.text, sets))
    elif item.value_type == "UIDREF":
        parts.append(element_bytes(0x0040A124, "UI", item.text.encode("ascii")))
    elif item.value_type == "TEXT":
        parts.append(text_bytes(0x0040A160, "UT", item.text, sets))
    if item.code is not None:
        parts.append(_code_sequence(0x0040A168, item.code, sets))
    if item.number is not None:
        parts.append(_number(*item.number, sets))
    if item.template:
        parts.append(_template(item.template))
    if item.children:
        parts.append(element_bytes(0x0040A730, "SQ", encode_items(item.children, sets)))
    parts.append(item.graphic)
    return b"".join(parts)


@lru_cache(maxsize=64)
def _reference(sop_class_uid: str, sop_instance_uid: str, frames: tuple[int, ...] | None) -> bytes:
    """Cached, because most groups of a report refer to the same image."""
    parts = element_bytes(0x00081150, "UI", sop_class_uid.encode())
    parts += element_bytes(0x00081155, "UI", sop_instance_uid.encode())
    if frames is not None:
        parts += element_bytes(0x00081160, "IS", "\\".join(map(str, frames)).encode())
    return element_bytes(0x00081199, "SQ", item_bytes(parts))


@lru_cache(maxsize=64)
def _head(relationship: str, value_type: str) -> bytes:
    return element_bytes(0x0040A010, "CS", relationship.encode()) + element_bytes(0x0040A040, "CS", value_type.encode())


@lru_cache(maxsize=16)
def _template(identifier: str) -> bytes:
    item = element_bytes(0x00080105, "CS", b"DCMR") + element_bytes(0x0040DB00, "CS", identifier.encode())
    return element_bytes(0x0040A504, "SQ", item_bytes(item))


def _number(value: float, unit: Code, sets: CodeSets) -> bytes:
    plain = str(float(value))
    if len(plain) > MAX_VALUE_LEN[VR.DS]:
        plain = format_number_as_ds(float(value))
    # Type 1C: only where the text has too few digits.
    floating = element_bytes(0x0040A161, "FD", struct.pack("<d", value)) if float(plain) != value else b""
    item = _code_sequence(0x004008EA, unit, sets) + floating + element_bytes(0x0040A30A, "DS", plain.encode())
    return element_bytes(0x0040A300, "SQ", item_bytes(item))


@lru_cache(maxsize=4096)
def _code_sequence(tag: int, code: Code, sets: CodeSets) -> bytes:
    """One item (PS3.3 8.8); a long value has a separate element, after the others."""
    long = len(code.value) > _SHORT_CODE
    parts = [
        b"" if long else text_bytes(0x00080100, "SH", code.value, sets),
        text_bytes(0x00080102, "SH", code.scheme, sets),
        text_bytes(0x00080104, "LO", code.meaning, sets),
    ]
    if long:
        is_urn = code.value.startswith("urn") or "://" in code.value
        parts.append(text_bytes(0x00080120 if is_urn else 0x00080119, "UR" if is_urn else "UC", code.value, sets))
    return element_bytes(tag, "SQ", item_bytes(b"".join(parts)))


def _spelled(code: Code | None) -> Code | None:
    return None if code is None else Code(spelled(code.value), spelled(code.scheme), spelled(code.meaning))
