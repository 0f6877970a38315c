"""The interfaces of parts that have more than one real implementation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import CommitmentReport, CommitmentRequest, Delivery, DeliveryId
from miqa_node.core.domain.image import Radiograph, SaliencyMaps
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.object_store import Soundness
from miqa_node.core.domain.traits import ImageTraits


class JobQueue(Protocol):
    """Durable work: a job queued in a transaction exists if and only if that transaction commits."""

    def enqueue_assess(self, connection: Any, digest: InstanceDigest, sender: str = "") -> None:
        """Queue ``Pipeline.judge`` for the instance; repeated calls queue only one run.

        Jobs take turns by ``sender``, the calling AE title of the instance.
        """

    def enqueue_reassess(self, connection: Any, digest: InstanceDigest, generation: int) -> None:
        """Queue the same for an instance to be judged again, with lower priority than newly arrived images."""


@dataclass(frozen=True, slots=True)
class AssessorResult:
    """The result for one image: the assessment and the saliency maps."""

    assessment: Assessment
    maps: SaliencyMaps = field(default_factory=SaliencyMaps)
    is_stored: bool = False
    """It is the stored assessment with what is known now: the files are gone, so there is nothing to report from."""


class Assessor(Protocol):
    """Judges one decoded image: a model package, or measurements alone."""

    def assess(
        self, header: Header, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits
    ) -> AssessorResult:
        """Measure and judge; an image out of scope raises no error, but has the reason in ``not_assessed``.

        ``traits`` come from the image's unit.
        """


class Captioner(Protocol):
    """Describes an image in sentences: a package or a server of the site."""

    writer: str
    """The name recorded as the writer of captions."""

    def describe(self, radiograph: Radiograph) -> Sequence[str]:
        """One or more texts; on any error the image has no caption."""


class Outbox(Protocol):
    """A lane's view of the waiting deliveries: the database, or a list in tests of lanes."""

    def due(self, destination: str) -> bool:
        """Whether ``claim`` would return anything; cheap enough to call often."""

    def claim(self, destination: str, limit: int, lease_s: float) -> Sequence[Delivery]:
        """Claim due deliveries, oldest first; no other process gets them until the lease expires."""

    def data(self, delivery: Delivery) -> bytes:
        """The DICOM file to send, or the JSON of an event."""

    def sent(self, notes: Mapping[DeliveryId, str], *, commit: bool = False) -> None:
        """The destination reported success, each with a note or ""; with ``commit``, commitment is requested next."""

    def failed(self, delivery_id: DeliveryId, error: str, retry_at: datetime | None) -> None:
        """An attempt failed; if ``retry_at`` is None, there is no other attempt until a person resends it."""

    def expired(self, delivery_id: DeliveryId, error: str) -> None:
        """Attempts failed for too long: FAILED; queued again once a destination that was away is back."""

    def try_expired(self, destination: str) -> bool:
        """Queue one of them again, to test whether the destination is back; False if there is none."""

    def release(self, delivery_ids: Sequence[DeliveryId]) -> None:
        """Release claimed deliveries without an attempt."""

    def lower(self, delivery: Delivery) -> bool:
        """Queue the same content in the next lower SOP class instead; False if there is none."""

    def claim_uncommitted(self, destination: str, limit: int, lease_s: float) -> Sequence[Delivery]:
        """Claim SENT deliveries to request commitment for; no other process gets them until the lease expires."""

    def commitment_asked(self, delivery_ids: Sequence[DeliveryId], transaction_uid: str, again_at: datetime) -> None:
        """The destination accepted the request; without a report the request is repeated in a new transaction."""

    def commitment_failed(self, delivery_ids: Sequence[DeliveryId], error: str, retry_at: datetime | None) -> None:
        """The request failed; if ``retry_at`` is None, the deliveries stay SENT."""

    def commitment_reported(self, report: CommitmentReport) -> None:
        """The destination's answer: all are COMMITTED, or missing ones are sent again and the rest requested again."""


class CommitmentLedger(Protocol):
    """Storage commitment requests of peers until they are reported: the database, or a list in tests."""

    def ask(self, request: CommitmentRequest, lease_s: float) -> None:
        """Store a request, claimed by the caller; it is durable when this returns."""

    def claim(self, lease_s: float) -> CommitmentRequest | None:
        """Claim one request that is due; no other process gets it until the lease expires."""

    def extend(self, request: CommitmentRequest, lease_s: float) -> None:
        """Keep a claimed request for longer."""

    def look_up(self, uids: Sequence[str], *, patient: bool) -> Iterator[Mapping[tuple[str, str], Soundness]]:
        """The state of those objects that the node has, by SOP class and instance UID; sound ones are promised.

        Yields what is known so far again and again, and everything at last. Raises ResourcesError if some cannot be
        read now; if not ``patient``, these count as damaged instead.
        """

    def reported(self, request: CommitmentRequest) -> None:
        """The peer has the report."""

    def failed(self, request: CommitmentRequest, error: str, retry_at: datetime | None) -> None:
        """The report did not reach the peer; with ``retry_at`` None, the node gives up."""
