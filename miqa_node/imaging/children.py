"""Runs functions in child processes with limits, and replaces every child that dies, hangs or has served long enough.

A child that dies while it is idle, or before it has begun, costs nothing: another one gets the task. Limits of time
are measured by the monotonic clock, so that a step of the wall clock ends no task.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import threading
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from typing import Any

from miqa_node.errors import ResourcesError

TASKS_PER_CHILD = 1000
"""A child is replaced after this many tasks, which bounds what a leaking codec can collect."""
START_TIMEOUT_S = 60.0
START_PAUSES_S = (0.05, 0.2, 0.5)
EXIT_TIMEOUT_S = 10.0
MAX_REPLACEMENTS = 5
"""How many children may die before one task begins; then something outside prevents any work."""

_READY, _BEGUN, _RESULT, _ERROR = range(4)


class ChildTimeoutError(Exception):
    """A task ran past its limit; its child was killed."""


class ChildDeathError(Exception):
    """A child died while it worked on a task; ``exitcode`` is negative for a signal."""

    def __init__(self, exitcode: int | None) -> None:
        super().__init__(f"exit code {exitcode}")
        self.exitcode = exitcode


class _UnbegunError(Exception):
    """The child died before it began the task."""


class ChildProcesses:
    """At most ``count`` children, started when they are needed. Thread-safe; a call holds one child.

    ``prepare`` runs once in each child with ``arguments``; ``preload`` are modules that the children share.
    """

    def __init__(
        self,
        count: int,
        prepare: Callable[..., None] | None = None,
        arguments: tuple[Any, ...] = (),
        preload: Iterable[str] = (),
    ) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, *preload])
        self._prepare, self._arguments = prepare, arguments
        self._count = count
        self._lock = threading.Lock()
        self._children: set[_ChildProcess] = set()
        self._closed = False
        self._running = 0
        # The child that worked last comes first: its memory is warm. None is a place without a process.
        self._idle: queue.LifoQueue[_ChildProcess | None] = queue.LifoQueue()
        for _ in range(count):
            self._idle.put(None)

    @property
    def all_busy(self) -> bool:
        """Whether every child works on a task."""
        return self._running >= self._count

    def start(self) -> None:
        """Start all children now; ResourcesError if that is not possible."""
        children: list[_ChildProcess | None] = []
        try:
            for _ in range(self._count):
                children.append(self._idle.get())
                children[-1] = children[-1] or self._new_child()
        finally:
            for child in children:
                self._idle.put(child)

    def run(self, function: Callable[..., Any], *arguments: Any, timeout_s: float) -> Any:
        """The result of a function in a child. What the function raises is raised here.

        Raises
        ------
        ChildTimeoutError
            The function did not return within ``timeout_s`` of its beginning.
        ChildDeathError
            The child died while the function ran.
        ResourcesError
            No child can be started, or :meth:`close` was called.
        """
        child, usable = self._idle.get(), None
        try:
            for _ in range(MAX_REPLACEMENTS):
                child = child or self._new_child()
                try:
                    kind, value = self._call(child, function, arguments, timeout_s)
                except _UnbegunError:
                    self._end(child)
                    child = None
                else:
                    usable = child if child.tasks_left > 0 else None
                    break
            else:
                raise ResourcesError("Every child process that was started died at once; see the log of the system.")
        except ChildDeathError:
            self._check_open()
            raise ChildDeathError(self._end(child)) from None
        finally:
            if child is not usable:
                self._end(child)
            self._idle.put(usable)
        if kind == _ERROR:
            raise value
        return value

    def close(self) -> None:
        """Kill the children; tasks that run fail with ResourcesError, and so do later ones."""
        with self._lock:
            self._closed = True
            for child in self._children:
                child.process.kill()
        for idle in [self._idle.get() for _ in range(self._count)]:
            self._end(idle)
        for _ in range(self._count):
            self._idle.put(None)

    def _call(
        self, child: _ChildProcess, function: Callable[..., Any], arguments: tuple[Any, ...], timeout_s: float
    ) -> tuple[int, Any]:
        with self._lock:
            self._running += 1
        try:
            return child.call(function, arguments, timeout_s)
        finally:
            with self._lock:
                self._running -= 1

    def _new_child(self) -> _ChildProcess:
        with self._lock:  # starting is not thread-safe, and close must see every child
            self._check_open()
            child = self._start()
            self._children.add(child)
        if not child.is_ready():
            self._end(child)
            raise ResourcesError(
                "A child process does not start: its limit (imaging.decode_memory_bytes) or the memory is too small."
            )
        return child

    def _start(self) -> _ChildProcess:
        """A child; a fork server that has just died is noticed, and started again, only by the next attempt."""
        for pause_s in (*START_PAUSES_S, None):
            try:
                return _ChildProcess(self._context, self._prepare, self._arguments)
            except (OSError, EOFError) as error:
                if pause_s is None:
                    raise ResourcesError(f"No child process can be started ({type(error).__name__}).") from error
                time.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def _end(self, child: _ChildProcess | None) -> int | None:
        if child is None:
            return None
        exitcode = child.end()
        with self._lock:
            self._children.discard(child)
        return exitcode

    def _check_open(self) -> None:
        if self._closed:
            raise ResourcesError("The node stops.")


class _ChildProcess:
    """One process and the connection to it. Messages of the child: ready once, then begun and its outcome per task."""

    def __init__(self, context: Any, prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
        self.tasks_left = TASKS_PER_CHILD
        self._connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, prepare, arguments), daemon=True)
        try:
            self.process.start()
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()

    def is_ready(self) -> bool:
        """Wait until it has started; False if it died or takes too long."""
        try:
            return bool(self._connection.poll(START_TIMEOUT_S)) and self._connection.recv() == (_READY, None)
        except (EOFError, OSError):
            return False

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout_s: float) -> tuple[int, Any]:
        """What the function returned or raised: (_RESULT or _ERROR, value)."""
        self.tasks_left -= 1
        try:
            self._connection.send((function, arguments))
            is_ready = self._connection.poll(START_TIMEOUT_S) and self._connection.recv() == (_BEGUN, None)
        except (EOFError, OSError):
            is_ready = False
        if not is_ready:
            raise _UnbegunError
        try:
            if not self._connection.poll(timeout_s):
                raise ChildTimeoutError
            outcome: tuple[int, Any] = self._connection.recv()
        except (EOFError, OSError) as error:
            raise ChildDeathError(None) from error
        return outcome

    def end(self) -> int | None:
        """Kill the process, whatever it does. The exit code is that of its own death if it died before."""
        if not self._connection.closed:
            self.process.kill()
            self.process.join(EXIT_TIMEOUT_S)
            self._connection.close()
        exitcode: int | None = self.process.exitcode
        return exitcode


def _serve(connection: Connection, prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """What a child does until its parent closes the connection or dies."""
    if prepare is not None:
        prepare(*arguments)
    connection.send((_READY, None))
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, values = connection.recv()
            connection.send((_BEGUN, None))
            try:
                outcome: tuple[int, Any] = _RESULT, function(*values)
            except Exception as error:  # noqa: BLE001 - it is raised again where the function was called
                outcome = _ERROR, error
            try:
                connection.send(outcome)
            except (TypeError, AttributeError, ValueError):  # an error of a library that cannot be pickled
                connection.send((_ERROR, RuntimeError(type(outcome[1]).__name__)))
