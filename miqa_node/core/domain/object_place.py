"""Where on a frontal chest an object lies that can be taken off, and how it is worn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SPOT = 0.5
"""Share of a map's highest value from which a cell belongs to a region of an object: what counts is what is drawn."""


class ChestRegion(StrEnum):
    """What an object covers on the picture."""

    LUNG = "lung"
    MEDIASTINUM = "mediastinum"
    OUTSIDE = "outside"


class WornAt(StrEnum):
    """How an object is worn, by its place alone."""

    NECK = "neck"
    CLOTHES = "clothes"


@dataclass(frozen=True, slots=True)
class ObjectRegion:
    """One region of the evidence, drawn by itself; what is said of it is said of its highest point.

    ``peak`` is that point, (x, y) as fractions of the image. ``side`` is the patient's "left" or "right"; it is empty
    across the spine, over the mediastinum, and where the header does not tell the sides.
    """

    peak: tuple[float, float]
    over: ChestRegion
    side: str = ""
    apex: bool = False
    worn: WornAt | None = None


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """The place of what was seen.

    ``over`` has the anatomy under every spot, what matters most first: lung, mediastinum, outside. The rest is of the
    spot that matters most: ``side`` is the patient's "left" or "right", empty for the mediastinum and where it is
    unknown; ``apex`` is True over the upper part of a lung; ``worn`` is None where the clavicles are hidden.
    ``regions`` has each spot, what matters most first; empty of judgements of earlier versions.
    """

    over: tuple[ChestRegion, ...]
    side: str = ""
    apex: bool = False
    worn: WornAt | None = None
    regions: tuple[ObjectRegion, ...] = ()

    def by_side(self) -> tuple[ObjectPlace, ...]:
        """The regions on each side of the patient, and those without a side, what matters most first."""
        sides = dict.fromkeys(one.side for one in self.regions)
        return tuple(_together([one for one in self.regions if one.side == side]) for side in sides)


def _together(regions: Sequence[ObjectRegion]) -> ObjectPlace:
    main, over = regions[0], dict.fromkeys(one.over for one in regions)
    return ObjectPlace(tuple(over), main.side, main.apex, main.worn, tuple(regions))
