"""Encodes a result as a DICOM file (PS3.10); the same data set gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from miqa_node.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.imaging.charsets import ASCII
from miqa_node.report.content_items import ContentItem, encode_items
from miqa_node.report.elements import Element, encode_elements, raw_element
from miqa_node.report.text import phrase

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
    elements: dict[BaseTag, Element] = {**inherited, **{element.tag: element for element in own}}
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
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(own.SOPClassUID)
    meta.MediaStorageSOPInstanceUID = UID(own.SOPInstanceUID)
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    out = DicomBytesIO()
    write_file_meta_info(out, meta, enforce_standard=True)
    return out.getvalue()
