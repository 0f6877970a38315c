"""The body part that the pixels show beyond doubt: a frontal chest, by its two lungs; everything else is unsure.

It is recorded beside the header and never in its place; where the header names a part without lungs, that is a
measurement and a contradiction (:mod:`miqa_node.stages.assess.contradiction`). docs/explanation/any-radiograph.md has
the figures.
"""

from __future__ import annotations

from dataclasses import replace

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.dicom.pixels.regions import CHEST_PARTS
from miqa_node.stages.assess.contradiction import shows_chest
from miqa_node.stages.assess.landmarks.lungs_seen import (
    LungField,
    shows_chest_by_both,
    shows_frontal_chest,
    shows_two_lungs,
)
from miqa_node.stages.assess.landmarks.measurands import PART_AGREES

CHEST = "CHEST"
# fmt: off
SINGLE = CHEST_PARTS | {
    "ABDOMEN", "AORTA", "BREAST", "BRONCHUS", "CLAVICLE", "CTSPINE", "ESOPHAGUS", "HEART", "MEDIASTINUM", "NECK", "RIB",
    "SCAPULA", "SHOULDER", "SPINE", "SSPINE", "STERNUM", "THYMUS", "TLSPINE", "TRACHEA", "TSPINE", "WHOLEBODY",
}
# fmt: on
WITH_LUNGS = SINGLE | {term for term, parts in STANDARD.body_parts.combined.items() if parts & SINGLE}
"""Parts whose images may show both lungs: a chest in the pixels contradicts none of them."""


def is_another_part(header: Header) -> bool:
    """Whether the header names a part whose images show no lungs."""
    return bool(header.body_part_examined) and header.body_part_examined not in WITH_LUNGS


def with_part(
    assessment: Assessment, lungs: LungField, header: Header, seen_by: ModelIdentity, gate: float = 1.0
) -> Assessment:
    """With the part, if it is a frontal chest; and with what the header says against it, if it names any.

    Where the header names none, and nothing is contradicted, two lungs that the gate takes for a chest's suffice. So do
    two that are nearly as high as a chest's where it names a part that has none; whole spines show lungs, too.
    ``gate``: probability of another kind by the quality package.
    """
    unnamed = not header.body_part_examined
    by_both = unnamed and shows_chest_by_both(lungs, gate)
    against = is_another_part(header) and not header.body_part_examined.endswith("SPINE") and shows_two_lungs(lungs)
    if not (shows_frontal_chest(lungs) or by_both or against):
        return assessment
    chest = replace(assessment, part_seen=CHEST)
    if unnamed:
        return chest
    another = is_another_part(header)
    agrees = Measurement(PART_AGREES.name, float(not another), PART_AGREES.unit, made_by=seen_by)
    issues = shows_chest(header) if another else ()
    return replace(
        chest,
        measurements=(*chest.measurements, agrees),
        plausibility=(*chest.plausibility, *issues),
    )
