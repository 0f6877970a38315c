"""A flagged study on the list that people work through, and the transitions it may take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from miqa_node.domain.policy import Verdict
from miqa_node.errors import ConflictError


class WorklistState(StrEnum):
    """OPEN until a person claims it, CLAIMED until it is decided, then RESOLVED."""

    OPEN = "OPEN"
    CLAIMED = "CLAIMED"
    RESOLVED = "RESOLVED"


class Resolution(StrEnum):
    """What a person decided about a flagged study."""

    CONFIRMED = "confirmed"
    """Rejected: the image is not to be used."""
    DISMISSED = "dismissed"
    """The node was wrong, the image is good."""
    RETAKEN = "retaken"
    """Not to be used, and a new exposure was requested; whether it came is another matter."""
    ACCEPTED = "accepted"
    """The defect is present, but the image is good enough for its purpose."""

    @property
    def rejects(self) -> bool:
        """Whether the image is not to be used."""
        return self in (Resolution.CONFIRMED, Resolution.RETAKEN)


@dataclass(frozen=True, slots=True)
class WorklistImage:
    """One flagged image of a study on the list."""

    sop_instance_uid: str
    digest: str
    verdict: Verdict
    score: float | None
    reasons: tuple[str, ...]
    modality: str
    body_part: str
    view: str
    station: str
    certificate: str = ""
    """The certificate of the disposition: how far the verdict may be trusted."""


@dataclass(frozen=True, slots=True)
class WorklistComment:
    """What a person said about a flagged study without deciding; never changed, only more are added."""

    at: datetime
    actor: str
    text: str


@dataclass(frozen=True, slots=True)
class WorklistItem:
    """One flagged study: its worst verdict, all reasons, and who works on it."""

    study_instance_uid: str
    accession_number: str
    patient_id: str
    study_date: str
    verdict: Verdict
    state: WorklistState
    flagged_at: datetime
    claimed_by: str = ""
    resolution: Resolution | None = None
    resolved_by: str = ""
    resolved_at: datetime | None = None
    comment: str = ""
    decision: int | None = None
    """Number of the decision in force, by which it can be taken back."""
    retaken_at: datetime | None = None
    """When the new exposure came that was requested."""
    images: tuple[WorklistImage, ...] = ()
    comments: tuple[WorklistComment, ...] = ()
    """Oldest first."""

    @property
    def outcome(self) -> str:
        """The decision in words; a requested retake is another thing than one that was done."""
        if self.resolution is Resolution.RETAKEN:
            return "retake done" if self.retaken_at else "retake requested"
        return self.resolution.value if self.resolution else ""


@dataclass(frozen=True, slots=True)
class Reopening:
    """A study that is open again, and the archives that were asked to hide its images: only they can restore them."""

    item: WorklistItem
    must_restore: tuple[str, ...] = ()


def check_transition(now: WorklistState, to: WorklistState) -> None:
    """Raise ConflictError unless ``now`` may become ``to``; resolved items open again by other ways."""
    allowed = {
        WorklistState.OPEN: {WorklistState.CLAIMED, WorklistState.RESOLVED},
        WorklistState.CLAIMED: {WorklistState.OPEN, WorklistState.CLAIMED, WorklistState.RESOLVED},
        WorklistState.RESOLVED: set[WorklistState](),
    }
    if to not in allowed[now]:
        if now is WorklistState.OPEN:
            raise ConflictError("The study is not claimed, so it cannot be put back.")
        raise ConflictError(f"The study is {now} already: it was decided. Reopen it to decide again.")
