"""Encodes a result as a DICOM file (PS3.10); the same data set gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRLittleEndian

from miqa_node.core.domain.implementation import (
    IMPLEMENTATION_CLASS_UID,
    STATED_VERSION,
    implementation_version_name,
)
from miqa_node.dicom.bytes.charsets import ASCII
from miqa_node.stages.report.content_items import ContentItem, encode_items
from miqa_node.stages.report.elements import Element, element_bytes, elements_of, encode_elements, raw_element
from miqa_node.stages.report.text import phrase

_CONTENT = Tag("ContentSequence")
_NOT_IN_CODES = re.compile("[^A-Z0-9 _]")


def encode(
    own: Dataset,
    inherited: Mapping[BaseTag, Element],
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
    character_sets: tuple[str, ...] = ASCII,
    content: Sequence[ContentItem] = (),
) -> bytes:
    """The complete file, with ``content`` as its Content Sequence if it has any.

    ``character_sets`` must support the text of both; ``report.inherit.inherit`` chooses them.
    """
    elements: dict[BaseTag, Element] = {**inherited, **elements_of(own)}
    if content:
        elements[_CONTENT] = raw_element(_CONTENT, "SQ", encode_items(content, character_sets))
    return b"\0" * 128 + b"DICM" + _file_meta(own, transfer_syntax_uid) + encode_elements(elements, character_sets)


def code_string(text: str) -> str:
    """``text`` as a valid Code String (PS3.5 6.2); some devices write forbidden characters.

    >>> code_string("jpeg-baseline")
    'JPEG_BASELINE'
    """
    return _NOT_IN_CODES.sub("_", phrase(text, 16).upper())


def _file_meta(own: Dataset, transfer_syntax_uid: str) -> bytes:
    """File Meta Information (PS3.10 7.1)."""
    meta = element_bytes(0x00020001, "OB", b"\0\1")
    meta += element_bytes(0x00020002, "UI", own.SOPClassUID.encode())
    meta += element_bytes(0x00020003, "UI", own.SOPInstanceUID.encode())
    meta += element_bytes(0x00020010, "UI", transfer_syntax_uid.encode())
    meta += element_bytes(0x00020012, "UI", IMPLEMENTATION_CLASS_UID.encode())
    meta += element_bytes(0x00020013, "SH", implementation_version_name(STATED_VERSION.get()).encode())
    return element_bytes(0x00020000, "UL", len(meta).to_bytes(4, "little")) + meta
