"""Low contrast of a Catphan: how many discs of 1 % contrast on module CTP515 stand out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_phantoms.catphan import CATPHAN, NO_MODULE, catphan_of
from miqa_phantoms.modules import Module

DISTANCE_MM = 50.0
DISCS = {
    "15": (-87.4, 6.0),
    "9": (-69.1, 3.5),
    "8": (-52.7, 3.0),
    "7": (-38.5, 2.5),
    "6": (-25.1, 2.0),
    "5": (-12.9, 1.5),
}
"""Diameter in mm: angle from right towards down, and the radius that is read."""
BESIDE_MM = (12.0, 10.0)
"""Distance of the two places inside and outside of a disc that it is compared with: of the largest, of the others."""
PLAIN_DEG = tuple(float(one) for one in range(30, 180, 12))
"""Where the ring has no disc: the spread of the same comparison there is the noise."""
ROSE = 5.0
"""A disc stands out that differs by so many standard deviations (Rose)."""


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = catphan_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    module = view.ctp515()
    if isinstance(module, Phrase):
        return measure.none(module)
    count, regions = 0, []
    for name, (angle, radius) in DISCS.items():
        plain = [_contrast(module, other, radius) for other in PLAIN_DEG]
        contrast = _contrast(module, angle, radius) - float(np.median(plain))
        if contrast < ROSE * max(float(np.std(plain)), 1e-6):
            break
        count += 1
        regions.append(module.circle(angle, DISTANCE_MM, radius, name))
    return (measure.values[0].read(count, measure.source, module.read_on, regions),)


def _contrast(module: Module, angle: float, radius: float) -> float:
    off = BESIDE_MM[0] if radius > 5.0 else BESIDE_MM[1]
    beside = [module.pixels(angle, DISTANCE_MM + side * off, 4.0).mean() for side in (-1.0, 1.0)]
    return float(module.pixels(angle, DISTANCE_MM, radius).mean() - np.mean(beside))


MEASURE = PhantomMeasure(
    name="catphan_low_contrast",
    order=14,
    kinds=CATPHAN,
    values=(
        PhantomQuantity(
            "low_contrast_rois_visible_ctp515",
            "1",
            Phrase(
                "How many of the six discs with one percent of contrast stand out, "
                "from 15 mm down to the first that does not."
            ),
        ),
    ),
    formula="mean of the disc less the mean beside it, over the spread of the same difference where no disc is",
    source="The Phantom Laboratory: Catphan 500 and 600 Manual, CTP515",
    tolerance="1 disc",
    run=run,
)
