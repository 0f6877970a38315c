"""Checks every object before it leaves the node: a PACS should never be the first to find a mistake.

These are quick checks of about a millisecond per object; third-party validators run in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple

from pydicom import config
from pydicom.datadict import keyword_for_tag
from pydicom.encaps import generate_frames
from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import STR_VR, validate_value

from miqa_node.core.domain.instance import can_name, is_uid
from miqa_node.dicom.bytes.charsets import ASCII, decoded_text
from miqa_node.errors import ReportError
from miqa_node.stages.report.encoded import EncodedObject, ascii_text, elements_in, items_in, tag_of
from miqa_node.stages.report.required import required
from miqa_node.stages.report.source import Source

_SHORT_ITEM_BYTES = 512
_REFERENCED_UID = tag_of("ReferencedSOPInstanceUID")
_EVIDENCE = tag_of("CurrentRequestedProcedureEvidenceSequence")
_REFERENCES = frozenset(
    tag_of(keyword)
    for keyword in (
        "ReferencedSeriesSequence",
        "ReferencedSOPSequence",
        "ReferencedInstanceSequence",
        "ReferencedImageSequence",
        "SourceImageSequence",
        "SourceInstanceSequence",
    )
)
_CONTENT = tag_of("ContentSequence")
_SYNTAXES = frozenset(AllTransferSyntaxes) - {
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
}
"""The transfer syntaxes in which elements are encoded as they are read here."""
_TEXT_VRS, _SINGLE_TEXT_VRS = frozenset(map(str, STR_VR)), frozenset({"LT", "ST", "UR", "UT"})
_OWN_UIDS = frozenset({tag_of("SOPInstanceUID"), tag_of("SeriesInstanceUID")})
"""UIDs made by the node; others may be the source's, in which ``dicom.relaxed_uids`` allows letters."""


class _Findings(NamedTuple):
    """Faults of an item's texts, and the instances to which it refers."""

    faults: tuple[str, ...]
    instances: tuple[str, ...]


def check_file(
    data: bytes,
    sop_class_uid: str,
    sop_instance_uid: str,
    sources: Sequence[Source],
    inherited: Container[int],
    character_sets: Sequence[str] = ASCII,
) -> None:
    """Read the file back and check it; ReportError lists its faults without any patient data.

    It must refer to one of ``sources``, images of one study.
    """
    try:
        made = EncodedObject(data)
        faults, instances = _values(made, inherited, tuple(character_sets))
        faults += [*_identity(made, sop_class_uid, sop_instance_uid), *_presence(made, sop_class_uid)]
        # The rest relies on what must be there.
        faults = faults or [*_references(made, instances, sources), *_pixels(made)]
    except ValueError as error:
        raise ReportError("A result cannot be read back: {error}.", error=error) from error
    if faults:
        raise ReportError("{modality} object: {faults}.", modality=made.text("Modality"), faults="; ".join(faults[:10]))


def _values(
    made: EncodedObject, inherited: Container[int], character_sets: tuple[str, ...]
) -> tuple[list[str], dict[int, tuple[str, ...]]]:
    """Faults of all texts, and the instances to which each sequence refers.

    Each text is checked against its VR (PS3.5 6.2). Inherited text is the source's and stays unchanged.
    """
    faults: list[str] = []
    instances: dict[int, tuple[str, ...]] = {}
    for tag, vr, value in made.elements.values():
        is_own = tag not in inherited
        if vr == "SQ":
            if is_own or tag in _REFERENCES:
                findings = _in_sequence(value, character_sets)
                instances[tag] = findings.instances
                faults += _named(tag, "/", findings.faults if is_own else ())
        elif is_own and value and vr in _TEXT_VRS:
            check_uid = is_uid if tag in _OWN_UIDS else can_name
            faults += _named(tag, " ", _text_faults(vr, value, character_sets, check_uid))
    return faults, instances


def _in_sequence(value: bytes, character_sets: tuple[str, ...]) -> _Findings:
    """The findings of all items together."""
    findings = [
        (_in_short_item if len(item) <= _SHORT_ITEM_BYTES else _in_item)(item, character_sets)
        for item in items_in(value)
    ]
    return _Findings(
        tuple(fault for one in findings for fault in one.faults),
        tuple(uid for one in findings for uid in one.instances),
    )


def _in_item(item: bytes, character_sets: tuple[str, ...]) -> _Findings:
    faults: list[str] = []
    instances: list[str] = []
    for tag, vr, value in elements_in(item):
        if vr == "SQ":
            findings = _in_sequence(value, character_sets)
            instances += findings.instances if tag in _REFERENCES or tag == _CONTENT else ()
            faults += _named(tag, "/", findings.faults)
        elif value and vr in _TEXT_VRS:
            faults += _named(tag, " ", _text_faults(vr, value, character_sets, can_name))
            if tag == _REFERENCED_UID:
                instances.append(ascii_text(value))
    return _Findings(tuple(faults), tuple(instances))


_in_short_item = lru_cache(maxsize=4096)(_in_item)
"""Cached, because codes, names and algorithms are the same in every report."""


def _named(tag: int, separator: str, faults: Iterable[str]) -> list[str]:
    return [f"{keyword_for_tag(tag)}{separator}{fault}" for fault in faults]


@lru_cache(maxsize=4096)
def _text_faults(
    vr: str, encoded: bytes, character_sets: tuple[str, ...], check_uid: Callable[[str], bool]
) -> tuple[str, ...]:
    """Cached, because codes and names are the same in every report."""
    return tuple(_faults(vr, encoded, character_sets, check_uid))


def _faults(
    vr: str, encoded: bytes, character_sets: tuple[str, ...], check_uid: Callable[[str], bool]
) -> Iterator[str]:
    try:
        text = decoded_text(vr, encoded, character_sets).rstrip(" \0")
    except UnicodeError:
        yield "is not in the character set of the object"
        return
    for value in [text] if vr in _SINGLE_TEXT_VRS else text.split("\\"):
        if vr == "UI":
            # More tolerant than PS3.5 9.1: senders write components with a leading zero, and a reference to such an
            # object must repeat its UID exactly.
            if not check_uid(value):
                yield "is not a UID"
            continue
        try:
            validate_value(vr, value, config.RAISE)
        except ValueError:
            yield f"has a value that {vr} does not allow"


def _identity(made: EncodedObject, sop_class_uid: str, sop_instance_uid: str) -> Iterator[str]:
    announced = {"SOPClassUID": sop_class_uid, "SOPInstanceUID": sop_instance_uid}
    for keyword, uid in announced.items():
        if made.text(keyword) != uid or made.text(f"MediaStorage{keyword}") != uid:
            yield f"{keyword} is not what was announced"
    if made.text("TransferSyntaxUID") not in _SYNTAXES:
        yield "TransferSyntaxUID is not that of the file"


def _presence(made: EncodedObject, sop_class_uid: str) -> Iterator[str]:
    for keyword in required(sop_class_uid, 1):
        if made.is_empty(keyword):
            yield f"{keyword} is missing or empty"
    if made.number("SamplesPerPixel", 1) > 1 and "PlanarConfiguration" not in made:
        yield "PlanarConfiguration is missing"
    for keyword in required(sop_class_uid, 2):
        # Type 2C: only for a paired body part, and the named one may not be paired.
        if keyword not in made and not (keyword == "Laterality" and made.text("BodyPartExamined")):
            yield f"{keyword} is missing"


def _references(
    made: EncodedObject, instances: Mapping[int, tuple[str, ...]], sources: Sequence[Source]
) -> Iterator[str]:
    """Check that a source is listed as evidence, and that documents refer only to listed objects."""
    if made.text("StudyInstanceUID") != sources[0].study_instance_uid:
        yield "StudyInstanceUID is not the source's"
    listing = [_EVIDENCE] if made.value("CurrentRequestedProcedureEvidenceSequence") else _REFERENCES
    listed = {uid for tag in listing for uid in instances.get(tag, ())}
    if not listed.intersection(source.sop_instance_uid for source in sources):
        yield "the source is not among the referenced instances"
    if not listed.issuperset(instances.get(_CONTENT, ())):
        yield "the content refers to an instance that the evidence does not list"


def _pixels(made: EncodedObject) -> Iterator[str]:
    if "EncapsulatedDocument" in made and not made.value("EncapsulatedDocument").startswith(b"%PDF-"):
        yield "EncapsulatedDocument is not a PDF"
    if "PixelData" not in made:
        return
    frames, pixels = made.number("NumberOfFrames", 1), made.value("PixelData")
    if UID(made.text("TransferSyntaxUID")).is_compressed:
        if sum(1 for _ in generate_frames(pixels, number_of_frames=frames)) != frames:
            yield "PixelData has not one fragment sequence for each frame"
    else:
        bits = frames * prod(map(made.number, ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")))
        expected = (bits + 7) // 8
        if len(pixels) != expected + expected % 2:
            yield "PixelData has the wrong length"
    groups = items_in(made.value("PerFrameFunctionalGroupsSequence"))
    if "PerFrameFunctionalGroupsSequence" in made and len(groups) != frames:
        yield "there is not one functional group for each frame"
