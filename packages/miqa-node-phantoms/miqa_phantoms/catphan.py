"""The modules of a Catphan as its measures read them."""

from __future__ import annotations

import numpy as np

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.libraries.phantom_shapes.catphan import find_pose
from miqa_node.libraries.phantom_shapes.catphan_modules import Catphan, bars_hu, find_catphan, is_even
from miqa_node.stages.measure.series_view import Values
from miqa_phantoms.modules import Module, ModuleView

CATPHAN = frozenset({PhantomKind.CATPHAN_504, PhantomKind.CATPHAN_600, PhantomKind.CATPHAN_604})
NO_MODULE = Phrase("Module CTP404 with its inserts of air and Teflon was not found.")
MOST_OFF_MM = 4.0
"""A slice farther from the middle of a module is not taken for it."""
INSIDE_MM = 10.0
"""Of CTP404, 25 mm long, on each side of its middle."""
APART_MM = 2.5
"""Of three slices, the highest value is taken: more of them would have more noise."""


class CatphanView(ModuleView):
    """The modules of one stack; each is a module, or the reason why there is none."""

    def __init__(self, stack: PhantomStack, phantom: Catphan) -> None:
        middle = phantom.sensitometry
        super().__init__(stack, middle.middle_mm, middle.disc, middle.pose, phantom.direction)
        self.phantom = phantom

    def ctp404(self) -> Module:
        """The inserts."""
        return self.mean_of("ctp404", self.phantom.sensitometry.place)

    def ctp404_slices(self) -> list[tuple[float, Values]]:
        """All slices that show the inserts, and how far they are from the middle of the module."""
        pairs = zip(self.at_mm, self.stack.images, strict=True)
        return [(at, image) for at, image in pairs if abs(at) <= INSIDE_MM and find_pose(image, self.disc) is not None]

    def ctp528(self) -> Module | Phrase:
        """The line pairs, the highest of three slices, since they are a thin sheet."""
        place = self.place_of(
            self.phantom.model.line_pairs_mm, MOST_OFF_MM, lambda image: bars_hu(image, self.disc) > 0.0
        )
        if isinstance(place, Phrase):
            return place
        near = {self.nearest(self.at_mm[place] + off) for off in (-APART_MM, 0.0, APART_MM)}
        return self.module("ctp528", place, np.stack([self.stack.images[one] for one in sorted(near)]).max(axis=0))

    def ctp515(self) -> Module | Phrase:
        """Low contrast."""
        return self.mean("ctp515", self._even(self.phantom.model.low_contrast_mm))

    def ctp486(self, *, single: bool = False) -> Module | Phrase:
        """The uniform one; a ``single`` slice has its noise."""
        place = self._even(self.phantom.model.uniform_mm)
        return self.single("ctp486", place) if single else self.mean("ctp486", place)

    def _even(self, distance_mm: float) -> int | Phrase:
        return self.place_of(distance_mm, MOST_OFF_MM, lambda image: is_even(image, self.disc))


def catphan_of(stack: PhantomStack) -> CatphanView | None:
    """None if the stack has no module CTP404."""
    return stack.once(_find)


def _find(stack: PhantomStack) -> CatphanView | None:
    phantom = find_catphan(stack.images, stack.places_mm, stack.spacing_mm)
    return None if phantom is None else CatphanView(stack, phantom)
