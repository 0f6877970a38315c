"""Whether the libraries of the extra ``series`` are installed."""

from __future__ import annotations

from importlib.util import find_spec

LIBRARIES = ("highdicom", "SimpleITK")


def missing_libraries() -> list[str]:
    """Those that are not installed, by the names of their modules; they are not loaded."""
    return [name for name in LIBRARIES if find_spec(name) is None]
