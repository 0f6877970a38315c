"""How long the node keeps its working copies of received images, and why one stays or goes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from miqa_node.core.language.phrase import Phrase


class RetentionGroup(StrEnum):
    """Why an original is kept; only the last two groups may be removed."""

    UNDECIDED = "undecided"
    """The study has an image without a verdict."""
    HOLD = "hold"
    """A person put the study, or the patient, on legal hold."""
    OPEN = "open"
    """The study is on the worklist and nobody has resolved it."""
    UNDELIVERED = "undelivered"
    """A result of the study has not reached its destination."""
    PROMISED = "promised"
    """The node has committed to storage of it, and no archive has confirmed that it has the object."""
    FLAGGED = "flagged"
    """Flagged and resolved, or labelled by a person."""
    ACCEPTED = "accepted"
    """Accepted, or not judged and not flagged."""

    @property
    def removable(self) -> bool:
        """Whether retention may remove originals of this group."""
        return self in (RetentionGroup.FLAGGED, RetentionGroup.ACCEPTED)


class RemovalCause(StrEnum):
    """Why an original was removed."""

    AGE = "age"
    SPACE = "space"
    ERASURE = "erasure"
    LOST = "lost"
    """It was found missing (miqa-node fsck)."""


@dataclass(frozen=True, slots=True)
class Removal:
    """An original that the node no longer has; its rows stay."""

    at: datetime
    cause: RemovalCause

    @property
    def sentence(self) -> str:
        """The text for people in place of the image."""
        day = f"{self.at:%Y-%m-%d}"
        if self.cause is RemovalCause.ERASURE:
            return Phrase("The original was erased on {day} at a person's request.", day=day)
        if self.cause is RemovalCause.LOST:
            return Phrase(
                "The original is missing since {day} or earlier. Fetch it from the archive, or send it again.", day=day
            )
        return Phrase(
            "The original was removed by retention on {day}. Fetch it from the archive, or send it again.", day=day
        )


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The result of fetching originals from archives: how many are back, and why others are not."""

    fetched: int
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HoldExtent:
    """What a legal hold would be about, as of now; a patient's later studies would be held, too."""

    studies: int
    images: int


@dataclass(frozen=True, slots=True)
class LegalHold:
    """A study, or all images of a patient, that retention must not remove; the other field is empty.

    ``authority`` is that of the Patient ID; None in holds of earlier versions, which hold everybody with the ID.
    """

    hold_id: int
    study_instance_uid: str
    patient_id: str
    reason: str
    set_by: str
    set_at: datetime
    cleared_by: str = ""
    cleared_at: datetime | None = None
    clearing_reason: str = ""
    authority: str | None = None
