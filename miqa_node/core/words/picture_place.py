"""Where a finding that is no object was seen: by thirds of the picture's height, and by the side of the patient."""

from __future__ import annotations

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.landmarks import patient_side
from miqa_node.core.taxonomy.lookup import finding_entries
from miqa_node.core.words.phrases import AT

HEIGHTS = ("upper", "middle", "lower")
SIDES = ("left", "", "right")
"""Of the picture."""


def is_whole(finding: Finding) -> bool:
    """Whether the finding concerns the whole image, so an outline would mislead."""
    entry = finding_entries().get(finding.name)
    return finding.peak is None if entry is None else entry.region == "whole"


def place_in_picture(finding: Finding, assessment: Assessment) -> str:
    """The place in words; empty for a finding of the whole image, without a map, or that names its place itself.

    Where the header says that the picture has no sides of the patient, only the height is told.
    """
    if finding.peak is None or finding.place is not None or is_whole(finding):
        return ""
    across, down = (min(int(3 * share), 2) for share in finding.peak)
    side = patient_side(SIDES[across], assessment.header.patient_orientation) if SIDES[across] else ""
    return AT[HEIGHTS[down], side]
