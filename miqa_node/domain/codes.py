"""A coded concept, as DICOM writes it: value, scheme, meaning (PS3.3 8.8)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept; ``scheme`` is a coding scheme designator such as DCM, SCT, UCUM or 99MIQA."""

    value: str
    scheme: str
    meaning: str


# CID 7011 "Rejected for Quality Reasons" (PS3.16), the reasons that this node can find.
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
