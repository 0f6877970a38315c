"""Uniformity and noise of the ACR CT phantom, on module 3."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_phantoms.acr_ct import ACR_CT, NO_MODULE, SOURCE, acr_ct_of
from miqa_phantoms.uniform_circles import UniformCircles

GROUP = "hu_uniformity_module_3"
CIRCLES = UniformCircles(GROUP, distance_mm=66.0, radius_mm=11.28)
"""Of 400 mm²."""


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = acr_ct_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    module, single = view.uniform(), view.uniform(single=True)
    if isinstance(module, Phrase):
        return measure.none(module)
    if isinstance(single, Phrase):
        return measure.none(single)
    means = CIRCLES.means(module)
    largest = max((one - means["Center"] for one in means.values()), key=abs)
    difference = measure.value(f"{GROUP}.largest_difference").read(largest, measure.source, module.read_on)
    return (*CIRCLES.values(module, measure), difference, CIRCLES.noise(single, measure))


MEASURE = PhantomMeasure(
    name="acr_ct_uniformity",
    order=24,
    kinds=ACR_CT,
    values=(
        PhantomQuantity(f"{GROUP}.Center", "[hnsf'U]", Phrase("Mean of 400 mm² in the middle of module 3.")),
        PhantomQuantity(f"{GROUP}.Left", "[hnsf'U]", Phrase("Mean of 400 mm², 66 mm left of the middle.")),
        PhantomQuantity(f"{GROUP}.Right", "[hnsf'U]", Phrase("Mean of 400 mm², 66 mm right of the middle.")),
        PhantomQuantity(f"{GROUP}.Top", "[hnsf'U]", Phrase("Mean of 400 mm², 66 mm above the middle.")),
        PhantomQuantity(f"{GROUP}.Bottom", "[hnsf'U]", Phrase("Mean of 400 mm², 66 mm below the middle.")),
        PhantomQuantity(
            f"{GROUP}.largest_difference",
            "[hnsf'U]",
            Phrase("Of the four outer means, that which differs most from the middle, less it."),
        ),
        PhantomQuantity(
            "noise_hu", "[hnsf'U]", Phrase("Standard deviation of 400 mm² in the middle of module 3, of one slice.")
        ),
    ),
    formula="mean over a circle of 400 mm², and over slices up to 3 mm beside the middle; noise of one slice",
    source=SOURCE,
    tolerance="1.5 HU; noise 10 %",
    run=run,
)
