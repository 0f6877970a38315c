"""Background work of a thread at intervals; it resumes once the database is back."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

import structlog

from miqa_node.core.observe.steady_thread import STUCK_AFTER_S, SteadyThread
from miqa_node.errors import ResourcesError

log = structlog.get_logger(__name__)


class RegularWork(ABC):
    """A thread that works every ``interval_s`` seconds; several processes may run it on the same database."""

    def __init__(self, name: str, interval_s: float, waits: str, stuck_after_s: float = STUCK_AFTER_S) -> None:
        """``waits`` is the log message while the database is unavailable; for ``stuck_after_s`` see SteadyThread.

        Work in batches may take longer if it reports each batch by ``self._thread.beat()``.
        """
        self._pause_s, self._waits = interval_s, waits
        self._awake = threading.Event()
        self._thread = SteadyThread(name, self._run, stuck_after_s)
        self._stopping = self._thread.stopping
        self.threads = (self._thread,)

    def start(self) -> None:
        """Start the thread."""
        self._awake.clear()
        self._thread.start()

    def stop(self) -> None:
        """Stop; the next poll in any process resumes unfinished work."""
        self._stopping.set()
        self._awake.set()
        self._thread.stop()

    def wake(self) -> None:
        """Let the thread work now."""
        self._awake.set()

    @abstractmethod
    def look(self) -> object:
        """Do the due work."""

    def _run(self) -> None:
        while self._thread.goes_on(self._pause_s, self._awake):
            self._awake.clear()
            try:
                self.look()
            except ResourcesError as error:
                log.warning(self._waits, error=str(error))
            except Exception:  # one failed poll must not stop the work forever
                log.exception("regular work failed, it goes on", work=self._thread.name)
