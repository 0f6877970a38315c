"""Runs functions in child processes with limits, and replaces every child that dies, hangs or has served long enough.

If a child dies while idle, or before it begins a task, no task is lost: another child takes it. Time limits use the
monotonic clock, so a step of the wall clock ends no task. Memory limits apply to resident memory, polled while tasks
run: a limit on address space would also count memory that a GPU only reserves.

Waiting tasks take turns by sender (:mod:`miqa_node.runtime.workers.turns`); a long task gets its child to itself.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe.steady_thread import SteadyThread, start_brief_thread
from miqa_node.core.process import start_fork_server
from miqa_node.errors import ResourcesError, place_of
from miqa_node.runtime.workers.answers import MAX_ANSWER_BYTES, ForbiddenAnswerError, read_answer, write_answer
from miqa_node.runtime.workers.turns import Turn, Turns

log = structlog.get_logger(__name__)

TASKS_PER_CHILD = 1000
"""A child is replaced after this many tasks, which limits the memory that a leaking codec can take."""
START_TIMEOUT_S = 300.0
"""Generous: a worker loads and checks models before it is ready, and the machine may be busy."""
START_PAUSES_S = (0.05, 0.2, 0.5)
EXIT_TIMEOUT_S = 10.0
MAX_REPLACEMENTS = 5
"""Maximum number of children that die before a task begins; more means an external cause."""
LOOK_S, IDLE_LOOK_S = 0.05, 1.0
"""Polling intervals for running tasks and for idle children."""
SPARE_S = 300.0
"""A child ends after this idle time; one is kept ready for the next image."""
REFILL_PAUSE_S = 5.0
HELPER_LOST = 75
"""Exit code of a child that ends because a process that it needs has ended: the task was not the cause, perhaps."""

_preloaded: dict[str, None] = {}
"""Modules, in order, that the fork server of this process imports for all pools."""
_READY, _BEGUN, _RESULT, _ERROR = range(4)
_PAGE_BYTES, _TICKS_A_SECOND = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
_TOO_SMALL = Phrase("work.memory_bytes ({memory_bytes}) is too small: a process takes more before its first image.")


class OpenFile(NamedTuple):
    """An argument of a task: an open file of the caller. The child receives its own descriptor."""

    number: int


class ChildTimeoutError(Exception):
    """A task ran past its limit; its child was killed."""


class ChildMemoryError(Exception):
    """A task exceeded its memory limit; its child was killed."""


class ChildDeathError(Exception):
    """A child died during a task; ``exitcode`` is negative for a signal."""

    def __init__(self, exitcode: int | None) -> None:
        super().__init__(f"exit code {exitcode}")
        self.exitcode = exitcode


class _NotStartedError(Exception):
    """The child died before it began the task."""


class ChildProcesses:
    """At most ``count`` children, started when needed, plus as many more for long tasks. Thread-safe.

    ``prepare`` runs once in each child with ``arguments``; ``preload`` are modules that the children share. A child
    with more than ``memory_bytes`` of resident memory, if given, is killed.
    """

    def __init__(
        self,
        count: int,
        prepare: Callable[..., None] | None = None,
        arguments: tuple[Any, ...] = (),
        preload: Iterable[str] = (),
        memory_bytes: int | None = None,
    ) -> None:
        self._context = multiprocessing.get_context("forkserver")
        _preloaded.update(dict.fromkeys([__name__, *preload]))
        self._context.set_forkserver_preload(list(_preloaded))
        self._prepare, self._arguments = prepare, arguments
        self._count, self._memory_bytes = count, memory_bytes
        self._turns = Turns(count)
        self._lock, self._starting = threading.Lock(), threading.Lock()
        self._children: set[_ChildProcess] = set()
        # The child used last comes first: its memory is warm.
        self._idle: list[_ChildProcess] = []
        self._busy: dict[_ChildProcess, Turn] = {}
        self._closed = self._kept = self._watched = self._refilling = False
        self._refill_at = 0.0
        self._awake = threading.Event()
        self._thread = SteadyThread("children", self._look_after, stuck_after_s=120.0)
        self.threads = (self._thread,)

    @property
    def all_busy(self) -> bool:
        """Whether every child works on a task."""
        return len(self._busy) >= self._count

    def start(self) -> None:
        """Start one child now and keep one ready from now on; ResourcesError if impossible."""
        self._kept = True
        self._put_back(self._new_child())

    def run(self, function: Callable[..., Any], *arguments: Any, timeout_s: float, sender: str = "") -> Any:
        """The result of a function in a child. Exceptions of the function are raised here.

        Raises
        ------
        ChildTimeoutError
            The function did not return within ``timeout_s`` of its start.
        ChildMemoryError
            The task exceeded its memory limit.
        ForbiddenAnswerError
            The child answered with something other than data; it was replaced.
        ChildDeathError
            The child died while the function ran.
        ResourcesError
            No child can be started, or :meth:`close` was called.
        """
        with self._turns.of(sender) as turn:
            self._check_open()
            return self._run(turn, function, arguments, timeout_s)

    def _run(self, turn: Turn, function: Callable[..., Any], arguments: tuple[Any, ...], timeout_s: float) -> Any:
        for _ in range(MAX_REPLACEMENTS):
            child, usable = self._take(), False
            try:
                kind, value = self._call(child, turn, function, arguments, timeout_s)
                usable = child.tasks_left > 0 and not self._is_over(child)
            except _NotStartedError:
                continue
            except ChildDeathError:
                self._check_open()
                exitcode = child.end()
                if child.is_over_memory:
                    raise ChildMemoryError from None
                raise ChildDeathError(exitcode) from None
            finally:
                if usable:
                    self._put_back(child)
                else:
                    self._end(child)
            if kind == _ERROR:
                raise value
            return value
        raise ResourcesError("Every child process that was started died at once; see the log of the system.")

    def close(self) -> None:
        """Kill the children; running and later tasks fail with ResourcesError."""
        self._closed = True
        if self._starting.acquire(timeout=EXIT_TIMEOUT_S):  # this includes a child that is being started
            self._starting.release()
        with self._lock:
            children = list(self._children)
        for child in children:
            child.process.kill()
        self._thread.stopping.set()
        self._awake.set()
        self._turns.close()
        self._thread.stop(EXIT_TIMEOUT_S)
        for child in children:
            self._end(child)

    def _take(self) -> _ChildProcess:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._new_child()

    def _put_back(self, child: _ChildProcess) -> None:
        child.idle_since = time.monotonic()
        with self._lock:
            if not self._closed:
                self._idle.append(child)
                return
        self._end(child)

    def _call(
        self, child: _ChildProcess, turn: Turn, function: Callable[..., Any], arguments: tuple[Any, ...],
        timeout_s: float,
    ) -> tuple[int, Any]:  # fmt: skip
        with self._lock:
            self._busy[child] = turn
        self._awake.set()
        try:
            return child.call(function, arguments, timeout_s)
        finally:
            with self._lock:
                del self._busy[child]

    def _new_child(self) -> _ChildProcess:
        # Starting is not thread-safe and may take long, as the fork server loads the models first. Other work goes on.
        with self._starting:
            self._check_open()
            child = self._start()
            with self._lock:
                self._children.add(child)
                if not (self._watched or self._closed):
                    self._watched = True
                    self._thread.start()
        if self._closed or not child.is_ready():
            self._end(child)
            self._check_open()
            raise ResourcesError("A child process does not start: the machine has too little memory for it.")
        if self._is_over(child):
            self._end(child)
            raise ResourcesError(_TOO_SMALL, memory_bytes=self._memory_bytes)
        return child

    def _start(self) -> _ChildProcess:
        """A new child; a fork server that has just died is noticed, and restarted, only by the next attempt."""
        for pause_s in (*START_PAUSES_S, None):
            try:
                return _ChildProcess(self._context, self._prepare, self._arguments)
            except (OSError, EOFError) as error:
                if pause_s is None:
                    name = type(error).__name__
                    raise ResourcesError("No child process can be started ({name}).", name=name) from error
                time.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def _end(self, child: _ChildProcess) -> None:
        child.end()
        with self._lock:
            self._children.discard(child)
        self._awake.set()

    def _is_over(self, child: _ChildProcess) -> bool:
        return self._memory_bytes is not None and child.resident_bytes() > self._memory_bytes

    def _check_open(self) -> None:
        if self._closed:
            raise ResourcesError("The node stops.")

    def _look_after(self) -> None:
        """Watch memory and time of running tasks; replace dead children, end surplus ones."""
        while self._thread.goes_on(LOOK_S if self._busy else IDLE_LOOK_S, self._awake):
            if not self._busy:
                self._awake.clear()
            elif self._thread.stopping.wait(LOOK_S):
                return
            with self._lock:
                busy = list(self._busy.items())
            for child, turn in busy:
                self._turns.look_at(turn, child.processor_s() - child.began_at_s)
                if self._is_over(child):
                    child.is_over_memory = True
                    child.process.kill()
            self._mend()

    def _mend(self) -> None:
        with self._lock:
            now, least = time.monotonic(), 0 if self._busy else 1
            spare = [c for c in self._idle[: max(0, len(self._idle) - least)] if now - c.idle_since > SPARE_S]
            unusable = [c for c in self._idle if c in spare or not c.process.is_alive()]
            self._idle = [c for c in self._idle if c not in unusable]
        for child in unusable:
            self._end(child)
        if self._kept and not self._refilling and now >= self._refill_at and not self._children:
            self._refilling = True  # in another thread: the watch goes on
            start_brief_thread("new-child", self._refill)

    def _refill(self) -> None:
        try:
            self._put_back(self._new_child())
        except ResourcesError as error:
            self._refill_at = time.monotonic() + REFILL_PAUSE_S
            if not self._closed:
                log.warning("a child process is not replaced", reason=str(error))
        finally:
            self._refilling = False
            self._awake.set()


class _ChildProcess:
    """One process and its connection. The child sends ready once, then begun and the outcome for each task."""

    def __init__(self, context: Any, prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
        self.tasks_left = TASKS_PER_CHILD
        self.idle_since = 0.0
        self.is_over_memory = False
        self.began_at_s = 0.0
        self._connection, theirs = context.Pipe()
        self._ending = threading.Lock()
        self.process = context.Process(target=_serve, args=(theirs, prepare, arguments), daemon=True)
        try:
            start_fork_server()
            self.process.start()
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()

    def is_ready(self) -> bool:
        """Wait until the process is ready; False if it died or takes too long."""
        try:
            return bool(self._connection.poll(START_TIMEOUT_S)) and self._answer() == (_READY, None)
        except (EOFError, OSError, ForbiddenAnswerError):
            return False

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout_s: float) -> tuple[int, Any]:
        """The function's return value or exception: (_RESULT or _ERROR, value)."""
        self.tasks_left -= 1
        self.began_at_s = self.processor_s()
        try:
            self._connection.send((function, arguments))
            for one in (argument for argument in arguments if isinstance(argument, OpenFile)):
                send_handle(self._connection, one.number, self.process.pid)
            is_ready = self._connection.poll(START_TIMEOUT_S) and self._answer() == (_BEGUN, None)
        except (EOFError, OSError):
            is_ready = False
        if not is_ready:
            raise _NotStartedError
        try:
            if not self._connection.poll(timeout_s):
                raise ChildTimeoutError
            answer = self._answer()
        except (EOFError, OSError) as error:
            raise ChildDeathError(None) from error
        match answer:
            case (int(kind), value) if kind == _RESULT or isinstance(value, Exception):
                return kind, value
        raise ForbiddenAnswerError(Phrase("A worker process answered with neither a result nor an error."))

    def _answer(self) -> Any:
        return read_answer(self._connection.recv_bytes(MAX_ANSWER_BYTES))

    def resident_bytes(self) -> int:
        """Resident memory of the process, shared memory included; 0 if it is gone or the system does not say."""
        try:
            return int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
        except (OSError, IndexError):
            return 0

    def processor_s(self) -> float:
        """Processor time of the process; 0 if it is gone or the system does not say."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
        except (OSError, IndexError):
            return 0.0

    def end(self) -> int | None:
        """Kill the process; return the exit code. If it died before, the code is that of its own death."""
        with self._ending:
            if not self._connection.closed:
                self.process.kill()
                self.process.join(EXIT_TIMEOUT_S)
                self._connection.close()
            exitcode: int | None = self.process.exitcode
            return exitcode


def _serve(connection: Connection, prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """Main loop of a child until its parent closes the connection or dies."""
    gc.freeze()  # garbage collection would write to the memory that all children share, and so copy it
    if prepare is not None:
        prepare(*arguments)
    connection.send_bytes(write_answer((_READY, None)))
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, values = connection.recv()
            files = {one: OpenFile(recv_handle(connection)) for one in values if isinstance(one, OpenFile)}
            values = [files[one] if isinstance(one, OpenFile) else one for one in values]
            connection.send_bytes(write_answer((_BEGUN, None)))
            try:
                outcome: tuple[int, Any] = _RESULT, function(*values)
            except Exception as error:  # noqa: BLE001 - it is raised again where the function was called
                with contextlib.suppress(AttributeError):
                    error.place = place_of(error)  # type: ignore[attr-defined]  # it does not travel by itself
                outcome = _ERROR, error
            for file in files.values():
                os.close(file.number)
            try:
                connection.send_bytes(write_answer(outcome))
            except (TypeError, AttributeError, ValueError):  # a library's error that cannot be pickled
                connection.send_bytes(write_answer((_ERROR, RuntimeError(type(outcome[1]).__name__))))
