"""Whether the recogniser of the extra ``text`` is installed."""

from __future__ import annotations

from importlib.util import find_spec

LIBRARY = "rapidocr"


def can_read() -> bool:
    """Whether text in pixels can be read; the recogniser is not loaded."""
    return find_spec(LIBRARY) is not None
