"""What a measure of phantoms is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region, SliceRead

ACR_MR = frozenset({PhantomKind.ACR_MR_LARGE, PhantomKind.ACR_MR_MEDIUM})


@dataclass(frozen=True, slots=True)
class Value:
    """A value as the measure defines it."""

    name: str
    unit: str
    definition: Phrase

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
class Measure:
    """A measure: the values that it takes of a stack of some kinds of phantoms."""

    name: str
    kinds: frozenset[PhantomKind]
    values: tuple[Value, ...]
    """All that it can give; each is in its results, measured or with a reason."""
    formula: str
    source: str
    """The document that defines it, with edition and section."""
    tolerance: str
    """How far a second program on the same pixels may be away."""
    run: Callable[[PhantomStack, Measure], Sequence[PhantomValue]]

    def take(self, stack: PhantomStack) -> tuple[PhantomValue, ...]:
        """Its values of the stack."""
        return tuple(self.run(stack, self))

    def value(self, name: str) -> Value:
        """The one of that name."""
        return next(one for one in self.values if one.name == name)

    def none(self, reason: Phrase) -> tuple[PhantomValue, ...]:
        """All its values, not measured for this reason."""
        return tuple(one.missing(self.source, reason) for one in self.values)
