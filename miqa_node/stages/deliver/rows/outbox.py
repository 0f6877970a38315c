"""The outbox for lanes; every call is one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

import structlog

from miqa_node.core.domain.delivery import CommitmentReport, Delivery, DeliveryId, EventNotice, ResultObject
from miqa_node.core.domain.object_store import ObjectStore, Soundness
from miqa_node.core.observe import metrics
from miqa_node.errors import DeliveryError, NotFoundError, RemovedError, ReportError
from miqa_node.runtime.store import damages
from miqa_node.runtime.store.artifacts import put_sound
from miqa_node.runtime.store.database import Database
from miqa_node.stages.deliver.rows import announcements, commitments, deliveries

log = structlog.get_logger(__name__)

Lower = Callable[[bytes], tuple[str, str, bytes] | None]
"""Returns (SOP class UID, SOP instance UID, file) of a result in the next lower SOP class; None if there is none."""


class DatabaseOutbox:
    """Deliveries in the database, bytes in the object store; see :class:`~miqa_node.core.domain.ports.Outbox`."""

    def __init__(self, database: Database, objects: ObjectStore, lower: Lower = lambda _data: None) -> None:
        self._database = database
        self._objects = objects
        self._lower = lower

    def due(self, destination: str) -> bool:
        """Whether a delivery is due."""
        with self._database.begin() as transaction:
            return deliveries.is_due(transaction, destination, datetime.now(UTC))

    def claim(self, destination: str, limit: int, lease_s: float) -> Sequence[Delivery]:
        """Take due deliveries."""
        with self._database.begin() as transaction:
            return deliveries.claim(transaction, destination, limit, datetime.now(UTC), lease_s)

    def data(self, delivery: Delivery) -> bytes:
        """The DICOM file, or the JSON of an event."""
        if isinstance(delivery.item, EventNotice):
            with self._database.begin() as transaction:
                return announcements.body_of(transaction, delivery.item.event_id)
        return self._sound(delivery.item)

    def _sound(self, result: ResultObject) -> bytes:
        """The file of a result as it was made; DeliveryError if it is lost or damaged: it is made again first."""
        try:
            # This machine may have a copy of what its bucket lost or cut: the bucket is asked.
            size = self._objects.stat(result.object_key).size_bytes
            for is_again in (False, True):
                data = self._objects.get(result.object_key)
                if len(data) == size > 0 and result.sha256 in (None, hashlib.sha256(data).hexdigest()):
                    return data
                if not is_again:  # perhaps only this machine's copy is damaged
                    self._objects.drop_copy(result.object_key)
        except RemovedError:
            raise
        except NotFoundError:
            self._note(result, Soundness.LOST)
        else:
            self._note(result, Soundness.DAMAGED)
        raise DeliveryError("The stored file of this result is lost or damaged. It is made again before it is sent.")

    def _note(self, result: ResultObject, state: Soundness) -> None:
        with self._database.begin() as transaction:
            digest = deliveries.result_maker(transaction, result.sop_instance_uid)
            if digest is not None:
                damages.note(transaction, result.object_key, digest, state, datetime.now(UTC))

    def sent(self, notes: Mapping[DeliveryId, str], *, commit: bool = False) -> None:
        """Mark as SENT, each with its note."""
        with self._database.begin() as transaction:
            deliveries.sent(transaction, list(notes), datetime.now(UTC), commit=commit)
            deliveries.note(transaction, {one: text for one, text in notes.items() if text})

    def failed(self, delivery_id: DeliveryId, error: str, retry_at: datetime | None) -> None:
        """Record the error and when to try again."""
        with self._database.begin() as transaction:
            deliveries.failed(transaction, delivery_id, error, retry_at, datetime.now(UTC))

    def expired(self, delivery_id: DeliveryId, error: str) -> None:
        """Give up until the destination is back."""
        with self._database.begin() as transaction:
            deliveries.expired(transaction, delivery_id, error, datetime.now(UTC))

    def try_expired(self, destination: str) -> bool:
        """Queue one expired delivery."""
        with self._database.begin() as transaction:
            return deliveries.try_expired(transaction, destination, datetime.now(UTC))

    def release(self, delivery_ids: Sequence[DeliveryId]) -> None:
        """Release without an attempt."""
        with self._database.begin() as transaction:
            deliveries.release(transaction, delivery_ids)

    def lower(self, delivery: Delivery) -> bool:
        """Make the object in the lower class, store it, and queue it in place of the original."""
        original = delivery.item
        if isinstance(original, EventNotice):
            return False
        try:
            replacement = self._lower(self._objects.get(original.object_key))
        except ReportError as error:
            log.error("no lower SOP class", sop_instance_uid=original.sop_instance_uid, reason=str(error))
            return False
        if replacement is None:
            return False
        sop_class_uid, sop_instance_uid, data = replacement
        key = f"{PurePosixPath(original.object_key).parent}/{sop_instance_uid}.dcm"
        put_sound(self._objects, key, data)
        result = ResultObject(sop_instance_uid, sop_class_uid, original.kind, key).of(data)
        with self._database.begin() as transaction:
            return deliveries.replace_result(
                transaction, delivery.delivery_id, original.sop_instance_uid, result, datetime.now(UTC)
            )

    def claim_uncommitted(self, destination: str, limit: int, lease_s: float) -> Sequence[Delivery]:
        """Claim deliveries for requesting commitment."""
        now = datetime.now(UTC)
        with self._database.begin() as transaction:
            if not commitments.is_due(transaction, destination, now):
                return []
            return commitments.claim(transaction, destination, limit, now, lease_s)

    def commitment_asked(self, delivery_ids: Sequence[DeliveryId], transaction_uid: str, again_at: datetime) -> None:
        """Record the transaction."""
        with self._database.begin() as transaction:
            commitments.asked(transaction, delivery_ids, transaction_uid, again_at)

    def commitment_failed(self, delivery_ids: Sequence[DeliveryId], error: str, retry_at: datetime | None) -> None:
        """Record the error and when to request again."""
        with self._database.begin() as transaction:
            commitments.failed(transaction, delivery_ids, error, retry_at)

    def commitment_reported(self, report: CommitmentReport) -> None:
        """Record what the destination keeps and what it lacks."""
        with self._database.begin() as transaction:
            outcome = commitments.reported(transaction, report, datetime.now(UTC))
        if not outcome:  # of a superseded request, or of the trial of a destination, whose user looks for it here
            uid, is_complete = report.transaction_uid, report.complete
            log.info("storage commitment of no delivery was reported", transaction_uid=uid, complete=is_complete)
        for (destination, is_kept), count in outcome.items():
            metrics.COMMITMENTS.labels(destination, "kept" if is_kept else "lacking").inc(count)
