"""Measures of phantoms: each is a plug-in of the seam ``phantom_measures``; those of the project are a distribution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region, SliceRead
from miqa_node.plugins import Seam

ACR_MR = frozenset({PhantomKind.ACR_MR_LARGE, PhantomKind.ACR_MR_MEDIUM})


@dataclass(frozen=True, slots=True)
class PhantomQuantity:
    """A value as the measure defines it; the definition is a phrase where it shall be said in other languages."""

    name: str
    unit: str
    definition: str

    def read(
        self, value: float, source: str, read_on: SliceRead | None, regions: Sequence[Region] = ()
    ) -> PhantomValue:
        """It, measured. ValueError if it is no number."""
        if not math.isfinite(value):
            raise ValueError("the value is not finite")
        return PhantomValue(
            self.name, float(value), self.unit, self.definition, source, read_on=read_on, regions=tuple(regions)
        )

    def missing(self, source: str, reason: Phrase, read_on: SliceRead | None = None) -> PhantomValue:
        """It, not measured."""
        return PhantomValue(self.name, None, self.unit, self.definition, source, reason, read_on)


@dataclass(frozen=True, slots=True)
class PhantomMeasure:
    """A measure: the values that it takes of a stack of some kinds of phantoms."""

    name: str
    kinds: frozenset[PhantomKind]
    values: tuple[PhantomQuantity, ...]
    """All that it can give; each is in its results, measured or with a reason."""
    formula: str
    source: str
    """The document that defines it, with edition and section."""
    tolerance: str
    """How far a second program on the same pixels may be away."""
    run: Callable[[PhantomStack, PhantomMeasure], Sequence[PhantomValue]]
    order: int = 1000
    """Where its values stand among all; the project's own have 1 and more."""

    def take(self, stack: PhantomStack) -> tuple[PhantomValue, ...]:
        """Its values of the stack."""
        return tuple(self.run(stack, self))

    def value(self, name: str) -> PhantomQuantity:
        """The one of that name."""
        return next(one for one in self.values if one.name == name)

    def none(self, reason: Phrase) -> tuple[PhantomValue, ...]:
        """All its values, not measured for this reason."""
        return tuple(one.missing(self.source, reason) for one in self.values)


PHANTOM_MEASURES: Seam[PhantomMeasure] = Seam("phantom_measures", PhantomMeasure)
"""The measures that are installed."""


def measures_in_order() -> Sequence[PhantomMeasure]:
    """As their values are shown."""
    return sorted(PHANTOM_MEASURES.all().values(), key=lambda one: one.order)
