"""Rejection notes of other systems: Key Object Selections of IHE IOCM."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NoteTitle(StrEnum):
    """Document titles that take images out of use (CID 7010; IHE RAD TF-3 Table 4.66-1)."""

    QUALITY = "113001"
    """Rejected for Quality Reasons: a judgement of the image, hence a label."""
    PATIENT_SAFETY = "113037"
    """Rejected for Patient Safety Reasons, such as the wrong patient: a reject, but not about quality."""
    WORKLIST_ENTRY = "113038"
    """Incorrect Modality Worklist Entry: the images are sent again under other UIDs; not a reject."""
    RETENTION = "113039"
    """Data Retention Policy Expired: not a reject."""

    @property
    def rejects(self) -> bool:
        """Whether the reject analysis counts it."""
        return self in (NoteTitle.QUALITY, NoteTitle.PATIENT_SAFETY)


Revocations = frozenset[tuple[str, str]]
"""Titles, as (code value, coding scheme), by which archives take rejections back; the standard has none."""


@dataclass(frozen=True, slots=True)
class RejectionNote:
    """One note: its SOP Instance UID, title, reason of CID 7011 (if any), and referenced objects.

    Without a title it takes back the rejections of these objects. ``predecessors`` are the notes that it takes the
    place of, ``twins`` documents that say the same (PS3.3 C.17.2.1, C.17.2.2).
    """

    sop_instance_uid: str
    title: NoteTitle | None
    reason: str
    objects: tuple[str, ...]
    predecessors: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()
    made_at: str = ""
    """Content Date and Time as YYYYMMDDHHMMSS.FFFFFF, which can be compared as texts; empty if it does not say."""
