"""Uniformity and noise of a Catphan, on module CTP486."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_phantoms.catphan import CATPHAN, NO_MODULE, catphan_of
from miqa_phantoms.uniform_circles import UniformCircles

GROUP = "hu_uniformity_ctp486"
CIRCLES = UniformCircles(GROUP, distance_mm=53.0, radius_mm=10.0)


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = catphan_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    module, single = view.ctp486(), view.ctp486(single=True)
    if isinstance(module, Phrase):
        return measure.none(module)
    if isinstance(single, Phrase):
        return measure.none(single)
    return (*CIRCLES.values(module, measure), CIRCLES.noise(single, measure))


MEASURE = PhantomMeasure(
    name="catphan_uniformity",
    order=11,
    kinds=CATPHAN,
    values=(
        PhantomQuantity(
            f"{GROUP}.Center", "[hnsf'U]", Phrase("Mean of a circle of 20 mm in the middle of module CTP486.")
        ),
        PhantomQuantity(f"{GROUP}.Left", "[hnsf'U]", Phrase("Mean of a circle of 20 mm, 53 mm left of the middle.")),
        PhantomQuantity(f"{GROUP}.Right", "[hnsf'U]", Phrase("Mean of a circle of 20 mm, 53 mm right of the middle.")),
        PhantomQuantity(f"{GROUP}.Top", "[hnsf'U]", Phrase("Mean of a circle of 20 mm, 53 mm above the middle.")),
        PhantomQuantity(f"{GROUP}.Bottom", "[hnsf'U]", Phrase("Mean of a circle of 20 mm, 53 mm below the middle.")),
        PhantomQuantity(
            "noise_hu", "[hnsf'U]", Phrase("Standard deviation in a circle of 20 mm in the middle, of one slice.")
        ),
    ),
    formula="mean over a circle of 20 mm, and over slices up to 3 mm beside the middle; noise of one slice",
    source="The Phantom Laboratory: Catphan 500 and 600 Manual, CTP486",
    tolerance="5 HU",
    run=run,
)
