"""The forms of images in an export of labels."""

from __future__ import annotations

from enum import StrEnum


class Images(StrEnum):
    """The form in which images are exported with their labels."""

    NONE = "none"
    PNG = "png"
    DICOM = "dicom"
