"""The modules of the ACR CT phantom as its measures read them."""

from __future__ import annotations

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.libraries.phantom_shapes.acr_ct import (
    BARS_MM,
    LOW_CONTRAST_MM,
    NEAR_MM,
    UNIFORM_MM,
    AcrCt,
    find_acr_ct,
    shows_bars,
)
from miqa_node.libraries.phantom_shapes.catphan_modules import is_even
from miqa_phantoms.modules import Module, ModuleView

ACR_CT = frozenset({PhantomKind.ACR_CT_464})
NO_MODULE = Phrase("Module 1 with its inserts of air and bone was not found.")
INSIDE_MM = 8.0
"""Of a module, 40 mm long, on each side of the slice nearest to its middle."""
SOURCE = (
    "American College of Radiology: Instruction manual for testing the ACR CT phantom (2004), which the constants of "
    "pylinac 3.49.0 (acr.py) place"
)


class AcrCtView(ModuleView):
    """The modules of one stack."""

    def __init__(self, stack: PhantomStack, phantom: AcrCt) -> None:
        super().__init__(stack, phantom.middle_mm, phantom.disc, phantom.pose, phantom.direction)
        self.phantom = phantom

    def inserts(self) -> Module:
        """Module 1, averaged."""
        return self.mean_of("module_1", self.phantom.place)

    def ramps(self) -> Module:
        """Module 1, one slice."""
        return self.module("module_1", self.phantom.place, self.stack.images[self.phantom.place])

    def low_contrast(self) -> list[Module] | Phrase:
        """Slices of module 2, the one nearest to its middle first."""
        middle = self._even(LOW_CONTRAST_MM)
        if isinstance(middle, Phrase):
            return middle
        near = [place for place, at in enumerate(self.at_mm) if abs(at - self.at_mm[middle]) <= INSIDE_MM]
        near.sort(key=lambda one: abs(self.at_mm[one] - self.at_mm[middle]))
        alike = [place for place in near if is_even(self.stack.images[place], self.disc)]
        return [self.module("module_2", place, self.stack.images[place]) for place in alike]

    def uniform(self, *, single: bool = False) -> Module | Phrase:
        """Module 3; a ``single`` slice has its noise."""
        place = self._even(UNIFORM_MM)
        return self.single("module_3", place) if single else self.mean("module_3", place)

    def bars(self) -> Module | Phrase:
        """Module 4, averaged."""
        place = self.place_of(BARS_MM, NEAR_MM, lambda image: shows_bars(image, self.disc))
        return self.mean("module_4", place)

    def _even(self, distance_mm: float) -> int | Phrase:
        return self.place_of(distance_mm, NEAR_MM, lambda image: is_even(image, self.disc))


def acr_ct_of(stack: PhantomStack) -> AcrCtView | None:
    """None if the stack has no module 1."""
    return stack.once(_find)


def _find(stack: PhantomStack) -> AcrCtView | None:
    phantom = find_acr_ct(stack.images, stack.places_mm, stack.spacing_mm)
    return None if phantom is None else AcrCtView(stack, phantom)
