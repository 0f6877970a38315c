"""Hounsfield units of the inserts of a Catphan, and their linearity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_node.libraries.phantom_shapes.catphan import INSERTS_MM
from miqa_phantoms.catphan import CATPHAN, NO_MODULE, catphan_of

INSERTS = {
    "Air": (-90.0, -1000.0),
    "PMP": (-120.0, -200.0),
    "LDPE": (180.0, -100.0),
    "Poly": (120.0, -35.0),
    "Acrylic": (60.0, 120.0),
    "Delrin": (0.0, 340.0),
    "Teflon": (-60.0, 990.0),
}
"""Angle from right towards down, and the value that the maker names."""
RADIUS_MM = 5.0
GROUP = "hu_ctp404"


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = catphan_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    module = view.ctp404()
    values, measured = [], []
    for name, (angle, _nominal) in INSERTS.items():
        mean = float(module.pixels(angle, INSERTS_MM, RADIUS_MM).mean())
        measured.append(mean)
        circle = module.circle(angle, INSERTS_MM, RADIUS_MM, name)
        values.append(measure.value(f"{GROUP}.{name}").read(mean, measure.source, module.read_on, [circle]))
    nominal = np.array([one for _, one in INSERTS.values()])
    slope = float(np.polyfit(nominal, measured, 1)[0])
    values.append(measure.value("hu_linearity_slope").read(slope, measure.source, module.read_on))
    values.append(measure.value("roll_deg").read(view.phantom.roll_deg, measure.source, module.read_on))
    values.append(
        measure.value("origin_slice_ctp404").read(view.phantom.sensitometry.place, measure.source, module.read_on)
    )
    return values


MEASURE = PhantomMeasure(
    name="catphan_hu",
    order=10,
    kinds=CATPHAN,
    values=(
        *(
            PhantomQuantity(
                f"{GROUP}.{name}",
                "[hnsf'U]",
                Phrase(
                    "Mean of a circle of 10 mm in the insert of {name}; its maker names {nominal} HU.",
                    name=name,
                    nominal=f"{nominal:.0f}",
                ),
            )
            for name, (_, nominal) in INSERTS.items()
        ),
        PhantomQuantity(
            "hu_linearity_slope", "1", Phrase("Slope of the line through measured over named values of the inserts.")
        ),
        PhantomQuantity("roll_deg", "deg", Phrase("How far the phantom is turned clockwise about its axis.")),
        PhantomQuantity(
            "origin_slice_ctp404", "1", Phrase("Place of the middle of module CTP404 in the stack, from 0.")
        ),
    ),
    formula="mean over a circle of 10 mm, and over slices up to 3 mm beside the middle",
    source="The Phantom Laboratory: Catphan 500 and 600 Manual, CTP404",
    tolerance="5 HU",
    run=run,
)
