"""A coded concept as in DICOM: value, scheme, meaning (PS3.3 8.8)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept; ``scheme`` is a coding scheme designator such as DCM, SCT, UCUM or 99MIQA."""

    value: str
    scheme: str
    meaning: str


GRID_ARTIFACT = Code("111208", "DCM", "Grid artifact(s)")
POSITIONING = Code("111209", "DCM", "Positioning")
MOTION_BLUR = Code("111210", "DCM", "Motion blur")
UNDER_EXPOSED = Code("111211", "DCM", "Under exposed")
OVER_EXPOSED = Code("111212", "DCM", "Over exposed")
NO_IMAGE = Code("111213", "DCM", "No image")
INAPPROPRIATE_PROCESSING = Code("111219", "DCM", "Inappropriate image processing")
OTHER_FAILURE = Code("111220", "DCM", "Other failure")
UNKNOWN_FAILURE = Code("111221", "DCM", "Unknown failure")
DOUBLE_EXPOSURE = Code("113026", "DCM", "Double exposure")
REASON_CODES: dict[str, Code] = {
    code.value: code
    for code in (
        Code("111207", "DCM", "Image artifact(s)"),
        GRID_ARTIFACT,
        POSITIONING,
        MOTION_BLUR,
        UNDER_EXPOSED,
        OVER_EXPOSED,
        NO_IMAGE,
        Code("111214", "DCM", "Detector artifact(s)"),
        Code("111215", "DCM", "Artifact(s) other than grid or detector artifact"),
        Code("111216", "DCM", "Mechanical failure"),
        Code("111217", "DCM", "Electrical failure"),
        Code("111218", "DCM", "Software failure"),
        INAPPROPRIATE_PROCESSING,
        OTHER_FAILURE,
        UNKNOWN_FAILURE,
        DOUBLE_EXPOSURE,
    )
}
"""CID 7011 "Rejected for Quality Reasons" (PS3.16) by code value, with reasons that only people can know."""

SIGNAL_TO_NOISE = Code("113060", "DCM", "Signal to noise")
