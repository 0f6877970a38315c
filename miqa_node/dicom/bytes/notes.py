"""Reads the notes by which other systems take images out of use: Key Object Selections of IHE IOCM (RAD TF-2 4.66)."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom import Dataset

from miqa_node.core.domain.instance import can_name
from miqa_node.core.domain.note import NoteTitle, RejectionNote, Revocations
from miqa_node.core.domain.search_keys import normal_value
from miqa_node.dicom.bytes.head import read_head

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
MAX_OBJECTS = 10_000
"""Maximum number of objects of a note; the rest is left out."""

MADE_AT_CHARACTERS = 21
_TITLE_MODIFIER = "113011"


def read_note(path: Path, revocations: Revocations = frozenset()) -> RejectionNote | None:
    """The note in a Key Object Selection; None if its title is another one, or it is unreadable."""
    try:
        ds = read_head(path, force=True)
        title = _code(ds.get("ConceptNameCodeSequence"))
        is_revocation = _title(ds) in revocations
        if not is_revocation and title not in NoteTitle.__members__.values():
            return None
        objects = _references(ds, "CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        return RejectionNote(
            str(ds.SOPInstanceUID),
            None if is_revocation else NoteTitle(title),
            _reason(ds),
            objects,
            _references(ds, "PredecessorDocumentsSequence"),
            _references(ds, "IdenticalDocumentsSequence"),
            _made_at(ds),
        )
    except Exception:  # noqa: BLE001 - a foreign object may break the parser in any way; it is then not a note
        return None


def _references(ds: Dataset, *keywords: str) -> tuple[str, ...]:
    """SOP Instance UIDs of the objects that sequences of studies refer to."""
    uids = dict.fromkeys(
        uid
        for keyword in keywords
        for study in ds.get(keyword) or ()
        for series in study.get("ReferencedSeriesSequence") or ()
        for item in series.get("ReferencedSOPSequence") or ()
        if can_name(uid := str(item.get("ReferencedSOPInstanceUID", "")))
    )
    return tuple(uids)[:MAX_OBJECTS]


def _title(ds: Dataset) -> tuple[str, str]:
    """(code value, coding scheme) of the document's title."""
    (item,) = ds.get("ConceptNameCodeSequence") or (Dataset(),)
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue") or ""
    return str(value).strip(), str(item.get("CodingSchemeDesignator") or "").strip()


def _made_at(ds: Dataset) -> str:
    day, time = normal_value("DA", str(ds.get("ContentDate") or "")), str(ds.get("ContentTime") or "")
    return f"{day}{normal_value('TM', time or '0')}"[:MADE_AT_CHARACTERS] if day else ""


def _reason(ds: Dataset) -> str:
    """Code value of the document title modifier (TID 2010, CID 7011); empty if there is none."""
    for item in ds.get("ContentSequence") or ():
        if _code(item.get("ConceptNameCodeSequence")) == _TITLE_MODIFIER:
            return _code(item.get("ConceptCodeSequence"))
    return ""


def _code(sequence: object) -> str:
    """Value of a DCM code; empty for other schemes."""
    items = list(sequence) if isinstance(sequence, pydicom.Sequence) else []
    if not items or str(items[0].get("CodingSchemeDesignator", "")).strip() != "DCM":
        return ""
    return str(items[0].get("CodeValue", "")).strip()[:16]
