"""Whether SimpleITK is installed, which measurements of whole volumes use; it comes with the extra ``series``.

Without it those measurements are left out. Each module loads it where it computes, for the first series that needs it.
"""

from __future__ import annotations

from importlib.util import find_spec


def is_installed() -> bool:
    """Whether it is there; it is not loaded."""
    return find_spec("SimpleITK") is not None
