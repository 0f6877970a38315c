"""The node's implementation identification for DICOM peers and in its files (PS3.7 D.3.3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from miqa_node import __version__

MANUFACTURER = "miqa-node"
"""Manufacturer (0008,0070) of all objects made by the node."""

IMPLEMENTATION_CLASS_UID = "2.25.59086652453054321364664539064839663335"
"""The same for all versions of this software."""

STATED_VERSION: ContextVar[str] = ContextVar("version", default=__version__)
"""The version that an object being written names as its maker: that of then, if it is made again."""


@contextmanager
def made_by(version: str) -> Iterator[None]:
    """Write objects as this version of the node did."""
    before = STATED_VERSION.set(version)
    try:
        yield
    finally:
        STATED_VERSION.reset(before)


def implementation_version_name(version: str) -> str:
    """Implementation Version Name (0002,0013) of a version."""
    return f"MIQA_{version}"[:16]


def version_of(name: str) -> str:
    """The version that an Implementation Version Name states; this one's if it is not the node's.

    >>> version_of("MIQA_0.1.0")
    '0.1.0'
    """
    return name.removeprefix("MIQA_") if name.startswith("MIQA_") else __version__


IMPLEMENTATION_VERSION_NAME = implementation_version_name(__version__)
