"""The entry point of ``miqa-node``; it imports nothing else, so Ctrl-C also ends a program quietly that still loads."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130
"""Exit.INTERRUPTED, which may not be loaded yet."""


def main() -> None:
    """Load the program and run one command."""
    gc.disable()  # as process.begin_loading does; the command begins with end_loading
    try:
        before = signal.getsignal(signal.SIGINT)
        if before is signal.default_int_handler:  # a shell may have it ignored
            signal.signal(signal.SIGINT, _end)
        _load_structlog()
        from miqa_node.interfaces.cli import app

        signal.signal(signal.SIGINT, before)
        app.main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _load_structlog() -> None:
    """Without rich, and the pygments that it loads: 7 MB for tracebacks that no log of the node shows."""
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # so that it cannot be imported
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]


def _end(_signal: int, _frame: FrameType | None) -> None:
    """End at once: an exception that is raised while modules load may be caught, or printed, by what loads them."""
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
