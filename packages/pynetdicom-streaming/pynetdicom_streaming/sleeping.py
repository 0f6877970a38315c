"""Lets pynetdicom's two threads of an outgoing association sleep until they have something to do.

By default each of them polls a thousand times a second, as long as an association to a destination is open. (The
receiver reads the stream itself, :mod:`.streaming`.)
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import A_RELEASE, P_DATA

from .waiting import ReactorGate, WakingQueue

LOOK_S = 0.25
"""Polling interval of both threads if nothing wakes them."""


class SleepingDul(DULServiceProvider):
    """pynetdicom's upper layer thread; in state 6 (data transfer) it waits for the network or for data to send."""

    def adopt(self) -> None:
        """Take over an association whose threads have not been started."""
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self.to_provider_queue = WakingQueue(self.wake)
        self._gate = self.assoc._reactor_checkpoint = ReactorGate(self.assoc, LOOK_S)  # noqa: SLF001

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
    dul.__class__ = SleepingDul  # pynetdicom makes the provider itself and takes no other class
    if isinstance(dul, SleepingDul):
        dul.adopt()
