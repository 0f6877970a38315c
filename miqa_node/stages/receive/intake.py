"""Takes in objects from all sources, and determines the response for their senders."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from miqa_node.core.domain.instance import ReceivedObject, is_uid
from miqa_node.core.observe import metrics
from miqa_node.core.settings import DicomSettings
from miqa_node.core.taxonomy.anatomy import STANDARD, Anatomy
from miqa_node.dicom.bytes.headers import HeaderReader
from miqa_node.errors import MiqaError, ResourcesError, TooLargeError
from miqa_node.stages.receive.incoming import Bytes, IncomingObject, StoreRequest, remove_leftovers
from miqa_node.stages.receive.statuses import OUT_OF_RESOURCES, SUCCESS, comment_of, status_of

log = structlog.get_logger(__name__)

CHECK_INTERVAL_S = 1.0
"""Minimum interval between checks of disk space and database."""

HasRoom = Callable[[], bool]
Keep = Callable[[ReceivedObject], None]
"""Stores a complete object; when it returns, the object is durable."""
Count = Callable[[str, float], None]
"""Counts an answered C-STORE: its status, and the seconds from its last byte to the answer."""


def count_answer(status: str, seconds: float) -> None:
    """Count it in the metrics of this process."""
    metrics.CSTORE_RECEIVED.labels(status).inc()
    metrics.CSTORE_RECEIVE_SECONDS.observe(seconds)


def always_room() -> bool:
    """For a disk that is not limited."""
    return True


@dataclass(frozen=True, slots=True)
class StoreResponse:
    """Status and Error Comment of a C-STORE response; ``lasting`` if a repetition would get the same response."""

    status: int
    comment: str = ""
    lasting: bool = False


class Intake:
    """The one entry of a process for all objects: checks for disk space, and counts transfers in progress."""

    def __init__(
        self,
        folder: Path,
        receive: Callable[[ReceivedObject], None],
        check: Callable[[], None],
        max_bytes: int,
        *,
        relaxed_uids: bool = False,
        anatomy: Anatomy = STANDARD,
        has_room: HasRoom = always_room,
        is_first: bool = True,
    ) -> None:
        """``check`` raises ResourcesError while nothing can be stored; ``has_room`` asks more often, the disk only.

        The first intake of a node removes what killed processes have left.
        """
        self.has_room = has_room
        self._folder = folder
        self._receive = receive
        self._check = check
        self._max_bytes = max_bytes
        self.headers = HeaderReader(relaxed=relaxed_uids, anatomy=anatomy)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._under_way = 0
        self._checked_at = self._ended_at = self._closed_at = float("-inf")
        self._refusal: ResourcesError | None = None
        self._closed = threading.Event()
        self.diverts: Callable[[ReceivedObject], bool] = lambda _received: False
        """Takes what somebody asked for, so that it goes no further; an object in doubt goes the ordinary way."""
        self.has_company: Callable[[], bool] = lambda: False
        """Whether other processes of this node receive now."""
        folder.mkdir(parents=True, exist_ok=True)
        if is_first:
            self.remove_leftovers()

    @classmethod
    def of(
        cls,
        settings: DicomSettings,
        folder: Path,
        receive: Callable[[ReceivedObject], None],
        check: Callable[[], None],
        *,
        anatomy: Anatomy = STANDARD,
        has_room: HasRoom = always_room,
        is_first: bool = True,
    ) -> Self:
        """The intake with the limits and leniency of the settings."""
        limit, relaxed = settings.max_object_bytes, settings.relaxed_uids
        return cls(
            folder, receive, check, limit, relaxed_uids=relaxed, anatomy=anatomy, has_room=has_room, is_first=is_first
        )

    def remove_leftovers(self) -> None:
        """Remove unanswered files of processes that have ended."""
        remove_leftovers(self._folder)

    def open(self) -> None:
        """Accept objects (again)."""
        self._closed.clear()

    def close(self) -> None:
        """Refuse new objects, so senders stop; transfers in progress may finish."""
        if not self._closed.is_set():
            self._closed_at = time.monotonic()
            self._closed.set()

    def finish(self, timeout_s: float) -> bool:
        """Close, and wait until no transfer is in progress, at most until ``timeout_s`` after the first closing."""
        self.close()
        return self.wait_idle(max(0.0, self._closed_at + timeout_s - time.monotonic()))

    def begin(self, request: StoreRequest, keep: Keep | None = None, count: Count = count_answer) -> Transfer:
        """Begin a C-STORE whose data set follows; ``keep`` stores it in place of this intake."""
        with self._lock:
            self._under_way += 1
        return Transfer(self, request, keep or self.keep, count)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no transfer is in progress; False if that takes too long."""
        with self._idle:
            return self._idle.wait_for(lambda: self._under_way == 0, timeout_s)

    @property
    def idle_s(self) -> float:
        """Seconds since the last transfer ended."""
        return time.monotonic() - self._ended_at

    def open_file(self, request: StoreRequest) -> IncomingObject:
        """A file for one object; ResourcesError without enough space."""
        self.check()
        return IncomingObject(
            self._folder,
            request,
            self._max_bytes,
            self.headers,
            is_alone=self._under_way == 1 and not self.has_company(),
            check_room=self._check_room,
        )

    def check(self) -> None:
        """Raise ResourcesError while the node takes no objects: it stops, or lacks space or database."""
        if self._closed.is_set():
            raise ResourcesError("The node is stopping.")
        self._check_if_due(is_short=not self.has_room())

    def _check_room(self) -> None:
        """The same for an object under way, if the disk has become full."""
        if not self.has_room():
            self._check_if_due(is_short=True)

    def _check_if_due(self, *, is_short: bool) -> None:
        now, is_new = time.monotonic(), is_short and self._refusal is None
        with self._lock:
            due = is_new or now - self._checked_at >= CHECK_INTERVAL_S
            if due:
                self._checked_at = now
        if due:
            try:
                self._check()
                self._refusal = None
            except ResourcesError as refusal:
                self._refusal = refusal
        refusal_now = self._refusal
        if refusal_now is not None:
            raise ResourcesError(str(refusal_now))

    def keep(self, received: ReceivedObject) -> None:
        """Store a complete object; when this returns, it is durable."""
        if received.move is None or not self.diverts(received):
            self._receive(received)

    def ended(self) -> None:
        """Record the end of one transfer."""
        with self._idle:
            self._under_way -= 1
            self._ended_at = time.monotonic()
            self._idle.notify_all()


class Transfer:
    """One C-STORE. The first error determines the response; later data are discarded.

    ``end`` must be called once the response is sent, or when the association ends before that.
    """

    def __init__(self, intake: Intake, request: StoreRequest, keep: Keep, count: Count) -> None:
        self._intake, self._keep, self._count = intake, keep, count
        self._request = request
        self._incoming: IncomingObject | None = None
        self.error: Exception | None = None
        """Why the object is refused."""
        self.received: ReceivedObject | None = None
        """The object, once it is durable."""
        self._over = False
        try:
            self._incoming = intake.open_file(request)
        except Exception as error:  # noqa: BLE001 - the sender must get a response in any case
            self.error = error

    def write(self, parts: Sequence[Bytes]) -> None:
        """Write more bytes of the data set."""
        if self._incoming is None:
            return
        try:
            self._incoming.write(parts)
        except Exception as error:  # noqa: BLE001
            self.error = error
            self._close()

    def finish(self) -> StoreResponse:
        """The data set is complete: make it durable. Only then does the node respond with success."""
        start = time.perf_counter()
        try:
            if self._incoming is not None:
                received = self._incoming.complete()
                self._keep(received)
                self.received = received
        except Exception as error:  # noqa: BLE001
            self.error = error
        self._close()
        answer = self._answer()
        self._count(f"{answer.status:04X}", time.perf_counter() - start)
        return answer

    def end(self) -> None:
        """End the transfer: nothing of the object stays in the incoming folder, and the node may stop."""
        if self._over:
            return
        self._over = True
        self._close()
        self._intake.ended()

    def _close(self) -> None:
        if self._incoming is not None:
            self._incoming.discard()
            self._incoming = None

    def _answer(self) -> StoreResponse:
        error = self.error
        if error is None:
            return StoreResponse(SUCCESS)
        status = status_of(error)
        request = self._request
        facts = {
            "status": f"{status:04X}",
            "calling_ae": request.calling_ae_title,
            "peer": request.peer_address,
            "sop_class_uid": request.sop_class_uid if is_uid(request.sop_class_uid) else "",
            "error": type(error).__name__,
        }
        if isinstance(error, MiqaError):
            log.warning("object refused", reason=str(error), **facts)
        elif status == OUT_OF_RESOURCES:
            log.error("object refused", reason=getattr(error, "strerror", None) or "out of memory", **facts)
        else:
            # The message of an unexpected error may quote the data set, so only its type and place are logged.
            log.error("object refused", where="".join(traceback.format_tb(error.__traceback__)), **facts)
        return StoreResponse(
            status, comment_of(error), lasting=status != OUT_OF_RESOURCES or isinstance(error, TooLargeError)
        )
