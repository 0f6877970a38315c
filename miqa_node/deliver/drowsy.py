"""Lets pynetdicom's two threads of an outgoing association sleep until they have something to do.

By default each of them polls a thousand times a second, as long as an association to a destination is open. (The
receiver has its own solution, :mod:`miqa_node.receive.fast`.)
"""

from __future__ import annotations

import queue
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import A_RELEASE, P_DATA

LOOK_S = 0.25
"""Polling interval of both threads if nothing wakes them."""


class DrowsyDul(DULServiceProvider):
    """pynetdicom's upper layer thread; in state 6 (data transfer) it waits for the network or for data to send."""

    def adopt(self) -> None:
        """Take over an association whose threads have not been started."""
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self.to_provider_queue = _WakingQueue(self.wake)
        self._gate = self.assoc._reactor_checkpoint = _Gate(self.assoc)  # noqa: SLF001

    def run(self) -> None:
        """Main loop of the thread."""
        try:
            super().run()
        finally:
            self._gate.work.set()
            for each in (self._wake_reader, self._wake_writer):
                each.close()

    def wake(self) -> None:
        """Let the thread check its queues; callable from any thread."""
        with suppress(OSError):
            self._wake_writer.send(b"\0")

    def kill_dul(self) -> None:
        """End the thread."""
        super().kill_dul()
        self.wake()

    def _process_recv_primitive(self) -> bool:
        """Take what the other thread sends; drop it if the peer has already ended the association."""
        waiting = self.to_provider_queue
        while self.state_machine.current_state in ("Sta1", "Sta13") and waiting.queue:
            if not isinstance(waiting.queue[0], P_DATA | A_RELEASE):
                break
            waiting.get_nowait()
        return bool(super()._process_recv_primitive())

    def _is_transport_event(self) -> bool:
        if self.to_user_queue.queue or self.assoc.dimse.msg_queue.queue or self.assoc._kill:  # noqa: SLF001
            self._gate.work.set()
        if self.state_machine.current_state == "Sta6":
            self._wait()
        return bool(super()._is_transport_event())

    def _wait(self) -> None:
        if self.to_provider_queue.queue or self.event_queue.queue or self._kill_thread:
            return
        connection = None if self.socket is None else self.socket.socket
        pending = getattr(connection, "pending", None)  # TLS: data that was read, but not yet taken
        if connection is None or connection.fileno() < 0 or (pending is not None and pending()):
            return
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        poll.register(self._wake_reader, select.POLLIN)
        ready = [fd for fd, _ in poll.poll(LOOK_S * 1000)]
        if self._wake_reader.fileno() in ready:
            with suppress(OSError):
                self._wake_reader.recv(4096)


def keep_asleep(association: Association) -> None:
    """Let the threads of an association, not yet started, sleep while there is nothing to do."""
    dul = association.dul
    dul.__class__ = DrowsyDul
    if isinstance(dul, DrowsyDul):
        dul.adopt()


class _WakingQueue(queue.Queue[Any]):
    """Queue of the data that the other thread sends; a new entry wakes the reader."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._wake()


class _Gate(threading.Event):
    """Replaces the pause of the association's thread, and blocks it until it has something to do.

    pynetdicom lets that thread pass, and then asks whether it is paused: a sender that clears the pause in between
    believes it asleep, and its answer is taken away. So ``clear`` returns only when the thread is back at the gate.
    """

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association
        self._lock, self._is_back = threading.Lock(), threading.Event()
        self.work = threading.Event()
        super().set()

    def set(self) -> None:
        super().set()
        self.work.set()

    def clear(self) -> None:
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
                self.work.wait(LOOK_S)
                self.work.clear()
            super().wait(timeout)
            with self._lock:
                if self.is_set():
                    self._is_back.clear()
                    return True

    def _has_work(self) -> bool:
        association, dul = self._association, self._association.dul
        waiting = association.dimse.msg_queue.queue or dul.to_user_queue.queue
        ends = association._kill or not dul.is_alive() or dul.idle_timer_expired()  # noqa: SLF001
        return bool(waiting or ends)
