"""Distinguishes faults of the node from faults of an image; all images wait while the node is at fault.

An image is given up, and reported as NOT_ASSESSED, only after the canary passed. If the canary fails, or several
different images in a row failed alike, the node is at fault: no image is given up until the canary passes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from miqa_node.errors import ResourcesError
from miqa_node.observe import metrics
from miqa_node.observe.steady_thread import SteadyThread

log = structlog.get_logger(__name__)

RECENT_S = 5.0
"""A canary that passed this recently need not be judged again after an image failed."""
STUCK_AFTER_S = 600.0
"""The canary counts as hanging if it is not judged within this time."""
RETRY_S = 10.0
"""Interval between canaries while images wait."""


class NodeFaults:
    """Faults of one process. Thread-safe.

    ``limit`` different images in a row that fail alike are a fault of the node. ``interval_s`` is the time between
    canaries in normal operation; with 0 the canary is judged only if images fail. ``announce`` is called with the
    reason when images begin to wait, and with an empty one when the canary passes; repeated after a ResourcesError.
    """

    def __init__(
        self,
        canary: Callable[[], None],
        limit: int,
        interval_s: float,
        announce: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._canary, self._limit, self._interval_s = canary, limit, interval_s
        self._announce = announce
        self._announced: bool | None = None
        self._lock, self._canary_lock = threading.Lock(), threading.Lock()
        self._reason = ""
        self._fault = ""
        self._failed: set[str] = set()
        self._cleared = ""
        self._passed_at = float("-inf")
        self._awake = threading.Event()
        self._thread = SteadyThread("canary", self._run, STUCK_AFTER_S)
        self.threads = (self._thread,)

    def start(self) -> None:
        """Start the canary thread."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._thread.stopping.set()
        self._awake.set()
        self._thread.stop()

    def check(self) -> None:
        """ResourcesError with the reason while images wait."""
        if self._reason:
            raise ResourcesError(self._reason)

    def succeeded(self) -> None:
        """Record that an image was judged: earlier failures were not the node's fault."""
        with self._lock:
            self._fault, self._cleared, self._failed = "", "", set()

    def blame(self, image: str, fault: str) -> None:
        """Check before an image is given up because of a fault; ResourcesError if the node is at fault.

        Images that fail alike again after the canary passed are to blame, until one is judged. Without ``fault`` only
        the canary counts.
        """
        self.check()
        with self._lock:
            if fault != self._fault:
                self._fault, self._failed = fault, set()
            self._failed.add(image)
            alike = len(self._failed) if fault and fault != self._cleared else 0
        reason = self._try_canary(fresh=bool(fault))
        if not reason and alike >= self._limit:
            reason = f"{alike} different images in a row failed alike: {fault}."
        if reason:
            self._pause(reason)
            raise ResourcesError(reason)

    def _run(self) -> None:
        while self._thread.goes_on(RETRY_S if self._reason else self._interval_s or None, self._awake):
            self._awake.clear()
            if self._reason:
                self._tell(is_paused=True)
                if self._thread.stopping.wait(RETRY_S):
                    return
            self._look()

    def _look(self) -> None:
        reason = self._try_canary(fresh=True)
        if reason:
            self._pause(reason)
            return
        if self._reason:
            with self._lock:
                self._reason, self._cleared, self._failed = "", self._fault, set()
            metrics.PAUSED.set(0)
            log.warning("images are judged again: the test image passed")
        self._tell(is_paused=False)

    def _tell(self, *, is_paused: bool) -> None:
        if self._announced is is_paused:
            return
        try:
            self._announce(self._reason if is_paused else "")
        except ResourcesError as error:
            log.warning("that images wait, or no longer, could not be announced; it is tried again", error=str(error))
        else:
            self._announced = is_paused

    def _pause(self, reason: str) -> None:
        with self._lock:
            is_new, self._reason = not self._reason, reason
        if is_new:
            metrics.PAUSED.set(1)
            self._awake.set()
            log.error("images wait until the node can judge again; none is given up", reason=reason)

    def _try_canary(self, *, fresh: bool = False) -> str:
        """Why the canary failed; empty if it passed."""
        asked_at = time.monotonic()
        with self._canary_lock:
            if self._passed_at >= asked_at or (not fresh and asked_at - self._passed_at < RECENT_S):
                return ""
            try:
                self._canary()
            except ResourcesError as error:
                return str(error)
            self._passed_at = time.monotonic()
            return ""
