"""The round slices of a uniform phantom in CT."""

from __future__ import annotations

from typing import NamedTuple

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.libraries.phantom_shapes.catphan import AIR_HU
from miqa_node.libraries.phantom_shapes.disc import Disc, find_disc

NO_DISC = Phrase("No slice shows a disc: the outline of the phantom is no circle.")
MOST_SLICES = 24
"""Of a long stack, spread over it."""


class CtDisc(NamedTuple):
    """A slice of the stack and its disc."""

    place: int
    disc: Disc


def discs_of(stack: PhantomStack) -> list[CtDisc]:
    """Those of up to 24 slices, without the ends of a longer stack."""
    return stack.once(_find)


def _find(stack: PhantomStack) -> list[CtDisc]:
    count = len(stack.images)
    ends = count // 8
    inner = range(ends, count - ends)
    step = -(-len(inner) // MOST_SLICES)
    pairs = (
        (place, find_disc(stack.images[place], stack.spacing_mm, floor=AIR_HU, divided=False))
        for place in inner[::step]
    )
    return [CtDisc(place, disc) for place, disc in pairs if disc is not None]
