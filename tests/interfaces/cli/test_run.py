"""A whole node, started and asked by its commands alone, with a receiving PACS beside it."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.run_node import StopSignal
from tests.interfaces.cli.conftest import Ran
from tests.waiting import delay


def test_a_taken_port_names_its_setting(cli: Callable[..., Ran], data_dir: Path, signals_as_before: None) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        ran = cli("run", "--data-dir", data_dir, "--dicom-port", "0", "--web-port", holder.getsockname()[1])

    assert ran.code == Exit.USAGE
    assert "web.port" in ran.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_the_node_cleanly_and_a_second_one_at_once(
    number: signal.Signals, signals_as_before: None
) -> None:
    with StopSignal() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        stop.wait()
        assert stop.is_set()
        assert signal.getsignal(number) is signal.SIG_DFL
    stop.set()  # late, from another thread


def test_a_signal_that_another_thread_takes_ends_the_node(signals_as_before: None) -> None:
    awake = threading.Event()

    def take() -> None:
        delay(0.3)  # the main thread waits meanwhile
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        if not awake.wait(60.0):
            os.kill(os.getpid(), signal.SIGKILL)  # a main thread that sleeps for ever cannot fail a test

    taker = threading.Thread(target=take)
    with StopSignal() as stop:
        taker.start()
        stop.wait()
        awake.set()
        taker.join()

    assert stop.is_set()


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    """The handlers of the test run come back after the test."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    signal.set_wakeup_fd(-1)
    for each, handler in before.items():
        signal.signal(each, handler)
