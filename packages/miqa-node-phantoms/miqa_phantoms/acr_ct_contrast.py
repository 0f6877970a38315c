"""Contrast to noise of the ACR CT phantom, by the rod of 25 mm of module 2."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_phantoms.acr_ct import ACR_CT, NO_MODULE, SOURCE, acr_ct_of

ROD_DEG, BESIDE_DEG = -90.0, -115.0
DISTANCE_MM, RADIUS_MM = 60.0, 5.64
"""Circles of 100 mm²."""


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = acr_ct_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    modules = view.low_contrast()
    if isinstance(modules, Phrase):
        return measure.none(modules)
    rods, besides = ([one.pixels(at, DISTANCE_MM, RADIUS_MM) for one in modules] for at in (ROD_DEG, BESIDE_DEG))
    circles = [modules[0].circle(angle, DISTANCE_MM, RADIUS_MM) for angle in (ROD_DEG, BESIDE_DEG)]
    # Noise of a slice, and a contrast that is known better than one slice would tell.
    contrast = float(np.mean([rod.mean() - beside.mean() for rod, beside in zip(rods, besides, strict=True)]))
    noise = float(np.sqrt(np.mean([one.var(ddof=1) for one in besides])))
    cnr = abs(contrast) / max(noise, 1e-6)
    return tuple(
        one.read(figure, measure.source, modules[0].read_on, circles)
        for one, figure in zip(measure.values, (cnr, contrast), strict=True)
    )


MEASURE = PhantomMeasure(
    name="acr_ct_contrast",
    order=25,
    kinds=ACR_CT,
    values=(
        PhantomQuantity(
            "cnr_module_2",
            "1",
            Phrase("Contrast of the rod of 25 mm over the standard deviation of a slice beside it, on module 2."),
        ),
        PhantomQuantity(
            "contrast_hu_module_2", "[hnsf'U]", Phrase("Mean of the rod of 25 mm less the mean beside it.")
        ),
    ),
    formula="|A − B| / SD(B), A and B circles of 100 mm² in the rod and beside it; means of slices up to 8 mm beside "
    "the middle, of the noise the mean of squares",
    source=SOURCE,
    tolerance="10 %",
    run=run,
)
