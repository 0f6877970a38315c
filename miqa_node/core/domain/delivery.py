"""A result object, or an event, on its way to one destination."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType

DeliveryId = NewType("DeliveryId", int)


ResultKind = NewType("ResultKind", str)
"""A kind of DICOM object that the node makes, such as SR: the name of an output (:mod:`miqa_node.core.domain.output`).

An old row may have any text, because its output may no longer be installed.
"""

SR, SEG, KOS = ResultKind("SR"), ResultKind("SEG"), ResultKind("KOS")
SR_FULL = ResultKind("SR_FULL")
REJECTION = ResultKind("REJECTION")
"""A key object 113001, on which archives act (IHE IOCM); made only if a person confirmed the rejection."""


class DeliveryState(StrEnum):
    """QUEUED until the destination reports success; COMMITTED once it has committed to storage (PS3.4 J).

    HELD waits for a person to release it. CANCELLED is never sent unless a person sends it again.
    """

    QUEUED = "QUEUED"
    SENT = "SENT"
    COMMITTED = "COMMITTED"
    FAILED = "FAILED"
    HELD = "HELD"
    CANCELLED = "CANCELLED"


class DeliveryAction(StrEnum):
    """An action of a person on a delivery."""

    HOLD = "hold"
    RELEASE = "release"
    RESEND = "resend"
    CANCEL = "cancel"

    @property
    def possible_in(self) -> frozenset[DeliveryState]:
        """The states in which the action is possible."""
        return _TRANSITIONS[self][0]

    @property
    def leads_to(self) -> DeliveryState:
        """The state after the action."""
        return _TRANSITIONS[self][1]


_TRANSITIONS = {
    DeliveryAction.HOLD: (frozenset({DeliveryState.QUEUED, DeliveryState.FAILED}), DeliveryState.HELD),
    DeliveryAction.RELEASE: (frozenset({DeliveryState.HELD}), DeliveryState.QUEUED),
    DeliveryAction.RESEND: (frozenset(DeliveryState) - {DeliveryState.QUEUED}, DeliveryState.QUEUED),
    DeliveryAction.CANCEL: (
        frozenset({DeliveryState.QUEUED, DeliveryState.HELD, DeliveryState.FAILED}),
        DeliveryState.CANCELLED,
    ),
}


@dataclass(frozen=True, slots=True)
class ResultObject:
    """One DICOM object that the node made; ``object_key`` is the key of its bytes.

    Size and SHA-256 are those of its file; without them, an earlier version made it. ``made_with`` has the settings
    that its bytes follow from beside the judgement; None if an earlier version made it, which did not keep them.
    """

    sop_instance_uid: str
    sop_class_uid: str
    kind: ResultKind
    object_key: str
    size_bytes: int | None = None
    sha256: str | None = None
    made_with: Mapping[str, str] | None = field(default=None, compare=False)

    def of(self, data: bytes) -> ResultObject:
        """The same with the size and digest of its file."""
        return replace(self, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class EventNotice:
    """One event for webhooks (:mod:`miqa_node.core.domain.event`); the database has its JSON."""

    event_id: str
    event_type: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One object or event for one destination, and its progress."""

    delivery_id: DeliveryId
    destination: str
    item: ResultObject | EventNotice
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    last_error: str = ""
    failing_since: datetime | None = None
    """The time of the first failed attempt since it was queued; None if no attempt failed."""

    @property
    def uid(self) -> str:
        """SOP Instance UID of the object, or identifier of the event."""
        return self.item.event_id if isinstance(self.item, EventNotice) else self.item.sop_instance_uid

    @property
    def sop_class_uid(self) -> str:
        """SOP Class UID of the object; empty for an event."""
        return "" if isinstance(self.item, EventNotice) else self.item.sop_class_uid


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """An archive's answer to a request for storage commitment (PS3.4 J.3.3): the objects kept and missing.

    ``complete`` is event type 1: it keeps all objects of the request. ``failed`` pairs SOP Instance UIDs with
    Failure Reasons (0008,1197).
    """

    transaction_uid: str
    complete: bool
    kept: tuple[str, ...] = ()
    failed: tuple[tuple[str, int], ...] = ()


LONGEST_REPORT_PAUSE_S = 1800.0
"""Longest time between two attempts to report storage commitment to a peer."""


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """A peer asks the node whether it keeps objects, as (SOP class UID, SOP instance UID) (PS3.4 J.3.2)."""

    transaction_uid: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    objects: tuple[tuple[str, str], ...]
    attempts: int = 0
