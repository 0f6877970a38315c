"""Distinguishes faults of the node from faults of an image; what the node is to blame for waits.

An image is given up, and reported as NOT_ASSESSED, only after the canary passed. While the canary fails, no image is
given up. Several different images in a row that fail alike are stronger evidence than a canary that passes: each
image that fails so waits, and is tried again and again, until an image is judged, or for a day.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable

import structlog

from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe import metrics
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.errors import MiqaError, ResourcesError

log = structlog.get_logger(__name__)

RECENT_S = 5.0
"""A canary that passed this recently need not be judged again after an image failed."""
STUCK_AFTER_S = 600.0
"""The canary counts as hanging if it is not judged within this time."""
RETRY_S = 10.0
"""Interval between canaries while images wait."""
HOLD_S = 24 * 3600.0
"""Images that failed alike wait for a day at most, so that people can mend the node."""


class NodeFaults:
    """Faults of one process. Thread-safe.

    ``limit`` different images in a row that fail alike are a fault of the node, for ``hold_s``: then the canary is
    believed, so that one sender's damaged images do not wait for ever. ``interval_s`` is the time between canaries in
    normal operation; with 0 the canary is judged only if images fail. ``announce`` is called with the reason when
    images begin to wait, and with an empty one when none waits any more; repeated after a ResourcesError.
    """

    def __init__(
        self,
        canary: Callable[[], None],
        limit: int,
        interval_s: float,
        announce: Callable[[str], None] = lambda _reason: None,
        hold_s: float = HOLD_S,
    ) -> None:
        self._canary, self._limit, self._interval_s = canary, limit, interval_s
        self._announce, self._hold_s = announce, hold_s
        self._announced: bool | None = None
        self._lock, self._canary_lock = threading.Lock(), threading.Lock()
        self._reason = ""
        self._failed: defaultdict[str, set[str]] = defaultdict(set)
        self._held, self._held_since = "", 0.0
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
        if reason := self._reason or self._held:
            raise ResourcesError(reason)

    def admit(self) -> None:
        """ResourcesError with the reason while no image can be judged. Images that failed alike may be tried again."""
        if self._reason:
            raise ResourcesError(self._reason)

    def pause(self, reason: str) -> None:
        """Let all images wait until the canary passes."""
        with self._lock:
            is_new, self._reason = not self._reason, reason
        if is_new:
            log.error("images wait until the node can judge again; none is given up", reason=reason)
            self._show_soon()

    def succeeded(self) -> None:
        """Record that an image was judged: earlier failures were not the node's fault."""
        with self._lock:
            self._failed.clear()
            was_held, self._held, self._held_since = self._held, "", 0.0
        if was_held:
            log.warning("images that failed alike wait no longer: an image was judged")
            self._show_soon()

    def blame(self, image: str, fault: str) -> None:
        """Check before an image is given up because of a fault; ResourcesError if the node is at fault.

        Without ``fault`` only the canary counts.
        """
        self.admit()
        if reason := self._try_canary(fresh=bool(fault)):
            self.pause(reason)
        elif fault:
            reason = self._hold(image, fault)
        if reason:
            raise ResourcesError(reason)

    def _hold(self, image: str, fault: str) -> str:
        """Why an image waits with those that failed alike; empty if they are few, or waited long enough."""
        now = time.monotonic()
        with self._lock:
            self._failed[fault].add(image)
            alike = len(self._failed[fault])
            if alike < self._limit:
                return ""
            before, self._held_since = self._held, self._held_since or now
            is_over = now - self._held_since > self._hold_s
            self._held = (
                ""
                if is_over
                else Phrase("{alike} different images in a row failed alike: {fault}.", alike=alike, fault=fault)
            )
            reason = self._held
        if bool(before) is not bool(reason):
            log.error("images that fail alike wait" if reason else "images that fail alike are given up", fault=fault)
            self._show_soon()
        return reason

    def _run(self) -> None:
        while self._thread.goes_on(RETRY_S if self._reason else self._interval_s or None, self._awake):
            self._awake.clear()
            self._tell()
            if self._reason and self._thread.stopping.wait(RETRY_S):
                return
            self._look()

    def _look(self) -> None:
        if reason := self._try_canary(fresh=True):
            self.pause(reason)
            return
        if self._reason:
            with self._lock:
                self._reason = ""
            metrics.PAUSED.set(bool(self._held))
            log.warning("images are judged again: the test image passed")
        self._tell()

    def _show_soon(self) -> None:
        """Show in the metric at once that images wait or no longer do, and announce it from the canary's thread."""
        metrics.PAUSED.set(bool(self._reason or self._held))
        self._awake.set()

    def _tell(self) -> None:
        reason = self._reason or self._held
        if self._announced is bool(reason):
            return
        try:
            self._announce(reason)
        except ResourcesError as error:
            log.warning("that images wait, or no longer, could not be announced; it is tried again", error=str(error))
        else:
            self._announced = bool(reason)

    def _try_canary(self, *, fresh: bool = False) -> str:
        """Why the canary failed; empty if it passed."""
        asked_at = time.monotonic()
        with self._canary_lock:
            if self._passed_at >= asked_at or (not fresh and asked_at - self._passed_at < RECENT_S):
                return ""
            try:
                self._canary()
            except MiqaError as error:
                return str(error)
            self._passed_at = time.monotonic()
            return ""
