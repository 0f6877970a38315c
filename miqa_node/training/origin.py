"""Where the weights of a run came from, said so that it can be found again after the package was replaced."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def commit() -> str:
    """The commit of the checkout that trains, empty outside of one."""
    git = shutil.which("git")
    if git is None:
        return ""
    process = subprocess.run(  # noqa: S603 - fixed arguments
        [git, "-C", str(Path(__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return process.stdout.strip()


def start_of(package: str, at: str) -> str:
    """How a card says which package a run began with: replaced packages stay in the history, not in the folder.

    >>> start_of("quality-0.5.0", "3cf749b")
    'git archive 3cf749b models/quality-0.5.0 | tar -x'
    """
    return f"git archive {at} models/{package} | tar -x" if at else ""
