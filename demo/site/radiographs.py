"""The radiographs of a site: smaller copies of two public ones, each with pixels and a header of its own."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from demo.site.objects import SiteFile, header_of, written
from demo.site.plan import CHEST, DAMAGED, DEFECTS, INVERTED, WRONG_PART, SiteExposure
from miqa_node.core.domain.finding import FindingName
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_selftest.radiographs import CHEST as CHEST_FILE
from miqa_selftest.radiographs import CHEST_PITCH_MM, EXTREMITY, MAX_PIXELS, Image, sample_folder
from miqa_training.degrade import degrade

SMALLER, SHARPER = 2.0, 0.6
"""Smaller pixels average; what that takes from edges is given back, else each copy looked moved."""
PITCH_MM = SMALLER * CHEST_PITCH_MM
BITS = 10
DX_CLASS = "1.2.840.10008.5.1.4.1.1.1.1"
GRAIN = 0.001
SEVERITIES = (1.0, 0.8, 0.6)


def radiograph(exposure: SiteExposure) -> SiteFile:
    """The file of an exposure of a chest or a lower leg."""
    random = np.random.default_rng(exposure.number)
    image = _own(_base(exposure.shows), random)
    if exposure.fault == INVERTED:
        image = np.float32(1.0) - image
    elif exposure.fault in DEFECTS:
        severity = SEVERITIES[exposure.number % len(SEVERITIES)]
        image = degrade(image, FindingName(exposure.fault), severity, random, PITCH_MM)
    header = header_of(exposure, DX_CLASS)
    is_chest = (exposure.shows == CHEST) != (exposure.fault == WRONG_PART)
    header.Modality, header.BodyPartExamined, header.ViewPosition = "DX", "CHEST" if is_chest else "LEG", "PA"
    header.StudyDescription = "Thorax p.a." if is_chest else "Unterschenkel a.p."
    header.ViewPosition = "PA" if is_chest else "AP"
    header.PresentationIntentType, header.ImageType = "FOR PRESENTATION", ["ORIGINAL", "PRIMARY"]
    header.PixelIntensityRelationship, header.PixelIntensityRelationshipSign = "LOG", 1
    header.ImageLaterality, header.PatientOrientation = "U" if is_chest else "L", ["L", "F"]
    header.DetectorType, header.DetectorID, header.BurnedInAnnotation = "DIRECT", f"D-{exposure.machine.station}", "NO"
    header.ImagerPixelSpacing = [PITCH_MM, PITCH_MM]
    header.PhotometricInterpretation, header.PresentationLUTShape = "MONOCHROME2", "IDENTITY"
    header.BitsStored = BITS
    header.WindowCenter, header.WindowWidth = str(2 ** (BITS - 1)), str(2**BITS)
    header.ExposureIndex = f"{random.normal(420.0, 40.0):.0f}"
    header.TargetExposureIndex, header.DeviationIndex = "400", f"{random.normal(0.2, 0.8):.1f}"
    header.OperatorsName = f"MTR^{'ABCD'[exposure.number % 4]}"
    stored = np.rint(np.clip(image, 0.0, 1.0) * (2**BITS - 1)).astype(np.uint16)
    return written(header, stored, whole=exposure.fault != DAMAGED)


@cache
def _base(shows: str) -> Image:
    path = sample_folder() / (CHEST_FILE if shows == CHEST else EXTREMITY)
    display = decode_frame(path, 0, MAX_PIXELS).display.astype(np.float32) / np.float32(65535.0)
    size = (round(display.shape[1] / SMALLER), round(display.shape[0] / SMALLER))
    small = cv2.resize(display, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small + SHARPER * (small - cv2.GaussianBlur(small, (0, 0), 1.0)), np.float32)


def _own(image: Image, random: np.random.Generator) -> Image:
    """A little of the edges less, a little brighter or darker, with grain of its own."""
    rows, columns = image.shape
    top, left = (int(random.integers(0, 8)) for _ in range(2))
    part = image[top : rows - int(random.integers(0, 8)), left : columns - int(random.integers(0, 8))]
    changed = np.clip(part, 0.0, 1.0) ** np.float32(random.normal(1.0, 0.04)) + random.normal(0.0, GRAIN, part.shape)
    return np.asarray(np.clip(changed, 0.0, 1.0), np.float32)
