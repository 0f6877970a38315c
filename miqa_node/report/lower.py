"""Converts a report to a lower SOP class, for a destination that does not take Comprehensive 3D SR.

The content stays as it is: TID 1500 leaves the SOP class open, and the node's reports keep to the value types
and relationships of all three (PS3.3 A.35.13.3, A.35.3.3, A.35.2.3). Only class and instance UID change.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from miqa_node.errors import ReportError
from miqa_node.report.elements import Element, raw_element
from miqa_node.report.outputs import sr
from miqa_node.report.uids import derive_uid
from miqa_node.report.write import encode

COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
ENHANCED = "1.2.840.10008.5.1.4.1.1.88.22"
NEXT_LOWER = {sr.SOP_CLASS_UID: COMPREHENSIVE, COMPREHENSIVE: ENHANCED}

# Enhanced SR, the narrowest (PS3.3 table A.35.2-2): what a value type may contain by which relationship.
_PLAIN = frozenset({"TEXT", "CODE", "NUM", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME"})
_REFERENCES = frozenset({"IMAGE", "COMPOSITE", "WAVEFORM", "SCOORD", "TCOORD"})
_ALLOWED = {
    "CONTAINS": ({"CONTAINER"}, _PLAIN | _REFERENCES | {"CONTAINER"}),
    "HAS OBS CONTEXT": ({"CONTAINER"}, _PLAIN | {"COMPOSITE"}),
    "HAS ACQ CONTEXT": ({"CONTAINER", "IMAGE", "WAVEFORM", "COMPOSITE", "NUM"}, _PLAIN),
    "HAS CONCEPT MOD": (_PLAIN | _REFERENCES | {"CONTAINER"}, {"TEXT", "CODE"}),
    "HAS PROPERTIES": ({"TEXT", "CODE", "NUM"}, _PLAIN | _REFERENCES),
    "INFERRED FROM": ({"TEXT", "CODE", "NUM"}, _PLAIN | _REFERENCES),
    "SELECTED FROM": ({"SCOORD", "TCOORD"}, {"IMAGE", "WAVEFORM", "SCOORD"}),
}


def lower_class(data: bytes) -> tuple[str, str, bytes] | None:
    """(SOP class UID, SOP instance UID, file) of a report in the next lower class; None for everything else.

    The same report gives the same object.

    Raises
    ------
    ReportError
        The content would not be valid there.
    """
    dataset = dcmread(BytesIO(data))
    lower = NEXT_LOWER.get(str(dataset.file_meta.MediaStorageSOPClassUID))
    if lower is None:
        return None
    own = Dataset()
    own.SOPClassUID = lower
    own.SOPInstanceUID = derive_uid(str(dataset.file_meta.MediaStorageSOPInstanceUID), lower)
    # Everything else stays as it was encoded, including the patient's text in any character set.
    file = encode(own, {tag: _as_it_was(element) for tag, element in dataset.items()})
    if wrong := sorted(set(_not_allowed(dcmread(BytesIO(file))))):
        raise ReportError(f"The report cannot be said in {own.SOPClassUID.name}: {'; '.join(wrong[:5])}.")
    return lower, str(own.SOPInstanceUID), file


def _as_it_was(element: Element) -> Element:
    if isinstance(element, RawDataElement) and element.value is None:  # an empty element that has not been decoded
        return raw_element(element.tag, str(element.VR), b"")
    return element


def _not_allowed(item: Dataset) -> Iterator[str]:
    for child in item.get("ContentSequence", ()):
        if "ReferencedContentItemIdentifier" in child:
            yield "an item refers to another by number"
            continue
        parents, children = _ALLOWED.get(child.RelationshipType, ((), ()))
        if item.ValueType not in parents or child.ValueType not in children:
            yield f"{item.ValueType} {child.RelationshipType} {child.ValueType}"
        yield from _not_allowed(child)
