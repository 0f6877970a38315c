"""What was measured of a series of a phantom: values with their unit, and the slices and regions they were read on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from miqa_node.core.language.phrase import Phrase

Point = tuple[float, float]
"""Column and row in pixels, the centre of the first pixel at (0, 0)."""

LOCALIZER = Phrase("This is a localizer: it has not the slices of the ACR protocol.")
"""The reason of values that a localizer is not scanned for."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where on the slice a value was read; graphic types and their points as in PS3.3 C.10.5.1.2.

    A circle has its centre and a point on it, a polyline its corners (the first again at its end if it is closed).
    """

    graphic_type: Literal["CIRCLE", "POLYLINE", "POINT"]
    points: tuple[Point, ...]
    label: str = ""


def polyline(points: Iterable[Iterable[float]], label: str = "") -> Region:
    """Points, each a column and a row, as a line on a slice."""
    return Region("POLYLINE", tuple((float(column), float(row)) for column, row in points), label)


@dataclass(frozen=True, slots=True)
class SliceRead:
    """The slice that a value was read on."""

    sop_instance_uid: str
    digest: str
    frame: int
    """Counted from 0; 0 for images of one frame."""
    instance_number: int
    role: str = ""
    """What the phantom shows on it, found by its pixels: "slice_7" of an ACR phantom; empty if it has no role."""


@dataclass(frozen=True, slots=True)
class PhantomValue:
    """One value, or the reason why it could not be measured."""

    name: str
    """``piu_percent``; a value of several has a dot: ``geometric_accuracy_mm.slice_1_horizontal``."""
    value: float | None
    unit: str
    """UCUM code: "%", "mm", "1", "[hnsf'U]" …"""
    definition: str
    """A phrase: what it is, in one sentence."""
    source: str
    """The document that defines it."""
    reason: str = ""
    """A phrase: why there is no value; empty if there is one."""
    read_on: SliceRead | None = None
    regions: tuple[Region, ...] = ()
    """On the slice ``read_on``."""


@dataclass(frozen=True, slots=True)
class PhantomReadings:
    """All values of one stack of slices of a series; a series has several if scans share its UID."""

    series_instance_uid: str
    kind: str
    """Of :class:`~miqa_node.core.domain.phantom.PhantomKind`; empty if no measure is for what was recognised."""
    values: tuple[PhantomValue, ...]
    stack: int = 0
    """Counted from 0."""
    stacks: int = 1
    """How many the series has."""
    slices: int = 0
    """Of the stack that could be decoded."""

    def value(self, name: str) -> PhantomValue | None:
        """That of this name, measured or not; None if nothing of the kind is measured of the phantom."""
        return next((one for one in self.values if one.name == name), None)
