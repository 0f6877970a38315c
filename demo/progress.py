"""Says what is done while nothing can be shown yet, at terminals and in logs alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

EVERY_S = 10.0


@contextmanager
def doing(text: str, every_s: float = EVERY_S) -> Iterator[None]:
    """Say it at once, and every ten seconds how long it has taken. It needs nothing that takes long to load."""
    started, over = time.monotonic(), Event()

    def remind() -> None:
        while not over.wait(every_s):
            _say(f"  {time.monotonic() - started:4.0f} s: still at it")

    _say(f"{text} …")
    reminder = Thread(target=remind, daemon=True)
    reminder.start()
    try:
        yield
    finally:
        over.set()
        reminder.join()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
