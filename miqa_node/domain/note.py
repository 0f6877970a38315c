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


@dataclass(frozen=True, slots=True)
class RejectionNote:
    """One note: its SOP Instance UID, title, reason of CID 7011 (if any), and referenced objects."""

    sop_instance_uid: str
    title: NoteTitle
    reason: str
    objects: tuple[str, ...]
