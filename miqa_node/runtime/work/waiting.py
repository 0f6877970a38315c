"""Work that waits for a disk, the database or the object store: readiness, a metric and an alert say so."""

from __future__ import annotations

import threading
import time

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe import metrics
from miqa_node.errors import ResourcesError

PATIENCE_S = 10.0
"""A stage that waits longer makes the process not ready; shorter waits are ordinary, such as those in a flood."""


class WaitingStages:
    """The stages of this process that wait, and for what. Thread-safe."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._waiting: dict[InstanceDigest, tuple[float, str]] = {}

    def note(self, digest: InstanceDigest, error: Exception) -> None:
        """A stage could not be finished for want of a resource, and is tried again."""
        reason = str(error) if isinstance(error, ResourcesError) else ""
        if isinstance(error, OSError):  # without the name of the file, which may identify a patient
            reason = Phrase(
                "An image waits, the disk answers: {strerror}.", strerror=error.strerror or type(error).__name__
            )
        with self._lock:
            since, _ = self._waiting.get(digest, (time.monotonic(), ""))
            self._waiting[digest] = since, reason or Phrase("An image waits: {name}.", name=type(error).__name__)
        self._count()

    def forget(self, digest: InstanceDigest) -> None:
        """The stage waits no longer."""
        with self._lock:
            has_waited = self._waiting.pop(digest, None) is not None
        if has_waited:
            self._count()

    def check(self) -> None:
        """ResourcesError with what the stage waits for that has waited longest, if it is too long."""
        if long := self._too_long():
            raise ResourcesError(min(long)[1])

    def _too_long(self) -> list[tuple[float, str]]:
        oldest = time.monotonic() - self._patience_s
        with self._lock:
            return [one for one in self._waiting.values() if one[0] <= oldest]

    def _count(self) -> None:
        metrics.STAGES_WAITING.set(len(self._too_long()))
