"""What can be wrong with an image: the taxonomy of quality findings, and what a model says of each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from miqa_node.domain import codes
from miqa_node.domain.codes import Code


class FindingName(StrEnum):
    """The quality defects, and the gate for images that are not what a model was made for."""

    MOTION_BLUR = "motion_blur"
    UNSHARP = "unsharp"
    NOISE_UNDEREXPOSURE = "noise_underexposure"
    OVEREXPOSURE_SATURATION = "overexposure_saturation"
    CONTRAST_PROCESSING = "contrast_processing"
    GRID_ARTIFACT = "grid_artifact"
    CLIPPED_ANATOMY = "clipped_anatomy"
    ROTATION_ORIENTATION = "rotation_orientation"
    FOREIGN_OBJECT = "foreign_object"
    DETECTOR_OVERLAY_ARTIFACT = "detector_overlay_artifact"
    DOUBLE_EXPOSURE = "double_exposure"
    GATE = "gate"


class GateClass(StrEnum):
    """Why an image is outside what the model can judge."""

    INVERTED = "inverted"
    NOT_FRONTAL_CHEST = "not_frontal_chest"
    BLANK = "blank"


FINDING_CODES: dict[FindingName, Code] = {
    FindingName.MOTION_BLUR: codes.MOTION_BLUR,
    FindingName.UNSHARP: codes.IMAGE_ARTIFACT,
    FindingName.NOISE_UNDEREXPOSURE: codes.UNDER_EXPOSED,
    FindingName.OVEREXPOSURE_SATURATION: codes.OVER_EXPOSED,
    FindingName.CONTRAST_PROCESSING: codes.INAPPROPRIATE_PROCESSING,
    FindingName.GRID_ARTIFACT: codes.GRID_ARTIFACT,
    FindingName.CLIPPED_ANATOMY: codes.POSITIONING,
    FindingName.ROTATION_ORIENTATION: codes.POSITIONING,
    FindingName.FOREIGN_OBJECT: codes.OTHER_ARTIFACT,
    FindingName.DETECTOR_OVERLAY_ARTIFACT: codes.DETECTOR_ARTIFACT,
    FindingName.DOUBLE_EXPOSURE: codes.DOUBLE_EXPOSURE,
    FindingName.GATE: codes.OTHER_FAILURE,
}

GATE_CODES: dict[GateClass, Code] = {
    GateClass.INVERTED: codes.INAPPROPRIATE_PROCESSING,
    GateClass.NOT_FRONTAL_CHEST: codes.POSITIONING,
    GateClass.BLANK: codes.NO_IMAGE,
}

FINDING_WORDS: dict[FindingName, str] = {
    FindingName.MOTION_BLUR: "Motion blur",
    FindingName.UNSHARP: "Unsharp",
    FindingName.NOISE_UNDEREXPOSURE: "Noisy or under-exposed",
    FindingName.OVEREXPOSURE_SATURATION: "Over-exposed or saturated",
    FindingName.CONTRAST_PROCESSING: "Contrast or processing unfit",
    FindingName.GRID_ARTIFACT: "Grid lines or cut-off",
    FindingName.CLIPPED_ANATOMY: "Anatomy cut off",
    FindingName.ROTATION_ORIENTATION: "Rotated or mirrored",
    FindingName.FOREIGN_OBJECT: "Foreign object",
    FindingName.DETECTOR_OVERLAY_ARTIFACT: "Detector artifact or text over anatomy",
    FindingName.DOUBLE_EXPOSURE: "Double exposure",
    FindingName.GATE: "Not what the model was made for",
}
"""What a finding is called where people read it."""

GATE_WORDS: dict[GateClass, str] = {
    GateClass.INVERTED: "Grayscale inverted",
    GateClass.NOT_FRONTAL_CHEST: "Not a frontal chest radiograph",
    GateClass.BLANK: "Blank image",
}

DEFECTS: tuple[FindingName, ...] = tuple(name for name in FindingName if name is not FindingName.GATE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the taxonomy as a model judged it.

    ``probability`` is calibrated and in [0, 1], ``severity`` in [0, 1] on the scale of the simulated
    defects (0.25, 0.5, 0.75 and 1 are defined in physical units, see docs/reference/findings.md).
    ``threshold`` is the operating point of the model's card: at or above it the finding is present.
    ``peak`` is where its map is highest, (x, y) as fractions of the image's width and height; None without a map.
    """

    name: FindingName
    code: Code
    probability: float
    severity: float
    threshold: float
    peak: tuple[float, float] | None = None

    @property
    def present(self) -> bool:
        """Whether the probability reaches the model's operating point."""
        return self.probability >= self.threshold


def quality_score(findings: Iterable[Finding]) -> float:
    """One number in 0–100, 100 is best: the share of quality left when every finding takes its part.

    100 · Π(1 − probability · severity) over the defects that are present; a finding below its
    operating point takes nothing, so an unremarkable image scores 100.
    """
    present = (1.0 - f.probability * f.severity for f in findings if f.present)
    return 100.0 * math.prod(present)
