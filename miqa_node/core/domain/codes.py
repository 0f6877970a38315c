"""A coded concept as in DICOM: value, scheme, meaning (PS3.3 8.8)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept; ``scheme`` is a coding scheme designator such as DCM, SCT, UCUM or 99MIQA."""

    value: str
    scheme: str
    meaning: str


# CID 7011 "Rejected for Quality Reasons" (PS3.16), reasons that this node can detect.
IMAGE_ARTIFACT = Code("111207", "DCM", "Image artifact(s)")
GRID_ARTIFACT = Code("111208", "DCM", "Grid artifact(s)")
POSITIONING = Code("111209", "DCM", "Positioning")
MOTION_BLUR = Code("111210", "DCM", "Motion blur")
UNDER_EXPOSED = Code("111211", "DCM", "Under exposed")
OVER_EXPOSED = Code("111212", "DCM", "Over exposed")
NO_IMAGE = Code("111213", "DCM", "No image")
DETECTOR_ARTIFACT = Code("111214", "DCM", "Detector artifact(s)")
OTHER_ARTIFACT = Code("111215", "DCM", "Artifact(s) other than grid or detector artifact")
INAPPROPRIATE_PROCESSING = Code("111219", "DCM", "Inappropriate image processing")
OTHER_FAILURE = Code("111220", "DCM", "Other failure")
UNKNOWN_FAILURE = Code("111221", "DCM", "Unknown failure")
DOUBLE_EXPOSURE = Code("113026", "DCM", "Double exposure")

SIGNAL_TO_NOISE = Code("113060", "DCM", "Signal to noise")
MECHANICAL_FAILURE = Code("111216", "DCM", "Mechanical failure")
ELECTRICAL_FAILURE = Code("111217", "DCM", "Electrical failure")
SOFTWARE_FAILURE = Code("111218", "DCM", "Software failure")

REASON_CODES: dict[str, Code] = {
    code.value: code
    for code in (
        IMAGE_ARTIFACT,
        GRID_ARTIFACT,
        POSITIONING,
        MOTION_BLUR,
        UNDER_EXPOSED,
        OVER_EXPOSED,
        NO_IMAGE,
        DETECTOR_ARTIFACT,
        OTHER_ARTIFACT,
        MECHANICAL_FAILURE,
        ELECTRICAL_FAILURE,
        SOFTWARE_FAILURE,
        INAPPROPRIATE_PROCESSING,
        OTHER_FAILURE,
        UNKNOWN_FAILURE,
        DOUBLE_EXPOSURE,
    )
}
"""All of CID 7011 by code value, including reasons that only people can know."""
