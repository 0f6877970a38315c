"""What the pipeline asks of the parts that have more than one real implementation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.delivery import CommitmentReport, CommitmentRequest, Delivery, DeliveryId, ResultKind
from miqa_node.domain.finding import FindingName
from miqa_node.domain.image import Radiograph, SaliencyMap
from miqa_node.domain.instance import Header, InstanceDigest


class ObjectStore(Protocol):
    """Bytes by key, written once: local disk or an S3 bucket.

    A key is a relative POSIX path. What was put is durable when the call returns.
    """

    def put(self, key: str, data: bytes) -> bool:
        """Store ``data``; False, and nothing changes, when the key is taken already."""

    def put_file(self, key: str, path: Path) -> bool:
        """Move the file into the store; False, and the file is removed, when the key is taken already."""

    def get(self, key: str) -> bytes:
        """The bytes; NotFoundError when there are none."""

    def local_path(self, key: str) -> Path:
        """A readable file with the bytes (a cached copy for remote stores); NotFoundError when there are none."""

    def exists(self, key: str) -> bool:
        """Whether the key is taken."""

    def check(self) -> None:
        """Raise ResourcesError, with the reason, when the store cannot be written."""


class JobQueue(Protocol):
    """Durable work: a job handed over inside a transaction exists exactly when that transaction commits."""

    def enqueue_assess(self, connection: Any, digest: InstanceDigest) -> None:
        """Have ``Pipeline.assess`` and what follows run for the instance; once, however often it is asked."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one assessor contributes: an assessment without identity of the image, and where it saw what.

    ``anomaly_map`` shows where an unusual image is unlike others; no finding belongs to it. ``prediction_maps`` shows
    by package what its prediction was read from.
    """

    assessment: Assessment
    maps: Mapping[FindingName, SaliencyMap]
    anomaly_map: SaliencyMap | None = None
    prediction_maps: Mapping[str, SaliencyMap] = field(default_factory=dict)


class Assessor(Protocol):
    """Judges one decoded image: a model package, or measurements alone."""

    def assess(self, header: Header, radiograph: Radiograph, digest: InstanceDigest) -> Judgement:
        """Measure and judge; never raises for an image that is out of scope, it says so in ``not_assessed``."""


class Captioner(Protocol):
    """Describes an image in sentences: a package of the site, or a server of the site."""

    writer: str
    """What is said to have written them."""

    def describe(self, radiograph: Radiograph) -> Sequence[str]:
        """One or more texts; any error means that there is none."""


class Candidate(Protocol):
    """Something that may judge images silently, after their verdict is out and without delaying anything."""

    def offer(self, header: Header, radiograph: Radiograph, digest: InstanceDigest) -> None:
        """Hold the decoded image until :meth:`verdict_is_out`; never waits and never raises."""

    def verdict_is_out(self, digest: InstanceDigest) -> None:
        """The active verdict is written down; never waits and never raises."""


class Destination(Protocol):
    """Takes result objects: a DICOM storage SCP, a STOW-RS service or a folder."""

    name: str

    def send(self, files: Sequence[tuple[str, str, bytes]]) -> Sequence[Exception | None]:
        """Send (SOP class UID, SOP instance UID, file bytes) in order; one outcome each, None is success."""

    def wants(self, kind: ResultKind) -> bool:
        """Whether the destination's profile asks for objects of this kind."""

    def check(self) -> None:
        """Raise DeliveryError, with the reason, unless the destination is there and lets the node in."""

    def request_commitment(self, transaction_uid: str, objects: Sequence[tuple[str, str]], /) -> None:
        """Ask it to promise that it keeps (SOP class UID, SOP instance UID); its answer comes later, as a report.

        CommitmentUnsupportedError says that it never will, any other DeliveryError that asking failed now.
        """

    def close(self) -> None:
        """Release connections."""


class Outbox(Protocol):
    """The deliveries that wait, as a lane sees them: the database, or a list in tests of lanes."""

    def due(self, destination: str) -> bool:
        """Whether ``claim`` would find something; cheap enough to ask often."""

    def claim(self, destination: str, limit: int, lease_s: float) -> Sequence[Delivery]:
        """Take due deliveries, oldest first; nobody else gets them before the lease has run out."""

    def data(self, delivery: Delivery) -> bytes:
        """The DICOM file to send, or the JSON of an event."""

    def sent(self, delivery_ids: Sequence[DeliveryId], *, commit: bool = False) -> None:
        """The destination answered success; with ``commit`` it is to be asked for storage commitment next."""

    def failed(self, delivery_id: DeliveryId, error: str, retry_at: datetime | None) -> None:
        """One attempt failed; None as ``retry_at`` gives up until a person sends it again."""

    def release(self, delivery_ids: Sequence[DeliveryId]) -> None:
        """Give claimed deliveries back untried."""

    def lower(self, delivery: Delivery) -> bool:
        """Have the same content in the next lower SOP class sent instead; False when there is none."""

    def claim_uncommitted(self, destination: str, limit: int, lease_s: float) -> Sequence[Delivery]:
        """Take SENT deliveries to ask commitment for; nobody else gets them before the lease has run out."""

    def commitment_asked(self, delivery_ids: Sequence[DeliveryId], transaction_uid: str, again_at: datetime) -> None:
        """The destination took the request; without a report it is asked again, in a new transaction."""

    def commitment_failed(self, delivery_ids: Sequence[DeliveryId], error: str, retry_at: datetime | None) -> None:
        """Asking failed; None as ``retry_at`` leaves them SENT for good."""

    def commitment_reported(self, report: CommitmentReport) -> None:
        """The destination's answer: all are COMMITTED, or what it lacks is sent again and the rest asked for anew."""


class CommitmentLedger(Protocol):
    """Requests of peers for storage commitment, kept until they are reported: the database, or a list in tests."""

    def ask(self, request: CommitmentRequest, lease_s: float) -> None:
        """Keep a request, claimed by whoever calls; when this returns it survives a crash."""

    def claim(self, lease_s: float) -> CommitmentRequest | None:
        """Take one request that is due; nobody else gets it before the lease has run out."""

    def look_up(self, uids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """SOP class UIDs of the objects that the node keeps, by SOP instance UID."""

    def reported(self, request: CommitmentRequest) -> None:
        """The peer has the report."""

    def failed(self, request: CommitmentRequest, error: str, retry_at: datetime | None) -> None:
        """The peer could not be told; None as ``retry_at`` gives up."""
