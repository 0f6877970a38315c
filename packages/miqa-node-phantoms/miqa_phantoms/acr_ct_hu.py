"""Hounsfield units of the five materials of module 1 of the ACR CT phantom."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_node.libraries.phantom_shapes.acr_ct import INSERTS_MM
from miqa_phantoms.acr_ct import ACR_CT, NO_MODULE, SOURCE, acr_ct_of

INSERTS = {"Air": 45.0, "Polyethylene": -135.0, "Acrylic": 135.0, "Bone": -45.0, "Water": 180.0}
"""Angle from right towards down, as the phantom lies when bone is above and air below at the right."""
RADIUS_MM = 8.0
"""200 mm², in inserts of 25 mm."""
GROUP = "hu_module_1"


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = acr_ct_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    module, values = view.inserts(), []
    for name, angle in INSERTS.items():
        mean = float(module.pixels(angle, INSERTS_MM, RADIUS_MM).mean())
        circle = module.circle(angle, INSERTS_MM, RADIUS_MM, name)
        values.append(measure.value(f"{GROUP}.{name}").read(mean, measure.source, module.read_on, [circle]))
    values.append(measure.value("roll_deg").read(view.pose.roll_deg, measure.source, module.read_on))
    values.append(measure.value("origin_slice_module_1").read(view.phantom.place, measure.source, module.read_on))
    return values


MEASURE = PhantomMeasure(
    name="acr_ct_hu",
    order=23,
    kinds=ACR_CT,
    values=(
        *(
            PhantomQuantity(
                f"{GROUP}.{name}", "[hnsf'U]", Phrase("Mean of 200 mm² in the insert of {name}.", name=name)
            )
            for name in INSERTS
        ),
        PhantomQuantity("roll_deg", "deg", Phrase("How far the phantom is turned clockwise about its axis.")),
        PhantomQuantity("origin_slice_module_1", "1", Phrase("Place of the middle of module 1 in the stack, from 0.")),
    ),
    formula="mean over a circle of 16 mm, and over slices up to 3 mm beside the middle",
    source=SOURCE,
    tolerance="5 HU",
    run=run,
)
