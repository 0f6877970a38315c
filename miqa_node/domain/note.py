"""What other systems say when they take images out of use: Key Object Selections of IHE IOCM."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NoteTitle(StrEnum):
    """Document titles that take images out of use (CID 7010; IHE RAD TF-3 Table 4.66-1)."""

    QUALITY = "113001"
    """Rejected for Quality Reasons: a judgement of the image, and so a label."""
    PATIENT_SAFETY = "113037"
    """Rejected for Patient Safety Reasons, such as the wrong patient: counts as a reject, says nothing of quality."""
    WORKLIST_ENTRY = "113038"
    """Incorrect Modality Worklist Entry: the images come again under other UIDs; no reject."""
    RETENTION = "113039"
    """Data Retention Policy Expired: no reject."""

    @property
    def rejects(self) -> bool:
        """Whether reject analysis counts it."""
        return self in (NoteTitle.QUALITY, NoteTitle.PATIENT_SAFETY)


@dataclass(frozen=True, slots=True)
class RejectionNote:
    """One note: its SOP Instance UID, its title, the reason of CID 7011 (or nothing), and the objects that it names."""

    sop_instance_uid: str
    title: NoteTitle
    reason: str
    objects: tuple[str, ...]
