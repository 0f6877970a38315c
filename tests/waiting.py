"""How tests wait for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
LIMIT_S = 90.0
"""Generous: machines that run other tests beside this one are slow."""


def wait_until(condition: Callable[[], T], limit_s: float = LIMIT_S, what: str = "") -> T:
    """What the condition gives once it gives something; an AssertionError says what did not happen in time."""
    end = time.monotonic() + limit_s
    while True:
        with suppress(KeyError):  # what is looked for is not there yet
            if value := condition():
                return value
        assert time.monotonic() < end, f"it did not happen in {limit_s:.0f} s: {what or condition}"
        time.sleep(0.02)
