"""The threads that take jobs from the queue. They belong to its library, which cannot restart them."""

from __future__ import annotations

import threading

# The library restarts the threads of single queues; the thread that does so has no name.
_MANAGER = "(queue_thread)"


class QueueThreads:
    """The supervisor's view of the queue. Create it after the queue was launched."""

    name = "queue"

    def __init__(self) -> None:
        self._threads = [thread for thread in threading.enumerate() if _MANAGER in thread.name]

    def trouble(self) -> str:
        """Why no jobs are taken; empty if they are."""
        dead = any(not thread.is_alive() for thread in self._threads)
        return "The thread of the job queue has ended: no image is judged." if dead else ""

    def heal(self) -> None:
        """Do nothing: only a new process helps."""
