"""The command line: everything that people do with the node, and nothing that only they can do."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point ``miqa-node``."""
    from miqa_node.cli.app import run  # noqa: PLC0415 - importing the package costs nothing

    sys.exit(run(sys.argv[1:]))
