"""A minimal receiving PACS: a storage SCP that only writes received objects to a folder."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from pydicom import Dataset
from pynetdicom import AE, StoragePresentationContexts, VerificationPresentationContexts, evt
from pynetdicom.dimse_primitives import C_STORE

from miqa_node.core.network.connections import connection_of

SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700
AE_TITLE = "DEMOPACS"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One object in the PACS; ``arrived_at`` (``time.monotonic``) is 0 for objects of an earlier run."""

    modality: str
    sop_instance_uid: str
    path: Path
    arrived_at: float = 0.0


class ReceivingPacs:
    """Listens on the loopback address from ``start`` to ``stop``; files are named <Modality>-<SOP Instance UID>.dcm."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self._wanted_port = port
        self._arrivals: dict[str, Arrival] = {}
        self._reports: dict[str, Arrival] = {}
        self._lock = threading.Lock()
        self._ae = AE(AE_TITLE)
        self._ae.supported_contexts = [*StoragePresentationContexts, *VerificationPresentationContexts]
        self._ae.maximum_pdu_size = 0
        self.port = 0

    def start(self) -> None:
        """Bind the port, or any free one if it is taken, and serve in its own threads."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, _no_delay),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_ECHO, lambda _: SUCCESS),
        ]
        try:
            server = self._ae.start_server(("127.0.0.1", self._wanted_port), block=False, evt_handlers=handlers)
        except OSError:  # taken
            server = self._ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        if server is not None and server.socket is not None:
            self.port = int(server.socket.getsockname()[1])

    def stop(self) -> None:
        """Close every association and the port."""
        self._ae.shutdown()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def find(self, sop_instance_uid: str) -> Arrival | None:
        """The object with that UID: newly arrived, or in the folder since an earlier run."""
        with self._lock:
            arrival = self._arrivals.get(sop_instance_uid)
        if arrival is not None:
            return arrival
        path = next(iter(self.folder.glob(f"*-{sop_instance_uid}.dcm")), None)
        return Arrival(path.name.partition("-")[0], sop_instance_uid, path) if path else None

    def report_about(self, sop_instance_uid: str) -> Arrival | None:
        """The Structured Report, received since ``start``, that lists this image as evidence."""
        with self._lock:
            return self._reports.get(sop_instance_uid)

    def _store(self, event: evt.Event) -> int:
        dataset, uid = event.dataset, str(cast("C_STORE", event.request).AffectedSOPInstanceUID)
        modality = str(dataset.get("Modality", "OT"))
        path = self.folder / f"{modality}-{uid}.dcm"
        part = path.with_suffix(".part")
        try:
            part.write_bytes(event.encoded_dataset())
            part.replace(path)
        except OSError:
            return OUT_OF_RESOURCES
        arrival = Arrival(modality, uid, path, time.monotonic())
        with self._lock:
            self._arrivals[uid] = arrival
            if modality == "SR":
                self._reports |= dict.fromkeys(_evidence(dataset), arrival)
        return SUCCESS


def _evidence(report: Dataset) -> list[str]:
    """SOP Instance UIDs of Current Requested Procedure Evidence Sequence (PS3.3 C.17.2.3)."""
    return [
        str(instance.ReferencedSOPInstanceUID)
        for study in report.get("CurrentRequestedProcedureEvidenceSequence", ())
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]


def _no_delay(event: evt.Event) -> None:
    # Without it every response waits up to 40 ms for the acknowledgement of the previous one.
    connection_of(event.assoc).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
