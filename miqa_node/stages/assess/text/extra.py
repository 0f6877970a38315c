"""Whether the recogniser of the extra ``text`` is installed, and how it is added."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

LIBRARY = "rapidocr"


def can_read() -> bool:
    """Whether text in pixels can be read; the recogniser is not loaded."""
    return find_spec(LIBRARY) is not None


def addition() -> str:
    """The command that adds it to this installation."""
    return f"{Path(sys.prefix) / 'bin' / 'pip'} install 'miqa-node[text]'"
