"""How tests wait: for what another thread or process does, and to see that something does not happen.

Nothing else in the tests sleeps (``tests/architecture/test_steady.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
LIMIT_S = 90.0
"""Generous: machines that run other tests beside this one are slow."""
LOOK_S = 0.02


def wait_until(condition: Callable[[], T], limit_s: float = LIMIT_S, what: str = "", *, look_s: float = LOOK_S) -> T:
    """What the condition gives once it gives something; an AssertionError says what did not happen in time."""
    end = time.monotonic() + limit_s
    while True:
        with suppress(KeyError):  # what is looked for is not there yet
            if value := condition():
                return value
        assert time.monotonic() < end, f"it did not happen in {limit_s:.0f} s: {what or condition}"
        time.sleep(look_s)


def stays(condition: Callable[[], object], for_s: float, what: str = "") -> None:
    """Assert that something stays so for a while. A slow machine sees less of it, and never fails for that."""
    end = time.monotonic() + for_s
    while True:
        assert condition(), f"it did not stay so: {what or condition}"
        if time.monotonic() >= end:
            return
        time.sleep(LOOK_S)


def grown(count: Callable[[], int], for_s: float) -> int:
    """By how much a count grows during a while."""
    before = count()
    time.sleep(for_s)
    return count() - before


def delay(seconds: float) -> None:
    """Be slow, as a peer is that a test plays, or let a fault last; never to give something time to happen."""
    time.sleep(seconds)
