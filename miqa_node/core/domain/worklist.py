"""A flagged study on the worklist, and its possible state transitions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.verdict import Verdict
from miqa_node.errors import ConflictError


class WorklistState(StrEnum):
    """OPEN until a person claims it, CLAIMED until it is decided, then RESOLVED."""

    OPEN = "OPEN"
    CLAIMED = "CLAIMED"
    RESOLVED = "RESOLVED"


class Resolution(StrEnum):
    """What a person decided about a flagged study."""

    CONFIRMED = "confirmed"
    """Rejected: the image must not be used."""
    DISMISSED = "dismissed"
    """The node was wrong, the image is good."""
    RETAKEN = "retaken"
    """Rejected, with a request for a new exposure, whether or not that has arrived."""
    ACCEPTED = "accepted"
    """The defect is present, but the image is good enough for its purpose."""

    @property
    def words(self) -> str:
        """The name that people read, the same as that of the verdict: REST and files keep ``confirmed``."""
        return "rejected" if self is Resolution.CONFIRMED else self.value

    @property
    def rejects(self) -> bool:
        """Whether the image must not be used."""
        return self in (Resolution.CONFIRMED, Resolution.RETAKEN)


@dataclass(frozen=True, slots=True)
class Review:
    """A person's decision about one image; without ``resolution``, the previous decision was withdrawn.

    ``number`` is the number of the decision. ``findings`` are those of the image's label, None if it leaves them open.
    """

    number: int
    actor: str
    at: datetime
    resolution: Resolution | None
    comment: str = ""
    findings: tuple[FindingName, ...] | None = None

    def agrees_on(self, finding: FindingName) -> bool | None:
        """Whether the person confirmed a finding of the node; None if that was left open."""
        return None if self.resolution is None or self.findings is None else finding in self.findings

    @property
    def sentence(self) -> str:
        """The decision in words."""
        comment = f": {self.comment}" if self.comment else ""
        match self.resolution:
            case None:
                return f"Decision taken back by {self.actor}, the study is open again{comment}"
            case Resolution.DISMISSED:
                return f"Dismissed by {self.actor}, the image is good{comment}"
            case Resolution.ACCEPTED:
                return f"Accepted by {self.actor}, good enough for its purpose{comment}"
            case Resolution.RETAKEN:
                return f"Not to be used, a new exposure was requested by {self.actor}{comment}"
            case Resolution.CONFIRMED:
                return f"Rejected by {self.actor}{comment}"


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
    """The certificate of the disposition: how far the verdict can be trusted."""
    patient_id: str = ""
    """Of the image's own header: a study may have images of several patients."""
    authority: str | None = ""
    """Who assigned the Patient ID; None if nobody knows any more."""
    experimental: bool = False
    """It was judged or measured, and that does not count yet: something else puts it on the list."""
    laterality: str = ""
    description: str = ""
    """That of its series."""
    names: tuple[str, ...] = ()
    """Those of the reasons."""


@dataclass(frozen=True, slots=True)
class WorklistComment:
    """A person's comment on a flagged study without a decision; comments are only added, never changed."""

    at: datetime
    actor: str
    text: str


@dataclass(frozen=True, slots=True)
class WorklistItem:
    """One flagged study: its worst verdict, all reasons, and the person working on it."""

    study_instance_uid: str
    accession_number: str
    patient_id: str
    study_date: str
    verdict: Verdict
    state: WorklistState
    flagged_at: datetime
    severity: int = 0
    """Its place among the studies of one verdict, 0 to 1000: ten times what the worst image lacks of a score of 100."""
    claimed_by: str = ""
    resolution: Resolution | None = None
    resolved_by: str = ""
    resolved_at: datetime | None = None
    comment: str = ""
    decision: int | None = None
    """Number of the decision in force, for withdrawing it; an open study has one about its earlier images."""
    retaken_at: datetime | None = None
    """When the requested new exposure arrived."""
    images: tuple[WorklistImage, ...] = ()
    comments: tuple[WorklistComment, ...] = ()
    """Oldest first."""
    late: str = ""
    """What came of its series after their verdicts."""
    patients_conflict: bool = False
    """The study has images of several patients, and nobody has looked yet."""

    @property
    def patients(self) -> tuple[PatientKey, ...]:
        """The patients of the flagged images; that of the study if there are none."""
        keys = dict.fromkeys(PatientKey(image.patient_id, image.authority) for image in self.images)
        return tuple(keys) or (PatientKey(self.patient_id, None),)

    @property
    def patient_ids(self) -> tuple[str, ...]:
        """Their IDs, with the authorities that assigned them."""
        return tuple(dict.fromkeys(one.label for one in self.patients))

    @property
    def outcome(self) -> str:
        """The decision in words; distinguishes a requested retake from a completed one."""
        if self.resolution is Resolution.RETAKEN:
            return "retake done" if self.retaken_at else "retake requested"
        return self.resolution.words if self.resolution else ""


@dataclass(frozen=True, slots=True)
class Reopening:
    """A reopened study, and the archives that were asked to hide its images; only they can restore them."""

    item: WorklistItem
    must_restore: tuple[str, ...] = ()


def check_transition(now: WorklistState, to: WorklistState) -> None:
    """Raise ConflictError unless ``now`` may become ``to``; reopening a resolved item is handled elsewhere."""
    if now is to is WorklistState.OPEN:
        raise ConflictError("The study is not claimed, so it cannot be put back.")
    if now is WorklistState.RESOLVED:
        raise ConflictError("The study is {now} already: it was decided. Reopen it to decide again.", now=now)
