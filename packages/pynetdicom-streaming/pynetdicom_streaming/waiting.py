"""Lets pynetdicom's two threads of an association sleep until they have something to do, in both directions."""

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
    """Replaces the pause of pynetdicom's association thread, and blocks it until it has something to do.

    pynetdicom lets that thread pass, and then asks whether it is paused: a sender that clears the pause in between
    believes it asleep, and its answer is taken away. So ``clear`` returns only when the thread is back at the gate.
    """

    def __init__(self, association: Association, look_s: float) -> None:
        super().__init__()
        self.look_s = look_s
        """Polling interval of the thread if nothing wakes it."""
        self._association = association
        self._lock, self._is_back = threading.Lock(), threading.Event()
        self.work = threading.Event()
        super().set()

    def set(self) -> None:
        """Let the thread check for work."""
        super().set()
        self.work.set()

    def clear(self) -> None:
        """Pause the thread."""
        with self._lock:
            super().clear()
        association = self._association
        while association.is_alive() and association is not threading.current_thread() and not self._is_back.wait(0.1):
            pass

    def wait(self, timeout: float | None = None) -> bool:
        """Called by the association's thread before each round of its loop."""
        self._is_back.set()
        while True:
            while not self._has_work():
                self.work.wait(self.look_s)
                self.work.clear()
            super().wait(timeout)
            with self._lock:
                if self.is_set():
                    self._is_back.clear()
                    return True

    def _has_work(self) -> bool:
        association, dul = self._association, self._association.dul
        if not dul.is_alive():
            return True
        if association._kill:  # noqa: SLF001
            # An acceptor's thread closes the socket when it ends: it waits until the A-ABORT is sent.
            return association.is_requestor or dul.state_machine.current_state in ("Sta1", "Sta13")
        waiting = association.dimse.msg_queue.queue or dul.to_user_queue.queue
        return bool(waiting or dul.idle_timer_expired() or dul._kill_thread)  # noqa: SLF001
