"""Demonstrations want the same ports: one runs at a time, whichever process its test is in."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def alone() -> Iterator[None]:
    """No other demonstration of this machine's tests begins meanwhile."""
    with (Path(tempfile.gettempdir()) / "miqa-demonstration.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
