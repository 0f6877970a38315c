"""Writes headers in the DICOM JSON model (PS3.18 F.2), for DICOMweb."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.tag import BaseTag, Tag

from miqa_node.dicom.bytes.head import drop_unreadable

MAX_INLINE_BYTES = 1024
"""Length in bytes above which the JSON refers to a binary value as bulk data."""

Json = dict[str, Any]

STUDY = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "PatientName", "PatientID",
    "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID", "StudyDescription", "TimezoneOffsetFromUTC",
)  # fmt: skip
SERIES = (
    "Modality", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "TimezoneOffsetFromUTC",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "RequestAttributesSequence",
)  # fmt: skip
INSTANCE = (
    "SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Rows", "Columns", "BitsAllocated", "NumberOfFrames",
    "ContentDate", "ContentTime",
)  # fmt: skip


def attributes(ds: Dataset, keywords: Iterable[str | BaseTag]) -> Json:
    """The named attributes; absent ones are left out, and those that cannot be read."""
    values: Json = {}
    for keyword in keywords:
        tag = _tag(keyword)
        if tag in ds:
            with suppress(Exception):  # one damaged value must not keep all others from a client
                values |= _plain(Dataset({tag: ds[tag]}).to_json_dict(suppress_invalid_tags=True))
    values["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}  # JSON is UTF-8, whatever the object's character set
    return values


def metadata(ds: Dataset, address: str) -> Json:
    """Every attribute; long binary values by the BulkDataURI ``<address>/bulkdata/<tag>``, pixels by ``/frames``.

    Within sequences the path names each sequence and the place of the item, from 0. What cannot be read is left out.
    """
    drop_unreadable(ds)
    document = _plain(
        ds.to_json_dict(MAX_INLINE_BYTES, lambda element: f"{element.tag:08X}", suppress_invalid_tags=True)
    )
    _complete_addresses(document, f"{address}/bulkdata/")
    if ds.get("Rows") and ds.get("Columns") and ds.get("BitsAllocated"):
        document["7FE00010"] = {"vr": "OW", "BulkDataURI": f"{address}/frames"}
    document["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return document


def _plain(document: Json) -> Json:
    """As a client reads it; numbers that JSON does not have are null, as empty values are (PS3.18 F.2.5)."""
    plain: Json = json.loads(json.dumps(document), parse_constant=lambda _: None)
    return plain


def _complete_addresses(document: Json, prefix: str) -> None:
    for tag, element in document.items():
        if "BulkDataURI" in element:
            element["BulkDataURI"] = f"{prefix}{tag}"
        elif element.get("vr") == "SQ":
            for place, item in enumerate(element.get("Value", ())):
                _complete_addresses(item, f"{prefix}{tag}/{place}/")


def _tag(keyword: str | BaseTag) -> BaseTag:
    """The tag of a keyword; private attributes have none and are named by eight hexadecimal digits."""
    if isinstance(keyword, BaseTag):
        return keyword
    tag = tag_for_keyword(keyword)
    return Tag(keyword if tag is None else tag)
