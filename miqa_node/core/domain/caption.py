"""Machine-written descriptions of images; they are unchecked, and no rule reads them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caption:
    """A text by ``writer`` (a package, or the host name of a server): plain sentences without control characters."""

    writer: str
    sentences: tuple[str, ...]
