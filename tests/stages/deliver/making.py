"""An outbox in memory, results to deliver, and SCPs that behave as tests need."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, cast

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, BasicTextSRStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.transport import ThreadedAssociationServer

from miqa_node.core.domain.delivery import (
    SR,
    CommitmentReport,
    Delivery,
    DeliveryId,
    DeliveryState,
    ResultKind,
    ResultObject,
)
from miqa_node.errors import DeliveryError
from miqa_node.stages.deliver.kinds.base import Destination
from miqa_node.stages.receive.contexts import VERIFICATION
from miqa_node.stages.report.lower import lower_class

File = tuple[str, str, bytes]
"""SOP class UID, SOP instance UID, DICOM file."""
Event = tuple[str, bytes]
"""Identifier and JSON."""


def report(sop_class: str = BasicTextSRStorage) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = UID(sop_class)
    ds.SOPInstanceUID = generate_uid()
    ds.StudyInstanceUID = generate_uid()
    ds.SeriesInstanceUID = generate_uid()
    ds.Modality = "SR"
    ds.PatientName = "Phantom^Test"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def as_file(ds: Dataset) -> File:
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return str(ds.SOPClassUID), str(ds.SOPInstanceUID), out.getvalue()


def outcomes(destination: Destination, *items: File | Event) -> list[DeliveryError | None]:
    """What came of sending each in order; None is success."""
    return [_outcome(destination, item) for item in items]


def _outcome(destination: Destination, item: File | Event) -> DeliveryError | None:
    try:
        if len(item) == 3:
            destination.send_one(*item)
        else:
            destination.send_event(*item)
    except DeliveryError as error:
        return error
    return None


class MemoryOutbox:
    """The outbox as a list: what the database does, without one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[int, Delivery] = {}
        self._data: dict[str, bytes] = {}
        self._leases: dict[int, datetime] = {}
        self._commit_at: dict[int, datetime] = {}
        self.transactions: list[tuple[str, list[DeliveryId]]] = []
        self.reports: list[CommitmentReport] = []
        self.broken = False

    def put(
        self,
        destination: str,
        ds: Dataset | None = None,
        kind: ResultKind = SR,
        failing_since: datetime | None = None,
    ) -> DeliveryId:
        sop_class, uid, data = as_file(ds or report())
        with self._lock:
            number = DeliveryId(len(self._rows) + 1)
            result = ResultObject(uid, sop_class, kind, f"results/{uid}.dcm")
            self._data[result.object_key] = data
            now = datetime.now(UTC)
            self._rows[number] = Delivery(
                number, destination, result, DeliveryState.QUEUED, 0, now, failing_since=failing_since
            )
        return number

    def row(self, number: int) -> Delivery:
        with self._lock:
            return self._rows[number]

    def result(self, number: int) -> ResultObject:
        """What this delivery sends, which is no event."""
        item = self.row(number).item
        assert isinstance(item, ResultObject)
        return item

    def states(self) -> list[DeliveryState]:
        with self._lock:
            return [row.state for row in self._rows.values()]

    def leased(self) -> int:
        with self._lock:
            return sum(until > datetime.now(UTC) for until in self._leases.values())

    def _due(self, destination: str) -> list[Delivery]:
        if self.broken:
            raise RuntimeError("database is away")
        now = datetime.now(UTC)
        rows = [
            row
            for row in self._rows.values()
            if row.destination == destination
            and row.state is DeliveryState.QUEUED
            and row.next_attempt_at <= now
            and self._leases.get(row.delivery_id, now) <= now
        ]
        return sorted(rows, key=lambda row: (row.next_attempt_at, row.delivery_id))

    def due(self, destination: str) -> bool:
        with self._lock:
            return bool(self._due(destination))

    def claim(self, destination: str, limit: int, lease_s: float) -> Sequence[Delivery]:
        with self._lock:
            rows = self._due(destination)[:limit]
            for row in rows:
                self._leases[row.delivery_id] = datetime.now(UTC) + timedelta(seconds=lease_s)
            return rows

    def data(self, delivery: Delivery) -> bytes:
        return self._data[self.result(delivery.delivery_id).object_key]

    def lose(self, number: int) -> None:
        del self._data[self.result(number).object_key]

    def sent(self, notes: Mapping[DeliveryId, str], *, commit: bool = False) -> None:
        for number in notes:
            self._change(number, state=DeliveryState.SENT, last_error="")
            if commit:
                self._commit_at[number] = datetime.now(UTC)

    def claim_uncommitted(self, destination: str, limit: int, lease_s: float) -> Sequence[Delivery]:
        now = datetime.now(UTC)
        with self._lock:
            due = [number for number, at in self._commit_at.items() if at <= now][:limit]
            for number in due:
                self._commit_at[number] = now + timedelta(seconds=lease_s)
            return [self._rows[number] for number in due if self._rows[number].destination == destination]

    def commitment_asked(self, delivery_ids: Sequence[DeliveryId], transaction_uid: str, again_at: datetime) -> None:
        with self._lock:
            self.transactions.append((transaction_uid, list(delivery_ids)))
            self._commit_at |= dict.fromkeys(delivery_ids, again_at)

    def commitment_failed(self, delivery_ids: Sequence[DeliveryId], error: str, retry_at: datetime | None) -> None:
        with self._lock:
            for number in delivery_ids:
                self._rows[number] = replace(self._rows[number], last_error=error)
                if retry_at is None:
                    del self._commit_at[number]
                else:
                    self._commit_at[number] = retry_at

    def commitment_reported(self, report: CommitmentReport) -> None:
        with self._lock:
            self.reports.append(report)
            for transaction_uid, numbers in self.transactions:
                if transaction_uid == report.transaction_uid and report.complete:
                    for number in numbers:
                        self._rows[number] = replace(self._rows[number], state=DeliveryState.COMMITTED)
                        self._commit_at.pop(number, None)

    def failed(self, delivery_id: DeliveryId, error: str, retry_at: datetime | None) -> None:
        if retry_at is None:
            self._change(delivery_id, state=DeliveryState.FAILED, last_error=error)
        else:
            since = self.row(delivery_id).failing_since or datetime.now(UTC)
            self._change(delivery_id, last_error=error, next_attempt_at=retry_at, failing_since=since)

    def expired(self, delivery_id: DeliveryId, error: str) -> None:
        self._change(delivery_id, state=DeliveryState.FAILED, last_error=error)

    def try_expired(self, destination: str) -> bool:
        return False

    def release(self, delivery_ids: Sequence[DeliveryId]) -> None:
        with self._lock:
            for number in delivery_ids:
                self._leases.pop(number, None)

    def lower(self, delivery: Delivery) -> bool:
        old = self.result(delivery.delivery_id)
        made = lower_class(self._data[old.object_key])
        if made is None:
            return False
        sop_class_uid, uid, data = made
        result = ResultObject(uid, sop_class_uid, old.kind, f"results/{uid}.dcm")
        with self._lock:
            self._data[result.object_key] = data
            self._rows[delivery.delivery_id] = replace(self._rows[delivery.delivery_id], item=result)
            self._leases.pop(delivery.delivery_id, None)
        return True

    def _change(self, number: DeliveryId, **changes: Any) -> None:
        with self._lock:
            row = self._rows[number]
            self._rows[number] = replace(row, attempts=row.attempts + 1, **changes)
            self._leases.pop(number, None)


class Pacs:
    """A storage SCP under test control; ``answer`` gives the status for each data set."""

    def __init__(self) -> None:
        self.answer: Callable[[evt.Event], int] = lambda event: 0x0000
        self.stored: list[tuple[str, bytes]] = []
        self.associations = 0
        self.port = 0
        self.ae = AE("PACS")

    def uids(self) -> list[str]:
        return [uid for uid, _ in self.stored]

    def _store(self, event: evt.Event) -> int:
        status = self.answer(event)
        if status in (0x0000, 0x0111) or status & 0xF000 == 0xB000:
            self.stored.append(
                (str(cast("C_STORE", event.request).AffectedSOPInstanceUID), event.encoded_dataset(include_meta=False))
            )
        return status

    def _count(self, event: evt.Event) -> None:
        self.associations += 1


@contextmanager
def pacs(
    port: int = 0,
    classes: Sequence[str] = (BasicTextSRStorage,),
    syntaxes: Sequence[str] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian),
    title: str = "PACS",
    require: bool = False,
) -> Iterator[Pacs]:
    peer = Pacs()
    peer.ae = AE(title)
    peer.ae.require_called_aet = require
    peer.ae.add_supported_context(VERIFICATION)
    for sop_class in classes:
        peer.ae.add_supported_context(sop_class, list(syntaxes))
    server = peer.ae.make_server(
        ("127.0.0.1", port),
        evt_handlers=[(evt.EVT_C_STORE, peer._store), (evt.EVT_ESTABLISHED, peer._count)],
        server_class=ThreadedAssociationServer,
    )
    peer.ae._servers.append(server)
    peer.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield peer
    finally:
        server.shutdown()
        for association in peer.ae.active_associations:
            association.abort()
