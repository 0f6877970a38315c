"""Keeps pynetdicom's two threads of an association asleep until one of them has something to do."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from pynetdicom.association import Association


class WakingQueue(queue.Queue[Any]):
    """What pynetdicom's other thread has to send; it wakes the sending thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """As in the base class."""
        super().put(item, block, timeout)
        self._wake()


class ReactorGate(threading.Event):
    """Stands where pynetdicom's association thread pauses, and keeps it there until it has something to do."""

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association
        self.work = threading.Event()
        super().set()

    def set(self) -> None:
        """Let the thread look for work."""
        super().set()
        self.work.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Called by the association's thread before each of its rounds."""
        while not self._has_work():
            self.work.wait(1.0)
            self.work.clear()
        return super().wait(timeout)

    def _has_work(self) -> bool:
        association, dul = self._association, self._association.dul
        if not dul.is_alive():
            return True
        if association._kill:  # noqa: SLF001
            # This thread closes the socket when it ends: not before the A-ABORT is out.
            return dul.state_machine.current_state in ("Sta1", "Sta13")
        waiting = association.dimse.msg_queue.queue or dul.to_user_queue.queue
        return bool(waiting or dul.idle_timer_expired() or dul._kill_thread)  # noqa: SLF001
