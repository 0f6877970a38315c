"""Which libraries and branches that measure are there; none is loaded to know it."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

SERIES = "miqa_series"
"""The package of the measurements of series and of other modalities, miqa-node-series."""


@cache
def is_installed(library: str) -> bool:
    """Whether the library is there."""
    return find_spec(library) is not None
