"""Converts a report to a lower SOP class for a destination that does not accept Comprehensive 3D SR.

Down to Enhanced SR the content is unchanged: TID 1500 does not fix the SOP class, and the node's reports use only value
types and relationships of all three (PS3.3 A.35.13.3, A.35.3.3, A.35.2.3). Only class and instance UID change. Basic
Text SR has neither numbers nor coordinates (A.35.1.3): numbers become text, a region becomes its image, and no template
is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from io import BytesIO

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag

from miqa_node.core.domain.implementation import made_by, version_of
from miqa_node.dicom.bytes.charsets import ASCII, declared_sets
from miqa_node.errors import ReportError
from miqa_node.stages.report.elements import Element, raw_element
from miqa_node.stages.report.outputs import sr
from miqa_node.stages.report.text import fitting_sets
from miqa_node.stages.report.uids import derive_uid
from miqa_node.stages.report.write import encode

COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
ENHANCED = "1.2.840.10008.5.1.4.1.1.88.22"
BASIC_TEXT = "1.2.840.10008.5.1.4.1.1.88.11"
NEXT_LOWER = {sr.SOP_CLASS_UID: COMPREHENSIVE, COMPREHENSIVE: ENHANCED, ENHANCED: BASIC_TEXT}

# Enhanced SR (PS3.3 table A.35.2-2): what a value type may contain by which relationship.
_PLAIN = frozenset({"TEXT", "CODE", "NUM", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME"})
_REFERENCES = frozenset({"IMAGE", "COMPOSITE", "WAVEFORM", "SCOORD", "TCOORD"})
_Table = Mapping[str, tuple[AbstractSet[str], AbstractSet[str]]]
_ALLOWED: _Table = {
    "CONTAINS": ({"CONTAINER"}, _PLAIN | _REFERENCES | {"CONTAINER"}),
    "HAS OBS CONTEXT": ({"CONTAINER"}, _PLAIN | {"COMPOSITE"}),
    "HAS ACQ CONTEXT": ({"CONTAINER", "IMAGE", "WAVEFORM", "COMPOSITE", "NUM"}, _PLAIN),
    "HAS CONCEPT MOD": (_PLAIN | _REFERENCES | {"CONTAINER"}, {"TEXT", "CODE"}),
    "HAS PROPERTIES": ({"TEXT", "CODE", "NUM"}, _PLAIN | _REFERENCES),
    "INFERRED FROM": ({"TEXT", "CODE", "NUM"}, _PLAIN | _REFERENCES),
    "SELECTED FROM": ({"SCOORD", "TCOORD"}, {"IMAGE", "WAVEFORM", "SCOORD"}),
}
# Basic Text SR (table A.35.1-2)
_WORDS = _PLAIN - {"NUM"}
_OBJECTS = frozenset({"IMAGE", "COMPOSITE", "WAVEFORM"})
_ALLOWED_IN_TEXT: _Table = {
    "CONTAINS": ({"CONTAINER"}, _WORDS | _OBJECTS | {"CONTAINER"}),
    "HAS OBS CONTEXT": ({"CONTAINER"}, _WORDS | {"COMPOSITE"}),
    "HAS ACQ CONTEXT": ({"CONTAINER", *_OBJECTS}, _WORDS),
    "HAS CONCEPT MOD": (_WORDS | _OBJECTS | {"CONTAINER"}, {"TEXT", "CODE"}),
    "HAS PROPERTIES": ({"TEXT", "PNAME"}, _WORDS | _OBJECTS),
    "INFERRED FROM": ({"TEXT"}, _WORDS | _OBJECTS),
}


def lower_class(data: bytes) -> tuple[str, str, bytes] | None:
    """(SOP class UID, SOP instance UID, file) of a report in the next lower class; None for any other object.

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
    # All other elements keep their encoding, including the patient's text in any character set.
    elements = {tag: _as_it_was(dataset.get_item(tag)) for tag in dataset.keys()}  # noqa: SIM118 - iterating decodes
    sets: tuple[str, ...] | None = ASCII
    if lower == BASIC_TEXT:
        own.ContentSequence = Items(one for item in dataset.get("ContentSequence", ()) for one in _in_words(item))
        elements.pop(Tag("ContentTemplateSequence"), None)
        sets = fitting_sets(own, declared_sets(dataset))
    if sets is None:
        raise ReportError("The report's text is not in its character set.")
    with made_by(version_of(str(dataset.file_meta.get("ImplementationVersionName", "")))):  # as all that it says
        file = encode(own, elements, character_sets=sets)
    table = _ALLOWED_IN_TEXT if lower == BASIC_TEXT else _ALLOWED
    if wrong := sorted(set(_not_allowed(dcmread(BytesIO(file)), table))):
        raise ReportError(
            "The report cannot be said in {sop_class}: {wrong}.",
            sop_class=own.SOPClassUID.name,
            wrong="; ".join(wrong[:5]),
        )
    return lower, str(own.SOPInstanceUID), file


def _in_words(item: Dataset) -> Iterator[Dataset]:
    """The content item for Basic Text SR: the same item, a text, or the image of a region."""
    children = [one for child in item.get("ContentSequence", ()) for one in _in_words(child)]
    if item.ValueType in ("SCOORD", "TCOORD"):
        for child in children:
            child.RelationshipType = item.RelationshipType
        yield from children
        return
    words = Dataset()
    for keyword in ("RelationshipType", "ValueType", "ConceptNameCodeSequence", *_VALUES.get(item.ValueType, ())):
        if keyword in item:
            words[keyword] = item[keyword]
    if item.ValueType == "NUM":
        words.ValueType, words.TextValue = "TEXT", _number_in_words(item)
    elif item.ValueType == "CODE" and any(_needs_text(child) for child in children):
        words.ValueType, words.TextValue = "TEXT", item.ConceptCodeSequence[0].CodeMeaning
        del words.ConceptCodeSequence
    if children:
        words.ContentSequence = Items(children)
    yield words


_VALUES = {
    "CONTAINER": ("ContinuityOfContent",),
    "TEXT": ("TextValue",),
    "CODE": ("ConceptCodeSequence",),
    "NUM": (),
    "DATETIME": ("DateTime",),
    "DATE": ("Date",),
    "TIME": ("Time",),
    "UIDREF": ("UID",),
    "PNAME": ("PersonName",),
    "IMAGE": ("ReferencedSOPSequence",),
    "COMPOSITE": ("ReferencedSOPSequence",),
    "WAVEFORM": ("ReferencedSOPSequence",),
    "SCOORD": (),
    "TCOORD": (),
}
"""The keywords of a content item's value, by value type."""


def _needs_text(child: Dataset) -> bool:
    return child.RelationshipType in ("HAS PROPERTIES", "INFERRED FROM")


def _number_in_words(item: Dataset) -> str:
    if not item.get("MeasuredValueSequence"):
        qualifiers = item.get("NumericValueQualifierCodeSequence")
        return str(qualifiers[0].CodeMeaning) if qualifiers else "no value"
    measured = item.MeasuredValueSequence[0]
    unit = measured.MeasurementUnitsCodeSequence[0]
    return f"{measured.NumericValue} {unit.CodeValue}" if unit.CodeValue != "1" else str(measured.NumericValue)


def _as_it_was(element: Element) -> Element:
    if isinstance(element, RawDataElement) and element.value is None:  # an empty element that has not been decoded
        return raw_element(element.tag, str(element.VR), b"")
    return element


def _not_allowed(item: Dataset, table: _Table) -> Iterator[str]:
    for child in item.get("ContentSequence", ()):
        if "ReferencedContentItemIdentifier" in child:
            yield "an item refers to another by number"
            continue
        parents, children = table.get(child.RelationshipType, ((), ()))
        if item.ValueType not in parents or child.ValueType not in children:
            yield f"{item.ValueType} {child.RelationshipType} {child.ValueType}"
        yield from _not_allowed(child, table)
