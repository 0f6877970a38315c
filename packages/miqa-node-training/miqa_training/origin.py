"""The origin of a run's weights, in a form that stays valid after the package was replaced."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def commit() -> str:
    """The commit of the training checkout; empty outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return ""
    process = subprocess.run(  # noqa: S603 - fixed arguments
        [git, "-C", str(Path(__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return process.stdout.strip()


def start_of(package: str, at: str) -> str:
    """A card's reference to the starting package: replaced packages remain in the history, not in the folder.

    >>> start_of("quality-0.5.0", "3cf749b")
    'git archive 3cf749b models/quality-0.5.0 | tar -x'
    """
    return f"git archive {at} models/{package} | tar -x" if at else ""
