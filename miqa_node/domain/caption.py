"""Machine-written descriptions of images; they are unchecked, and no rule reads them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caption:
    """What ``writer`` (a package, or the host name of a server) wrote: plain sentences without control characters."""

    writer: str
    sentences: tuple[str, ...]
