"""The canary: a small synthetic chest radiograph that tests whether a node still judges images."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, generate_uid

from miqa_node.dicom.pixels.encode import FrameEncoder, file_of

SIDE = 256
SPACING_MM = 1.4


def canary_image(encode: FrameEncoder) -> bytes:
    """A DICOM file: two dark lungs in a bright body, compressed as JPEG 2000, frontal chest by its header."""
    y, x = np.mgrid[-1.0 : 1.0 : SIDE * 1j, -1.0 : 1.0 : SIDE * 1j]
    body = 200.0 - 60.0 * (x**2 + y**2)
    for centre in (-0.4, 0.4):
        body -= 110.0 * np.exp(-((((x - centre) / 0.25) ** 2 + (y / 0.55) ** 2) ** 2))
    pixels = np.clip(body, 0, 255).astype(np.uint8)
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
    image.Modality, image.BodyPartExamined, image.ViewPosition = "DX", "CHEST", "PA"
    image.PresentationIntentType, image.PatientOrientation = "FOR PRESENTATION", ["L", "F"]
    image.ImageType = ["ORIGINAL", "PRIMARY", ""]
    image.QualityControlImage = "YES"
    image.PixelSpacing = image.ImagerPixelSpacing = [SPACING_MM, SPACING_MM]
    return file_of(image, pixels, encode)
