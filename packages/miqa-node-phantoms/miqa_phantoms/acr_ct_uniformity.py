"""Uniformity and noise of the ACR CT phantom, on module 3."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_phantoms.acr_ct import ACR_CT, NO_MODULE, SOURCE, acr_ct_of

DISTANCE_MM, RADIUS_MM = 66.0, 11.28
"""Circles of 400 mm²."""
PLACES = {"Center": (0.0, 0.0), "Left": (180.0, 1.0), "Right": (0.0, 1.0), "Top": (-90.0, 1.0), "Bottom": (90.0, 1.0)}
"""Angle from right towards down, and the distance from the centre in ``DISTANCE_MM``."""
GROUP = "hu_uniformity_module_3"


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
    values, means = [], {}
    for name, (angle, away) in PLACES.items():
        means[name] = float(module.pixels(angle, away * DISTANCE_MM, RADIUS_MM).mean())
        circle = module.circle(angle, away * DISTANCE_MM, RADIUS_MM, name)
        values.append(measure.value(f"{GROUP}.{name}").read(means[name], measure.source, module.read_on, [circle]))
    largest = max((one - means["Center"] for one in means.values()), key=abs)
    values.append(measure.value(f"{GROUP}.largest_difference").read(largest, measure.source, module.read_on))
    noise = float(single.pixels(0.0, 0.0, RADIUS_MM).std(ddof=1))
    circle = single.circle(0.0, 0.0, RADIUS_MM)
    return (*values, measure.value("noise_hu").read(noise, measure.source, single.read_on, [circle]))


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
