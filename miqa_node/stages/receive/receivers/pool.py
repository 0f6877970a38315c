"""Hands associations on to further processes of this node, so that receiving uses more than one core.

The node's own process listens, and takes the first association itself: alone it is fastest without a way between
processes. What comes while others are open goes to the process that has the fewest, forked when it is first needed.
A process that has died is replaced by the next association that would be its.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import structlog

from miqa_node.core.observe.steady_thread import start_brief_thread
from miqa_node.runtime.workers.answers import write_answer
from miqa_node.runtime.workers.forks import Fork
from miqa_node.stages.receive.receivers.desk import AssociationAnswers, Desk, ProcessAnswers, ReportQueue
from miqa_node.stages.receive.receivers.line import Answers, answer

log = structlog.get_logger(__name__)

OWN_BURDEN = 1
"""Associations that writing to the database for the others counts as."""


class Receivers:
    """At most ``count`` further processes. Thread-safe."""

    def __init__(self, fork: Fork, count: int, desk: Desk, died: Callable[[], None] = lambda: None) -> None:
        """``died`` is called after a process has ended unasked."""
        self._fork, self._count, self._desk, self._died = fork, count, desk, died
        self._lock = threading.Lock()
        self._receivers: list[Receiver] = []
        self._is_closed = False

    def open(self) -> None:
        """Hand associations on (again)."""
        self._is_closed = False

    @property
    def associations(self) -> int:
        """How many associations other processes serve."""
        return sum(len(one.lines) for one in self._receivers)

    def take(self, connection: socket.socket, address: Any, own: int, *, is_tls: bool) -> bool:
        """Hand a connection on; False if it is to be served here, where ``own`` are open."""
        with self._lock:
            receiver = self._chosen(own)
            return receiver is not None and receiver.take(connection, address, is_tls=is_tls)

    def _chosen(self, own: int) -> Receiver | None:
        others = self.associations
        if self._is_closed or not (own or others):
            return None
        least = min(self._receivers, key=lambda one: len(one.lines), default=None)
        if (least is None or least.lines) and len(self._receivers) < self._count:
            try:
                least = Receiver(self._fork(), self._desk, self._forget)
            except OSError as error:
                log.error("no further process receives", reason=error.strerror or str(error))
            else:
                self._receivers.append(least)
        burden = own + (OWN_BURDEN if others else 0)
        return None if least is None or burden < len(least.lines) else least

    def _forget(self, receiver: Receiver) -> None:
        with self._lock, suppress(ValueError):
            self._receivers.remove(receiver)
        if not self._is_closed:
            log.error("a receiving process has ended, and another one takes its place", pid=receiver.pid)
            self._died()

    def close(self) -> None:
        """Let the processes finish what they have begun, and hand on nothing more."""
        with self._lock:
            self._is_closed = True
            for receiver in self._receivers:
                receiver.close()

    def end(self, deadline_s: float) -> None:
        """Wait until they have ended; kill those that have not by that time of the monotonic clock."""
        with self._lock:
            receivers = list(self._receivers)
        for receiver in receivers:
            receiver.end(deadline_s)


class Receiver:
    """One further process, as the node's own sees it."""

    def __init__(self, control: socket.socket, desk: Desk, ended: Callable[[Receiver], None]) -> None:
        self._control, self._desk, self._ended = control, desk, ended
        control.setblocking(False)  # one that hangs must not hold up who accepts connections
        self._reports = ReportQueue()
        self._answers = ProcessAnswers(desk, self._reports)
        self.lines: set[Answers] = set()
        """Those of its associations."""
        lines, theirs = zip(*(socket.socketpair() for _ in range(2)), strict=True)
        socket.send_fds(control, [b"hello"], [one.fileno() for one in theirs])
        for one in theirs:
            one.close()
        mine, reports = (Connection(one.detach()) for one in lines)
        start_brief_thread("reports-of-receiver", lambda: answer(reports, self._reports))
        self._thread = start_brief_thread("receiver", lambda: self._serve(mine))

    @property
    def pid(self) -> int:
        """Its process; 0 before it runs."""
        return self._answers.pid

    def take(self, connection: socket.socket, address: Any, *, is_tls: bool) -> bool:
        """Hand a connection over; False if the process has ended."""
        mine, theirs = socket.socketpair()
        answers = AssociationAnswers(self._desk, connection)
        try:
            message = write_answer((address, is_tls))
            socket.send_fds(self._control, [message], [connection.fileno(), theirs.fileno()])
        except OSError:
            mine.close()
            return False
        finally:
            theirs.close()
        self.lines.add(answers)
        start_brief_thread(
            "association-of-receiver", lambda: self._serve_association(Connection(mine.detach()), answers)
        )
        return True

    def _serve_association(self, connection: Connection, answers: AssociationAnswers) -> None:
        try:
            with connection:
                answer(connection, answers)
        finally:
            answers.end()
            self.lines.discard(answers)

    def _serve(self, connection: Connection) -> None:
        """The line of the process: it ends when the process does."""
        try:
            with connection:
                answer(connection, self._answers)
        finally:
            self._reports.end()
            self._control.close()
            self._ended(self)

    def close(self) -> None:
        """Tell it to finish and end."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def end(self, deadline_s: float) -> None:
        """Wait for its end, until that time of the monotonic clock."""
        self._thread.join(max(0.0, deadline_s - time.monotonic()))
        if self._thread.is_alive() and self.pid:
            log.warning("a receiving process does not end and is killed", pid=self.pid)
            with suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
            self._thread.join(_KILL_S)


_KILL_S = 5.0
