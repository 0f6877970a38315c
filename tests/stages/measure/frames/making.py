"""Objects of any modality with known faults, as DICOM files, and what is measured of their frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.measure.frames import frames_numbers
from miqa_node.stages.measure.series_view import SliceTools

Image = NDArray[np.float64]
STUDY, SERIES = "1.2.826.0.1.3680043.8.498.300", "1.2.826.0.1.3680043.8.498.301"
CLASSES = {
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "XA": "1.2.840.10008.5.1.4.1.1.12.1",
    "NM": "1.2.840.10008.5.1.4.1.1.20",
    "OT": "1.2.840.10008.5.1.4.1.1.7",
}


def write(
    path: Path, modality: str, frames: Sequence[Image], change: Callable[[Dataset], None] | None = None, bits: int = 8
) -> Path:
    """One object with these frames; values are rounded and clipped to its bits."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID = UID(CLASSES[modality])
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, SERIES
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Kind^Test", "K1", modality
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.Rows, dataset.Columns = frames[0].shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = (8 if bits <= 8 else 16), bits, bits - 1
    dataset.PixelRepresentation = 0
    if len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    stored = np.clip(np.rint(np.stack(frames)), 0, 2**bits - 1)
    dataset.PixelData = stored.astype(np.uint8 if bits <= 8 else "<u2").tobytes()
    if change is not None:
        change(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path


def decode(path: Path, frame: int) -> Any:
    """The frame, in this process."""
    return decode_here(path, frame, max_pixels=10**8)


def measured(path: Path) -> dict[str, Measurement]:
    """What is measured of the frames of the file, by name."""
    header, _ = read_header(path, nameless=True)
    numbers = frames_numbers(header, (InstanceDigest("d" * 64), path), SliceTools(decode))
    return {one.name: one for one in numbers.measurements}


def values(path: Path) -> dict[str, float]:
    """The same, as numbers."""
    return {name: one.value for name, one in measured(path).items()}


def speckle(seed: int = 0, shape: tuple[int, int] = (256, 320)) -> Image:
    """Echoes of soft tissue below a straight transducer that fills the picture, darker with the depth."""
    random = np.random.default_rng(seed)
    grain = np.hypot(*(cv2.GaussianBlur(random.normal(size=shape), (0, 0), 2.0) for _ in range(2)))
    lumps = cv2.GaussianBlur(random.normal(size=shape), (0, 0), 16.0)
    fall = np.exp(-np.arange(shape[0]) / shape[0])[:, None]
    return np.asarray(70.0 * fall * (grain / grain.mean()) * np.exp(0.4 * lumps / lumps.std()) + 12.0)
