"""Simulators of every quality defect, in physical units: where training and the demonstration get bad images from.

``degrade(image, finding, severity, rng, pixel_pitch_mm)`` is the one entry. Images are float32 display values in
[0, 1], 0 black, of shape (rows, columns). Severity in [0, 1] is continuous; 0.25, 0.5, 0.75 and 1 have the physical
values that each simulator states. The same generator state gives the same image; only numpy and OpenCV are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from miqa_node.domain.finding import DEFECTS, FindingName
from miqa_node.training.degrade import (
    blur,
    cutouts,
    detector,
    double,
    exposure,
    gate,
    grid,
    implants,
    positioning,
    processing,
    shapes,
)
from miqa_node.training.degrade.physics import Image, Material

__all__ = [
    "DEFECTS",
    "FAMILIES",
    "ORDER",
    "SIMULATORS",
    "Image",
    "Material",
    "degrade",
    "degrade_all",
    "gate",
    "pitch_of",
]

Simulator = Callable[[Image, float, np.random.Generator, float, Material], Image]

SIMULATORS: Mapping[FindingName, Simulator] = {
    FindingName.MOTION_BLUR: blur.motion_blur,
    FindingName.UNSHARP: blur.unsharp,
    FindingName.NOISE_UNDEREXPOSURE: exposure.noise_underexposure,
    FindingName.OVEREXPOSURE_SATURATION: exposure.overexposure_saturation,
    FindingName.CONTRAST_PROCESSING: processing.contrast_processing,
    FindingName.GRID_ARTIFACT: grid.grid_artifact,
    FindingName.CLIPPED_ANATOMY: positioning.clipped_anatomy,
    FindingName.ROTATION_ORIENTATION: positioning.rotation_orientation,
    FindingName.FOREIGN_OBJECT: shapes.shapes,
    FindingName.DETECTOR_OVERLAY_ARTIFACT: detector.detector_overlay_artifact,
    FindingName.DOUBLE_EXPOSURE: double.double_exposure,
}
"""One simulator per finding; foreign objects by default from the family ``shapes``."""

FAMILIES: Mapping[str, Simulator] = {
    "shapes": shapes.shapes,
    "cutouts": cutouts.cutouts,
    "implants": implants.implants,
}
"""The generator families of foreign objects: training draws shapes and implants; cut-outs only test."""

ORDER: tuple[FindingName, ...] = (
    FindingName.FOREIGN_OBJECT,
    FindingName.ROTATION_ORIENTATION,
    FindingName.CLIPPED_ANATOMY,
    FindingName.DOUBLE_EXPOSURE,
    FindingName.MOTION_BLUR,
    FindingName.UNSHARP,
    FindingName.GRID_ARTIFACT,
    FindingName.OVEREXPOSURE_SATURATION,
    FindingName.NOISE_UNDEREXPOSURE,
    FindingName.DETECTOR_OVERLAY_ARTIFACT,
    FindingName.CONTRAST_PROCESSING,
)
"""In which order defects happen to one image: patient, exposure, detector, processing."""

USUAL_FIELD_MM = 400.0
"""Longer side of a chest radiograph whose pixel spacing is not known."""


def degrade(
    image: Image,
    finding: FindingName,
    severity: float,
    rng: np.random.Generator,
    pixel_pitch_mm: float,
    material: Material | None = None,
) -> Image:
    """The image with one defect; severity 0 returns a copy.

    ``pixel_pitch_mm`` turns millimetres into pixels; take ``pitch_of(image)`` when the image does not say. ValueError
    for a severity outside [0, 1], a pitch that is not positive, or a finding that no simulator makes (the gate).
    """
    if not 0.0 <= severity <= 1.0:
        msg = f"severity must lie in [0, 1], not {severity}"
        raise ValueError(msg)
    if pixel_pitch_mm <= 0.0:
        msg = f"the pixel pitch must be positive, not {pixel_pitch_mm} mm"
        raise ValueError(msg)
    if finding not in SIMULATORS:
        msg = f"no simulator makes {finding}; the gate's images come from degrade.gate"
        raise ValueError(msg)
    if severity == 0.0:
        return image.copy()
    return SIMULATORS[finding](image, severity, rng, pixel_pitch_mm, material or Material())


def degrade_all(
    image: Image,
    severities: Mapping[FindingName, float],
    rng: np.random.Generator,
    pixel_pitch_mm: float,
    material: Material | None = None,
) -> Image:
    """Several defects in one image, applied in the order in which they happen (``ORDER``)."""
    for finding in ORDER:
        if severities.get(finding, 0.0) > 0.0:
            image = degrade(image, finding, severities[finding], rng, pixel_pitch_mm, material)
    return image


def pitch_of(image: Image) -> float:
    """The pixel pitch in mm if the longer side shows a usual field of 400 mm."""
    return USUAL_FIELD_MM / float(max(image.shape))
