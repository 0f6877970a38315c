"""An archive that coerces, refuses and loses, as tests of a destination's trial need it: a real SCP with searches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association

from miqa_node.stages.deliver.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE
from miqa_node.stages.deliver.retrieval import FIND
from tests.waiting import delay

UNIQUE = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


class CoercingArchive:
    """``status`` answers a C-STORE, ``keep`` changes or loses (None) what is held, ``find_status`` ends a search."""

    def __init__(self) -> None:
        self.status: Callable[[Dataset], int] = lambda ds: 0x0000
        self.keep: Callable[[Dataset], Dataset | None] = lambda ds: ds
        self.find_status: Callable[[str], int] = lambda level: 0x0000
        self.arrivals: list[Dataset] = []
        self.stored: dict[str, Dataset] = {}
        self.callers: set[str] = set()
        self.syntaxes: set[UID] = set()
        self.reports = True
        self.port = 0

    def store(self, event: evt.Event) -> int:
        ds = dcmread(BytesIO(event.encoded_dataset()))
        self.callers.add(event.assoc.requestor.ae_title)
        self.syntaxes.add(event.context.transfer_syntax)
        self.arrivals.append(ds)
        status, held = self.status(ds), self.keep(ds)
        if held is not None and (status == 0 or status >> 12 == 0xB):
            self.stored[str(ds.SOPInstanceUID)] = held
        return status

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        if self.find_status(query.QueryRetrieveLevel):
            yield self.find_status(query.QueryRetrieveLevel), None
            return
        unique, answers = UNIQUE[query.QueryRetrieveLevel], set()
        for ds in self.stored.values():
            keys = [element for element in query if element.keyword not in ("QueryRetrieveLevel", "")]
            if ds[unique].value in answers or any(e.value and str(ds.get(e.keyword)) != str(e.value) for e in keys):
                continue
            answers.add(ds[unique].value)
            answer = Dataset()
            for element in keys:
                setattr(answer, element.keyword, ds.get(element.keyword))
            yield 0xFF00, answer

    def action(self, event: evt.Event) -> tuple[int, None]:
        if self.reports:
            threading.Thread(target=self._report, args=(event.assoc, event.action_information), daemon=True).start()
        return 0x0000, None

    def _report(self, association: Association, request: Dataset) -> None:
        delay(0.05)  # the answer goes before it
        report, lacking = Dataset(), []
        report.TransactionUID, report.ReferencedSOPSequence = request.TransactionUID, []
        for item in request.ReferencedSOPSequence:
            if item.ReferencedSOPInstanceUID in self.stored:
                report.ReferencedSOPSequence.append(item)
            else:
                item.FailureReason = 0x0112
                lacking.append(item)
        if lacking:
            report.FailedSOPSequence = lacking
        association.send_n_event_report(report, 2 if lacking else 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)


@contextmanager
def coercing_archive(sop_classes: list[str], *more: str) -> Iterator[CoercingArchive]:
    """It takes these storage classes; ``more`` are FIND and PUSH_MODEL where it has them."""
    peer, ae = CoercingArchive(), AE("PACS")
    for sop_class in (*dict.fromkeys(sop_classes), *more):
        ae.add_supported_context(sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    handlers: list[Any] = [
        (evt.EVT_C_STORE, peer.store), (evt.EVT_C_FIND, peer.find), (evt.EVT_N_ACTION, peer.action)
    ]  # fmt: skip
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    peer.port = server.server_address[1]
    try:
        yield peer
    finally:
        ae.shutdown()


ALL = [FIND, PUSH_MODEL]
