"""Starts the process from which child processes are forked."""

from __future__ import annotations

import os
from multiprocessing.forkserver import ensure_running

_SAFE_PATH = "PYTHONSAFEPATH"


def start_fork_server() -> None:
    """Start it if it does not run. It must not import from the working directory: others may have put files there."""
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        ensure_running()
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before
