"""A process that was forked before the node had threads, and from which further processes of the node are forked.

They share the memory of what the node has imported, and are there within some hundredths of a second. The process of
worker pools is another one (:mod:`miqa_node.isolation.template`): it loads models, which those who receive do not need.
"""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

CAN_FORK = sys.platform == "linux"
"""Other systems hand no sockets over between processes in messages that keep their borders."""

_STDERR = 2
REPLACED_AFTER_S = 10.0
"""Shortest time between two processes that take the place of one that has died."""


class Fork(Protocol):
    """Makes a process, and returns the socket to it; OSError if that is not possible now."""

    def __call__(self) -> socket.socket:
        """A socket of whole messages. It ends when the process ends, and the process is to end when it ends."""


class ForkTemplate:
    """The process. Each fork of it calls ``run`` with its end of the socket; all end when this process ends.

    One that has died is replaced at the next fork, by a new process, since this one has threads by then.
    """

    def __init__(self, run: Callable[[socket.socket], None]) -> None:
        """``run`` can be pickled."""
        self._run = run
        self._socket: socket.socket | None = None
        self._pid = 0
        self._replaced_s = float("-inf")

    def start(self) -> None:
        """Make the process, while this one has one thread; without it, there are no forks."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = os.fork()
        except OSError as error:
            log.warning("no further processes can be made", reason=error.strerror)
            return
        if pid:
            self._socket, self._pid = mine, pid
            theirs.close()
            return
        _be_template(theirs, self._run)

    def fork(self) -> socket.socket:
        """See :class:`Fork`."""
        if self._socket is None:
            raise ConnectionError
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            try:
                socket.send_fds(self._socket, [b"f"], [theirs.fileno()])
            except ConnectionError:
                socket.send_fds(self._replaced(), [b"f"], [theirs.fileno()])
        except OSError:
            mine.close()
            raise
        finally:
            theirs.close()
        return mine

    def _replaced(self) -> socket.socket:
        """The socket to another process in place of the one that has died; ConnectionError if that was done lately."""
        since_s = time.monotonic() - self._replaced_s
        if since_s < REPLACED_AFTER_S:
            raise ConnectionError(errno.EPIPE, "the process that makes them has died again")
        self._replaced_s = time.monotonic()
        log.error("the process from which others are forked has died, and another one takes its place", pid=self._pid)
        with suppress(ChildProcessError):  # multiprocessing has waited for it
            os.waitpid(self._pid, os.WNOHANG)
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = multiprocessing.get_context("spawn").Process(
            target=_be_template, args=(theirs, self._run), daemon=True
        )
        process.start()
        theirs.close()
        self._socket, self._pid = mine, process.pid or 0
        return mine


def _be_template(own: socket.socket, run: Callable[[socket.socket], None]) -> None:
    """Be the process; it never returns."""
    try:
        _keep_to_ourselves(own)
        _serve(own, run)
    finally:
        os._exit(0)


def _keep_to_ourselves(own: socket.socket) -> None:
    """Leave what the node's own process has: its signals are for it alone, and its files must close when it ends."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    for descriptor in [int(one.name) for one in Path("/proc/self/fd").iterdir()]:
        if descriptor > _STDERR and descriptor != own.fileno():
            with suppress(OSError):  # that of the list itself
                os.close(descriptor)
    gc.freeze()
    gc.enable()


def _serve(own: socket.socket, run: Callable[[socket.socket], None]) -> None:
    while True:
        _, descriptors, _, _ = socket.recv_fds(own, 1, 1)
        if not descriptors:
            return
        is_fork = False
        with suppress(OSError):  # too many processes: who asked sees the socket end
            is_fork = os.fork() == 0
        if is_fork:
            own.close()
            run(socket.socket(fileno=descriptors[0]))
            return
        os.close(descriptors[0])
