"""The entry point of ``miqa-node``; it imports nothing else, so Ctrl-C also ends a program quietly that still loads."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the program and run one command."""
    try:
        from miqa_node.cli import app  # noqa: PLC0415 - loading takes the longest

        app.main()
    except KeyboardInterrupt:
        sys.exit(130)  # Exit.INTERRUPTED, which may not be loaded yet


if __name__ == "__main__":
    main()
