"""One stack of slices of a phantom, decoded: what all measures read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.memory import Memory
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.scans import scans_of
from miqa_node.features.phantoms.values import SliceRead
from miqa_node.stages.measure.series_view import SeriesView, SliceTools, Values
from miqa_node.stages.measure.slices import Slice, read_slices
from miqa_node.stages.measure.stack import same_plane
from miqa_node.stages.measure.volumes import show_the_same

NO_PHASE = Phrase("The header does not name the direction of phase encoding.")
MOST_SLICES = 512
"""Of a stack that is decoded as a whole; no phantom here has so many."""


class PhantomStack(Memory):
    """Slices in spatial order with their values: Hounsfield units in CT, the positive signal in MR."""

    def __init__(self, slices: Sequence[Slice], images: Sequence[Values], header: Header) -> None:
        super().__init__()
        self.slices = slices
        self.images = images
        self.header = header
        self.repeat: PhantomStack | None = None
        """Another scan of the same slices with the same protocol in this series, if there is one."""

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Between rows and between columns; 1 mm if the header does not say."""
        return self.slices[0].spacing_mm or (1.0, 1.0)

    @property
    def places_mm(self) -> list[float] | None:
        """Along the normal of the slices; None if the header of one does not say."""
        places = [one.place_mm for one in self.slices]
        positions = [one for one in places if one is not None]
        return positions if len(positions) == len(places) else None

    def read_on(self, place: int, role: str = "") -> SliceRead:
        """Names the slice at this place."""
        one = self.slices[place]
        return SliceRead(one.uid, one.digest, one.frame, one.number, role)


def stacks_of(
    header: Header, files: Sequence[tuple[InstanceDigest, Path]], tools: SliceTools
) -> tuple[PhantomStack, ...]:
    """The stacks of a series, each with one slice at each place; a localizer of one slice is one, too."""
    every = read_slices(files, tools.spread)
    slices = same_plane(every) or [one for one in every if one.is_localizer]
    view = SeriesView(header, slices[:MOST_SLICES], tools)
    every_stack = (_stack(view, indices) for indices in scans_of(view))
    stacks = tuple(one for one in every_stack if one.slices)
    for one in stacks:
        one.repeat = next((other for other in stacks if other is not one and _is_repeat(one, other)), None)
    return stacks


def _is_repeat(one: PhantomStack, other: PhantomStack) -> bool:
    """Whether two stacks differ at most in time."""
    if [image.shape for image in one.images] != [image.shape for image in other.images]:
        return False
    return all(show_the_same(first, second) for first, second in zip(one.slices, other.slices, strict=True))


def _stack(view: SeriesView, indices: Sequence[int]) -> PhantomStack:
    slices, images = [], []
    for index in indices:
        one = view.slices[index]
        radiograph = view.read(one)
        if radiograph is None:
            continue
        values = one.values(radiograph.stored)
        slices.append(one)
        images.append(np.maximum(values, 0.0) if view.header.modality == "MR" else values)
    return PhantomStack(slices, images, view.header)
