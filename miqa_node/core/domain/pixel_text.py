"""Text in the pixels of an image: what kind of thing a line says, and where it stands; never what it says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TextKind(StrEnum):
    """What a line that may identify somebody looks like; a guess by its characters."""

    NAME = "name"
    DATE = "date"
    """A date or a time of day."""
    NUMBER = "number"
    """Four digits or more that are no scale, dose or window: an ID, an accession number, a year."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text on the stored image, in pixels from its upper left corner."""

    kind: TextKind
    column: int
    row: int
    width: int
    height: int


class TextImageKind(StrEnum):
    """Kinds of images whose pixels may be searched for text."""

    CAPTURE = "capture"
    """Secondary captures, screenshots and digitised documents."""
    ULTRASOUND = "ultrasound"
    COLOUR = "colour"
    """Other images in colour: endoscopy, photographs, fused overlays."""
    RADIOGRAPH = "radiograph"
