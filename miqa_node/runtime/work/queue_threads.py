"""The threads that take jobs from the queue. They belong to its library, which cannot restart them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

from miqa_node.errors import ResourcesError

# The library restarts the threads of single queues; the thread that does so has no name.
_MANAGER = "(queue_thread)"
STUCK_AFTER_S = 300.0
"""The queue counts as hanging if it does not poll for so long although the database answers."""


class QueueThreads:
    """The supervisor's view of the queue. Create it after the queue was launched; ``others`` ran before."""

    name = "queue"

    def __init__(
        self, polls: Callable[[], int], check_database: Callable[[], None], others: Collection[threading.Thread] = ()
    ) -> None:
        """``polls`` counts the queue's polls; ``check_database`` raises ResourcesError while none can succeed."""
        # Without those of a queue that has just been destroyed in this process: they are still ending.
        own = (thread for thread in threading.enumerate() if thread not in others)
        self._threads = [thread for thread in own if _MANAGER in thread.name]
        self._polls, self._check_database = polls, check_database
        self._last_count, self._last_sign_at = polls(), time.monotonic()

    def trouble(self) -> str:
        """Why no jobs are taken; empty if they are."""
        if any(not thread.is_alive() for thread in self._threads):
            return "The thread of the job queue has ended: no image is judged."
        if self._is_polling() or time.monotonic() - self._last_sign_at < STUCK_AFTER_S:
            return ""
        return f"The job queue hangs: it has not looked for jobs for {STUCK_AFTER_S:g} s."

    def heal(self) -> None:
        """Do nothing: only a new process helps."""

    def _is_polling(self) -> bool:
        """Whether the queue polled since the last look, or could not."""
        count, before = self._polls(), self._last_count
        if count == before:
            try:
                self._check_database()
            except ResourcesError:
                pass
            else:
                return False
        self._last_count, self._last_sign_at = count, time.monotonic()
        return True
