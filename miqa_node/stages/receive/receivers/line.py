"""Calls from a process that receives to the node's own process, over a socket between the two.

Messages are data alone (``runtime/workers/answers.py``): a process that reads what strangers send gives this one
nothing to run. Each association has a line of its own, on which the node's process answers one call after the other
in a thread; the line ends with the association, and with either process.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from io import BytesIO
from multiprocessing.connection import Connection
from typing import Any

import structlog
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode, encode

from miqa_node.errors import MiqaError, ResourcesError, place_of
from miqa_node.runtime.workers.answers import ForbiddenAnswerError, read_answer, write_answer
from miqa_node.stages.receive.intake import count_answer

log = structlog.get_logger(__name__)

_PORTABLE = (MiqaError, OSError, MemoryError, ValueError)
"""Errors that mean something to who called; of others the caller gets the name."""

Counted = tuple[str, float]
"""Status of an answered C-STORE, and the seconds that it took."""


class Line:
    """The caller's end. Safe to share between threads."""

    def __init__(self, descriptor: int) -> None:
        self._connection = Connection(descriptor)
        self._lock = threading.Lock()
        self._counts: list[Counted] = []

    def call(self, name: str, *arguments: Any) -> Any:
        """What the method of that name returns in the node's process; its exception is raised here.

        Raises
        ------
        ResourcesError
            The node's process has ended, or ends: whatever was asked may or may not have been done.
        """
        with self._lock:
            counts, self._counts = self._counts, []
            try:
                self._connection.send_bytes(write_answer((name, arguments, counts)))
                is_value, outcome = read_answer(self._connection.recv_bytes())
            except (EOFError, OSError) as error:
                raise ResourcesError("The node is stopping.") from error
        if is_value:
            return outcome
        raise outcome

    def count(self, status: str, seconds: float) -> None:
        """Report an answered C-STORE with the next call: nobody waits for it."""
        self._counts.append((status, seconds))

    def close(self) -> None:
        """End the line."""
        if self._counts:
            with suppress(MiqaError):
                self.call("beat")
        with self._lock, suppress(OSError):
            self._connection.close()


class Answers:
    """What is called on a line; every public method can be."""

    def beat(self) -> None:
        """Nothing but what came with the call."""


def answer(connection: Connection, answers: Answers) -> None:
    """Answer the calls of a line until it ends."""
    with suppress(EOFError, OSError, ForbiddenAnswerError):
        while True:
            name, arguments, counts = read_answer(connection.recv_bytes())
            if name.startswith("_"):
                raise ForbiddenAnswerError(name)
            for status, seconds in counts:
                count_answer(status, seconds)
            try:
                outcome: tuple[bool, Any] = True, getattr(answers, name)(*arguments)
            except _PORTABLE as error:
                outcome = False, error
            except Exception as error:  # noqa: BLE001 - it is raised again where the call came from
                log.error("a call of a receiving process failed", error=type(error).__name__, where=place_of(error))
                outcome = False, RuntimeError(type(error).__name__)
            connection.send_bytes(write_answer(outcome))


def encoded(report: Dataset) -> bytes:
    """A data set as a call carries it."""
    return encode(report, is_implicit_vr=True, is_little_endian=True) or b""


def decoded(report: bytes) -> Dataset:
    """The data set again."""
    return decode(BytesIO(report), is_implicit_vr=True, is_little_endian=True)
