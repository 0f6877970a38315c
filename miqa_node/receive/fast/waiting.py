"""Lets pynetdicom's two threads of an association sleep until they have something to do."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from pynetdicom.association import Association


class WakingQueue(queue.Queue[Any]):
    """Queue of the data that pynetdicom's other thread sends; a new entry wakes the sending thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """As in the base class."""
        super().put(item, block, timeout)
        self._wake()


class ReactorGate(threading.Event):
    """Replaces the pause of pynetdicom's association thread, and blocks it until it has something to do."""

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association
        self.work = threading.Event()
        super().set()

    def set(self) -> None:
        """Let the thread check for work."""
        super().set()
        self.work.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Called by the association's thread before each round of its loop."""
        while not self._has_work():
            self.work.wait(1.0)
            self.work.clear()
        return super().wait(timeout)

    def _has_work(self) -> bool:
        association, dul = self._association, self._association.dul
        if not dul.is_alive():
            return True
        if association._kill:  # noqa: SLF001
            # This thread closes the socket when it ends: wait until the A-ABORT is sent.
            return dul.state_machine.current_state in ("Sta1", "Sta13")
        waiting = association.dimse.msg_queue.queue or dul.to_user_queue.queue
        return bool(waiting or dul.idle_timer_expired() or dul._kill_thread)  # noqa: SLF001
