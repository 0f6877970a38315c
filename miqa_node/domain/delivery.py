"""One result object on its way to one destination."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

DeliveryId = NewType("DeliveryId", int)


class ResultKind(StrEnum):
    """The kinds of objects and events that the node makes; destinations choose among them by these names."""

    SR = "SR"
    SEG = "SEG"
    KOS = "KOS"
    SEG_FRACTIONAL = "SEG_FRACTIONAL"
    """The saliency itself in 255 steps, JPEG 2000 lossless."""
    GSPS = "GSPS"
    SC = "SC"
    """The heat map as a picture, JPEG baseline; the next two are the same picture without loss."""
    SC_RLE = "SC_RLE"
    SC_J2K = "SC_J2K"
    PDF = "PDF"
    """One page with picture, sentences and numbers."""
    ENHANCED = "ENHANCED"
    """The image with less noise or more contrast, as a derived image beside the original."""
    REJECTION = "REJECTION"
    """A key object 113001 that archives obey (IHE IOCM); made only when a person confirmed the rejection."""
    IMAGE_ASSESSED = "IMAGE_ASSESSED"
    """Not an object but an event for webhooks (docs/how-to/webhooks.md), as are the next three."""
    STUDY_FLAGGED = "STUDY_FLAGGED"
    STUDY_PASSED = "STUDY_PASSED"
    STUDY_RESOLVED = "STUDY_RESOLVED"

    @property
    def event_type(self) -> str:
        """How webhooks call an event.

        >>> ResultKind.STUDY_FLAGGED.event_type
        'study.flagged'
        """
        return self.value.lower().replace("_", ".")


EVENT_KINDS = (
    ResultKind.IMAGE_ASSESSED,
    ResultKind.STUDY_FLAGGED,
    ResultKind.STUDY_PASSED,
    ResultKind.STUDY_RESOLVED,
)
"""What webhooks get; no other destination does."""

DEFAULT_EVENTS = (ResultKind.STUDY_FLAGGED, ResultKind.STUDY_PASSED)
"""What a webhook is told that asks for nothing by name."""

OBJECT_KINDS = tuple(kind for kind in ResultKind if kind not in EVENT_KINDS)
"""DICOM objects."""

DEFAULT_KINDS = (ResultKind.SR, ResultKind.SEG, ResultKind.KOS)
"""What is made of every image that asks for it, and sent where a destination names nothing else."""

DRAWN_KINDS = frozenset({ResultKind.GSPS, ResultKind.SC, ResultKind.SC_RLE, ResultKind.SC_J2K, ResultKind.PDF})
"""What needs the decoded pixels; GSPS only to find the border that its shutter hides.

The enhanced image needs them, too, whatever the verdict."""


class DeliveryState(StrEnum):
    """QUEUED until the destination answered success; COMMITTED once it promised to keep it (PS3.4 J).

    HELD waits for a person to release it. CANCELLED is never sent unless a person sends it again.
    """

    QUEUED = "QUEUED"
    SENT = "SENT"
    COMMITTED = "COMMITTED"
    FAILED = "FAILED"
    HELD = "HELD"
    CANCELLED = "CANCELLED"


class DeliveryAction(StrEnum):
    """What a person does with a delivery."""

    HOLD = "hold"
    RELEASE = "release"
    RESEND = "resend"
    CANCEL = "cancel"

    @property
    def possible_in(self) -> frozenset[DeliveryState]:
        """The states that it may be done in."""
        return _POSSIBLE[self]

    @property
    def leads_to(self) -> DeliveryState:
        """The state after it."""
        return _LEADS_TO[self]


_POSSIBLE = {
    DeliveryAction.HOLD: frozenset({DeliveryState.QUEUED, DeliveryState.FAILED}),
    DeliveryAction.RELEASE: frozenset({DeliveryState.HELD}),
    DeliveryAction.RESEND: frozenset(DeliveryState) - {DeliveryState.QUEUED},
    DeliveryAction.CANCEL: frozenset({DeliveryState.QUEUED, DeliveryState.HELD, DeliveryState.FAILED}),
}
_LEADS_TO = {
    DeliveryAction.HOLD: DeliveryState.HELD,
    DeliveryAction.RELEASE: DeliveryState.QUEUED,
    DeliveryAction.RESEND: DeliveryState.QUEUED,
    DeliveryAction.CANCEL: DeliveryState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class ResultObject:
    """One DICOM object that the node made; ``object_key`` finds its bytes, which never change.

    Of an event (EVENT_KINDS) ``sop_instance_uid`` is its identifier and the other texts are empty.
    """

    sop_instance_uid: str
    sop_class_uid: str
    kind: ResultKind
    object_key: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One object to one destination, and how it went so far."""

    delivery_id: DeliveryId
    destination: str
    result: ResultObject
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """What an archive says to a request for storage commitment (PS3.4 J.3.3): it keeps these, it lacks those.

    ``complete`` is event type 1: it keeps everything that was asked for. ``failed`` pairs SOP Instance UIDs with
    Failure Reasons (0008,1197).
    """

    transaction_uid: str
    complete: bool
    kept: tuple[str, ...] = ()
    failed: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """A peer asks the node whether it keeps objects, as (SOP class UID, SOP instance UID) (PS3.4 J.3.2)."""

    transaction_uid: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    objects: tuple[tuple[str, str], ...]
    attempts: int = 0
