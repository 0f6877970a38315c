"""Pictures with text, drawn in the font that comes with Pillow, and DICOM files of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

ULTRASOUND, CAPTURE, CR = ("1.2.840.10008.5.1.4.1.1." + suffix for suffix in ("6.1", "7", "1"))
NAME, DATE, NUMBER = "MUSTERMANN^ERIKA", "12.08.1964", "ID 47110815"
LINES = ((NAME, 20, 20), (DATE, 300, 60), (NUMBER, 40, 300))
"""Text, column and row."""
MARKINGS = (("R", 460, 30), ("PORTABLE", 330, 320), ("10 cm", 20, 180))
SIDES = (384, 512)


def picture(*texts: tuple[str, int, int], height: int = 24, seed: int = 0) -> NDArray[np.uint8]:
    """Gray noise with white text, (rows, columns)."""
    noise = np.random.default_rng(seed).normal(60, 12, SIDES).clip(0, 255).astype(np.uint8)
    canvas = Image.fromarray(noise)
    font = ImageFont.load_default(height)
    for text, column, row in texts:
        ImageDraw.Draw(canvas).text((column, row), text, font=font, fill=255)
    return np.array(canvas)


def write(
    path: Path, pixels: NDArray[Any], sop_class: str = ULTRASOUND, modality: str = "US", **elements: object
) -> Path:
    """A DICOM file of (frames, rows, columns, 3), (rows, columns, 3) or (rows, columns)."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(sop_class), UID("1.2.276.0.1.5")
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.276.0.1.2", "1.2.276.0.1.3", modality
    ds.PatientName, ds.PatientID = "Nobody^At^All", "PID-0815-X"
    colour = pixels.shape[-1] == 3
    ds.set_pixel_data(pixels, "RGB" if colour else "MONOCHROME2", 8 * pixels.itemsize, generate_instance_uid=False)
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    ds.save_as(path, enforce_file_format=True)
    return path
