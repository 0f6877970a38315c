"""The kinds of objects that the node can make, and which of them it makes by default."""

from __future__ import annotations

import re
from dataclasses import dataclass

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.plugins import Seam

_KIND = re.compile(r"[A-Z][A-Z0-9_]{0,15}")


@dataclass(frozen=True, slots=True)
class OutputKind:
    """One kind of object, with the properties that destinations and pages use.

    ``modality``, ``series_number`` and ``description`` are those of its series; an empty modality is the source's.
    ``sop_class_uid`` is empty if it is the source's.
    """

    kind: ResultKind
    modality: str
    series_number: int
    description: str
    sop_class_uid: str
    by_default: bool = False
    """Made for every image, and sent to each destination without ``objects``."""

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise ValueError(f"{self.kind!r} is not 1 to 16 capital letters, digits and underscores.")


_OUTPUTS = Seam("outputs", OutputKind)


def output_kinds() -> tuple[ResultKind, ...]:
    """Every kind that a destination may name, including outputs that are installed but unavailable."""
    missing = (ResultKind(plugin.name) for plugin in _OUTPUTS.plugins() if plugin.unavailable)
    return tuple(dict.fromkeys([*(one.kind for one in _OUTPUTS.all().values()), *missing]))


def default_kinds() -> frozenset[ResultKind]:
    """The kinds made for every image and sent to destinations without ``objects``."""
    return frozenset(one.kind for one in _OUTPUTS.all().values() if one.by_default)
