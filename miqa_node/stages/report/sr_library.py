"""Describes the source in the report's image library (PS3.16 TID 1600), as far as its header allows."""

from __future__ import annotations

from miqa_node.core.domain.codes import Code
from miqa_node.core.words import codes
from miqa_node.dicom.bytes.numbers import numbers
from miqa_node.stages.report.content_items import (
    ContentItem,
    Relationship,
    code_item,
    container,
    number_item,
    reference_item,
    text_item,
)
from miqa_node.stages.report.source import Source

_MODALITIES = {  # CID 29
    "CR": "Computed Radiography",
    "DX": "Digital Radiography",
    "IO": "Intra-oral Radiography",
    "MG": "Mammography",
    "PX": "Panoramic X-Ray",
    "RF": "Radiofluoroscopy",
    "RG": "Radiographic imaging",
    "XA": "X-Ray Angiography",
}
_ACQUISITION = Relationship.HAS_ACQ_CONTEXT


def image_library(source: Source) -> ContentItem | None:
    """The library with one entry; None if the header cannot fill its template.

    TID 1603 (projection radiography) requires orientation and spacing at the imager. Invented values would be worse
    than no entry, and TID 1500 allows omitting the library.
    """
    modality = _MODALITIES.get(source.modality)
    spacing = numbers(source.header, "ImagerPixelSpacing", 2)
    if spacing is None or min(spacing) <= 0.0:
        return None
    if modality is None or not source.has_pixels or not source.patient_orientation:
        return None
    row, column = source.patient_orientation
    entry = reference_item(
        "IMAGE", codes.SOURCE, source.sop_class_uid, source.sop_instance_uid, Relationship.CONTAINS
    )  # fmt: skip
    entry.children = [
        code_item(Code("121139", "DCM", "Modality"), Code(source.modality, "DCM", modality), _ACQUISITION),
        _number("110910", "Pixel Data Rows", source.rows, "{pixels}"),
        _number("110911", "Pixel Data Columns", source.columns, "{pixels}"),
        _text("111044", "Patient Orientation Row", row),
        _text("111043", "Patient Orientation Column", column),
        _number("111026", "Horizontal Pixel Spacing", spacing[1], "mm"),
        _number("111066", "Vertical Pixel Spacing", spacing[0], "mm"),
    ]
    return _container("111028", "Image Library", _container("126200", "Image Library Group", entry))


def _container(value: str, meaning: str, child: ContentItem) -> ContentItem:
    return container(Code(value, "DCM", meaning), [child])


def _number(value: str, meaning: str, number: float, unit: str) -> ContentItem:
    return number_item(Code(value, "DCM", meaning), number, codes.unit_code(unit), _ACQUISITION)


def _text(value: str, meaning: str, text: str) -> ContentItem:
    return text_item(Code(value, "DCM", meaning), text, _ACQUISITION)
