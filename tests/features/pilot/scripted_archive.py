"""An archive of pynetdicom, a peer that plays what real ones seldom do: refuse, be slow, send others, hang up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from miqa_node.stages.deliver.pulling import MOVE
from miqa_node.stages.deliver.retrieval import FIND, GET
from tests.conftest import free_port
from tests.stages.assess.making import CR
from tests.waiting import delay

LEVELS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


class ScriptedArchive:
    """Holds images. ``faults`` are statuses, "other" or "abort" by SOP Instance UID; ``answer_s`` says how slow it is.

    By C-MOVE it names itself as Move Originator, as pynetdicom does, and not who asked.
    """

    def __init__(self, images: Sequence[Dataset]) -> None:
        self.images = list(images)
        self.faults: dict[str, int | str] = {}
        self.answer_s: Callable[[int], float] = lambda _gets: 0.0
        self.recovers_after = 10_000
        """So many images were asked for when the faults end."""
        self.gets: list[str] = []
        """SOP Instance UIDs in the order in which they were asked for."""
        self.port = free_port()
        self.node: tuple[str, int] = ("127.0.0.1", 0)
        """Where it sends by C-MOVE."""
        self.late_s = 0.0
        """How long after its answer to a C-MOVE it sends, naming who asked as Move Originator."""

    @contextmanager
    def serving(self, *, get: bool = True) -> Iterator[ScriptedArchive]:
        """Answer until the end of the block; without ``get`` no C-GET."""
        ae = AE("ARCHIVE")
        for service in (FIND, MOVE, *([GET] if get else [])):
            ae.add_supported_context(service)
        ae.add_supported_context(CR, scu_role=True, scp_role=True)
        ae.add_requested_context(CR)
        handlers: list[Any] = [
            (evt.EVT_C_FIND, self._find), (evt.EVT_C_GET, self._get), (evt.EVT_C_MOVE, self._move),
        ]  # fmt: skip
        server: Any = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        try:
            yield self
        finally:
            server.shutdown()

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        delay(self.answer_s(len(self.gets)))
        query, matches = event.identifier, dict[str, Dataset]()
        level = LEVELS[query.QueryRetrieveLevel]
        for image in self.images:
            keys = [e for e in query if e.value and e.keyword not in ("QueryRetrieveLevel", "ModalitiesInStudy")]
            if all(str(image.get(key.keyword, "")) == str(key.value) for key in keys):
                matches[image[level].value] = image
        for image in matches.values():
            match = Dataset()
            for element in query:
                setattr(match, element.keyword, image.get(element.keyword, ""))
            match.QueryRetrieveLevel = query.QueryRetrieveLevel
            yield 0xFF00, match

    def _get(self, event: Any) -> Iterator[Any]:
        [image] = [one for one in self.images if one.SOPInstanceUID == event.identifier.SOPInstanceUID]
        self.gets.append(str(image.SOPInstanceUID))
        fault = self.faults.get(str(image.SOPInstanceUID)) if len(self.gets) <= self.recovers_after else None
        yield 1
        if isinstance(fault, int):
            yield fault, None
        elif fault == "abort":
            event.assoc.abort()
        elif fault == "other":
            yield 0xFF00, next(one for one in self.images if one is not image)
        else:
            yield 0xFF00, image

    def _move(self, event: Any) -> Iterator[Any]:
        yield self.node
        [image] = [one for one in self.images if one.SOPInstanceUID == event.identifier.SOPInstanceUID]
        if self.late_s:
            origin = event.assoc.requestor.ae_title, event.request.MessageID
            threading.Timer(self.late_s, self._send, (image, *origin)).start()
            yield 0
            return
        yield 1
        yield 0xFF00, image

    def _send(self, image: Dataset, originator: str, message_id: int) -> None:
        ae = AE("ARCHIVE")
        ae.add_requested_context(image.SOPClassUID, image.file_meta.TransferSyntaxUID)
        link = ae.associate(*self.node, ae_title="MIQA")
        link.send_c_store(image, originator_aet=originator, originator_id=message_id)
        link.release()
