"""Processes are forked from one that was made early; when that one dies, another takes its place."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from miqa_node.runtime.workers import forks
from miqa_node.runtime.workers.forks import CAN_FORK, ForkTemplate
from tests.waiting import LIMIT_S, wait_until

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="this system hands no sockets over")


def say_who(own: socket.socket) -> None:
    """What a fork does here."""
    own.send(str(os.getppid()).encode())
    own.recv(1)


def ask(template: ForkTemplate) -> tuple[int, socket.socket]:
    """The process from which the next one is forked, and the socket that keeps the fork alive."""
    connection = template.fork()
    connection.settimeout(LIMIT_S)
    return int(connection.recv(20)), connection


def main() -> None:
    """In a process that has no threads yet, as a node at its start."""
    template = ForkTemplate(say_who)
    template.start()
    first, fork = ask(template)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: psutil.Process(first).status() == psutil.STATUS_ZOMBIE)
    second, other = ask(template)
    assert second != first
    assert not psutil.pid_exists(first), "nothing is left of the one that died"
    os.kill(second, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(second) or psutil.Process(second).status() == psutil.STATUS_ZOMBIE)
    with pytest.raises(ConnectionError, match="again"):
        ask(template)
    forks.REPLACED_AFTER_S = 0.0
    third, last = ask(template)
    assert third not in {first, second}
    for connection in (fork, other, last):
        connection.close()


def test_a_template_that_died_is_replaced_and_not_for_ever_in_a_row() -> None:
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-m", __name__], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("another one takes its place") + done.stdout.count("another one takes its place") == 2


if __name__ == "__main__":
    main()
