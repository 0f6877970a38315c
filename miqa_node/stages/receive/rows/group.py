"""Group commit: concurrent arrivals on several associations are written in one transaction.

A commit waits for the disk, and SQLite allows one writer at a time while the others sleep for milliseconds. So threads
that arrive during a transaction wait for its end, and then one of them writes for all. A single thread never waits, and
each thread returns only after its own rows are committed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from miqa_node.errors import ResourcesError
from miqa_node.runtime.store.database import Database, Transaction

T = TypeVar("T")

MAX_GROUP = 64
"""Maximum number of writes in one transaction."""


class GroupCommit:
    """Shares transactions between threads; one per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: deque[_Write[Any]] = deque()
        self._is_led = False

    def run(self, write: Callable[[Transaction], T]) -> T:
        """Run ``write`` within a transaction and return when that is committed; its exception is raised here.

        ``write`` must be repeatable: if one write of a group fails, all of them run again separately.
        """
        mine: _Write[T] = _Write(write)
        with self._lock:
            self._waiting.append(mine)
            leads, self._is_led = not self._is_led, True
        if not leads:
            mine.turn.wait()
        if not mine.is_done:  # not written yet, so this thread writes for all
            self._lead()
        return mine.outcome()

    def _lead(self) -> None:
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_GROUP))]
        try:
            self._write(group)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._is_led = following is not None
            for write in group:
                write.turn.set()
            if following is not None:
                following.turn.set()

    def _write(self, group: list[_Write[Any]]) -> None:
        try:
            with self._database.begin() as transaction:
                for write in group:
                    write.attempt(transaction)
        except BaseException as error:  # noqa: BLE001 - whatever it is, each of the group must hear of it
            away = isinstance(error, ResourcesError) and not _was_deadlock(error)
            if len(group) == 1 or away or not isinstance(error, Exception):
                for write in group:
                    write.fail(error)
                return
            for write in group:
                self._write([write])
        else:
            for write in group:
                write.is_done = True


def _was_deadlock(error: BaseException) -> bool:
    """Whether PostgreSQL aborted the transaction because of a deadlock with another process."""
    return getattr(getattr(error.__cause__, "orig", None), "sqlstate", "") == "40P01"


class _Write(Generic[T]):
    """One thread's part of a group."""

    def __init__(self, write: Callable[[Transaction], T]) -> None:
        self._write = write
        self._result: T | None = None
        self._error: BaseException | None = None
        self.is_done = False
        self.turn = threading.Event()

    def attempt(self, transaction: Transaction) -> None:
        self._result = self._write(transaction)

    def fail(self, error: BaseException) -> None:
        self._error, self.is_done = error, True

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # is_done: the write has returned
