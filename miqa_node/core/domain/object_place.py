"""Where on a frontal chest an object lies that can be taken off, and how it is worn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
class ObjectPlace:
    """The place of what was seen.

    ``over`` has the anatomy under every spot, what matters most first: lung, mediastinum, outside. The rest is of the
    spot that matters most: ``side`` is the patient's "left" or "right", empty for the mediastinum and where it is
    unknown; ``apex`` is True over the upper part of a lung; ``worn`` is None where the clavicles are hidden.
    """

    over: tuple[ChestRegion, ...]
    side: str = ""
    apex: bool = False
    worn: WornAt | None = None
