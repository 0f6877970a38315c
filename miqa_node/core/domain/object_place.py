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
    """One region of the evidence, drawn by itself and named by itself.

    ``peak`` is its highest point, (x, y) as fractions of the image, and ``score`` the value of the map there, 0 to 1.
    ``over`` is the anatomy under a part of it; ``edge``: its centre lies outside of that. ``side`` is the patient's
    "left" or "right"; it is empty across the spine, over the mediastinum, and where the header does not tell the sides.
    ``both``: it reaches over both lungs.
    """

    peak: tuple[float, float]
    over: ChestRegion
    side: str = ""
    apex: bool = False
    worn: WornAt | None = None
    score: float = 0.0
    edge: bool = False
    both: bool = False

    @property
    def hides(self) -> bool:
        """Whether it lies over anatomy that the image was made for."""
        return self.over is not ChestRegion.OUTSIDE


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """The place of what was seen.

    ``over`` has the anatomy under every spot, what matters most first: lung, mediastinum, outside. ``regions`` has each
    spot: first those over anatomy, then the others, the highest score first; empty of judgements of earlier versions.
    The rest is of the first region: ``side`` is the patient's "left" or "right", empty for the mediastinum and where it
    is unknown; ``apex`` is True over the upper part of a lung; ``worn`` is None where the clavicles are hidden.
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
