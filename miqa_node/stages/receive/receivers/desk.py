"""What the node's own process decides, keeps and records for the associations that other processes serve."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

from miqa_node.core.domain.delivery import CommitmentRequest
from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.observe.alerts import ALERTS
from miqa_node.stages.receive.admission import Called, Caller, Rejection
from miqa_node.stages.receive.commitment import Commitment, ReportOn
from miqa_node.stages.receive.identity import CheckPasscode
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.receivers.line import Answers, decoded, encoded
from miqa_node.stages.receive.seats import Seats

REPORT_S = 60.0
"""Longest wait for a report of storage commitment that another process sends; what takes longer is repeated."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What is the same for all associations."""

    intake: Intake
    seats: Seats
    called: Called
    passcodes: CheckPasscode
    malformed: Callable[[str, str], None]
    settle: Callable[[socket.socket], None]
    """Called with a connection that has its association."""
    commitment: Commitment | None
    needed_bytes: Callable[[], int]
    """How much of the disk must stay free."""

    def refuse(self, caller: Caller, rejection: Rejection, hint: str) -> None:
        """Record a caller that gets no association."""
        ALERTS.add("association rejected", rejection.name.lower(), caller.peer_address, caller.calling_ae_title)
        self.called(caller.calling_ae_title, caller.plain_address, rejection.words, hint)

    def seat(
        self, connection: socket.socket, caller: Caller, is_open: Callable[[], bool]
    ) -> tuple[Rejection, str] | None:
        """Count an association that may be opened; or why it is one too many."""
        refused = self.seats.take(caller.peer_address, is_open)
        if refused is None:
            self.settle(connection)
            self.called(caller.calling_ae_title, caller.plain_address, "", "")
        return refused


class AssociationAnswers(Answers):
    """The line of one association. This process holds the connection open, too, to close it if the other ends."""

    def __init__(self, desk: Desk, connection: socket.socket) -> None:
        self._desk, self._connection = desk, connection
        self._is_open = True

    def seat(self, caller: Caller) -> tuple[Rejection, str] | None:
        """See :meth:`Desk.seat`."""
        return self._desk.seat(self._connection, caller, lambda: self._is_open)

    def keep(self, received: ReceivedObject) -> int:
        """Store a complete object durably; how much of the disk must stay free."""
        self._desk.intake.keep(received)
        return self._desk.needed_bytes()

    def end(self) -> None:
        """The association is over."""
        self._is_open = False
        with suppress(OSError):  # below TLS, whose state the other process had
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
        self._connection.close()


class ProcessAnswers(Answers):
    """The line of one process as a whole."""

    def __init__(self, desk: Desk, reports: ReportQueue) -> None:
        self._desk, self._reports = desk, reports
        self.pid = 0

    def hello(self, pid: int) -> None:
        """The process runs."""
        self.pid = pid

    def check(self) -> int:
        """Raise ResourcesError while the node takes no objects; else how much of the disk must stay free."""
        self._desk.intake.check()
        return self._desk.needed_bytes()

    def malformed(self, address: str, reason: str) -> None:
        """Record a peer whose messages cannot be read."""
        self._desk.malformed(address, reason)

    def refuse(self, caller: Caller, rejection: Rejection, hint: str) -> None:
        """See :meth:`Desk.refuse`."""
        self._desk.refuse(caller, rejection, hint)

    def passcode(self, name: str, passcode: str) -> bool:
        """Whether it is valid for the user."""
        return self._desk.passcodes(name, passcode)

    def ask(self, request: CommitmentRequest) -> None:
        """Store a request for storage commitment; its report may go out on its association."""
        self._commitment.ask(request, self._reports.sender(request.transaction_uid))

    def answered(self) -> None:
        """The sender of a request has its response."""
        self._commitment.answered()

    def report(self, event_type: int, information: bytes) -> None:
        """A peer reports what it keeps; ValueError if that is not a report."""
        self._commitment.report(event_type, decoded(information))

    @property
    def _commitment(self) -> Commitment:
        assert self._desk.commitment is not None  # noqa: S101 - without it, no association has such a context
        return self._desk.commitment


class ReportQueue(Answers):
    """Reports of storage commitment on their way to the process whose associations they were asked on."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[_Report | None] = queue.Queue()
        self._sent: _Report | None = None
        self._is_over = False

    def sender(self, transaction_uid: str) -> ReportOn:
        """A function that reports on the association of the request."""

        def send(event_type: int, report: Dataset) -> bool:
            one = _Report(transaction_uid, event_type, report, threading.Event())
            if self._is_over:
                return False
            self._waiting.put(one)
            one.is_over.wait(REPORT_S)
            return one.was_taken

        return send

    def next_report(self, was_taken: bool) -> tuple[str, int, bytes] | None:
        """Wait for the next report, after the outcome of the one before; None at the end."""
        if self._sent is not None:
            self._sent.was_taken = was_taken
            self._sent.is_over.set()
        self._sent = one = self._waiting.get()
        return None if one is None else (one.transaction_uid, one.event_type, encoded(one.report))

    def end(self) -> None:
        """The process has ended: nobody takes reports any more."""
        self._is_over = True
        self._waiting.put(None)
        with suppress(queue.Empty):
            while True:
                one = self._waiting.get_nowait()
                if one is not None:
                    one.is_over.set()
        if self._sent is not None:
            self._sent.is_over.set()
        self._waiting.put(None)


@dataclass(slots=True)
class _Report:
    transaction_uid: str
    event_type: int
    report: Any
    is_over: threading.Event
    was_taken: bool = False
