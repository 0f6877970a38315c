"""CT and MR series with known noise, gaps, metal and truncation: phantoms as DICOM files, one a slice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

CT_CLASS, MR_CLASS = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
SIDE = 192
SPACING_MM = 2.0
FINE_MM = 1.0
"""Pixel pitch of bodies whose rings and edges are measured."""
FLATNESS = 0.7
STUDY, SERIES, FRAME_OF_REFERENCE = "1.2.826.0.1.3680043.8.498.100", "1.2.826.0.1.3680043.8.498.101", "1.2.3.4.5"

Image = NDArray[np.float64]


def body_ct(noise_hu: float = 12.0, radius_mm: float = 140.0, seed: int = 0) -> Image:
    """Water at 40 HU with white noise in air at -1000 HU, (SIDE, SIDE).

    As oval as a body if it fits into the field of view, so that it is not taken for a phantom.
    """
    y, x = np.mgrid[:SIDE, :SIDE]
    flat = FLATNESS if radius_mm < SIDE * SPACING_MM / 2 else 1.0
    distance_mm = np.hypot((y - (SIDE - 1) / 2) / flat, x - (SIDE - 1) / 2) * SPACING_MM
    image = np.where(distance_mm < radius_mm, 40.0, -1000.0)
    return image + np.random.default_rng(seed).normal(0.0, noise_hu, image.shape)


def layered_ct(noise_hu: float = 8.0, seed: int = 0, texture_px: float = 1.0, edge_px: float = 1.0) -> Image:
    """An oval of fat around soft tissue, as blurred and with noise as smooth as a kernel leaves them."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    distance = np.hypot(y / 0.8, x)
    image = np.where(distance < 62, 50.0, np.where(distance < 78, -100.0, -1000.0))
    image = cv2.GaussianBlur(image, (0, 0), edge_px)
    noise: Image = np.random.default_rng(seed).normal(size=image.shape)
    if texture_px:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), texture_px), np.float64)
    return np.asarray(image + noise * noise_hu / noise.std())


def chest_ct(seed: int = 0, right_px: int = 0) -> Image:
    """A body with two lungs and vessels in them, so many pixels right of the middle of a round field, (SIDE, SIDE)."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    random = np.random.default_rng(seed)
    image = np.where(np.hypot(y / 0.7, x - right_px) < 70, 45.0, -1000.0)
    vessels = cv2.GaussianBlur(np.random.default_rng(9).normal(size=image.shape), (0, 0), 1.5)
    lungs = np.hypot(y / 0.9, np.abs(x - right_px) - 33) < 26
    image[lungs] = np.where(vessels[lungs] > 0.3, 0.0, -850.0)
    image = cv2.GaussianBlur(image, (0, 0), 0.8) + random.normal(0.0, 8.0, image.shape)
    return np.where(np.hypot(y, x) < SIDE / 2, image, -1024.0)


def fine(dataset: FileDataset) -> None:
    """Pixels of 1 mm."""
    dataset.PixelSpacing = [FINE_MM, FINE_MM]


def with_metal(image: Image) -> Image:
    """A prosthesis of 16 × 10 pixels left of the middle."""
    changed = image.copy()
    changed[90:100, 50:66] = 3800.0
    return changed


def with_streaks(image: Image, amplitude_hu: float = 120.0) -> Image:
    """Bright and dark rays from the middle to the rim."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return np.asarray(image + amplitude_hu * np.sign(np.sin(12 * np.arctan2(y, x))))


def head_mr(signal: float = 600.0, air: float = 10.0, seed: int = 0, texture: float = 0.0) -> Image:
    """An ellipse with two tissues in Rayleigh noise, (SIDE, SIDE); ``texture`` is the share by which tissue varies."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    image = np.zeros((SIDE, SIDE))
    cv2.ellipse(image, (SIDE // 2, SIDE // 2), (60, 75), 0, 0, 360, signal, -1)
    image[(np.hypot(y, x) < 30)] = 0.7 * signal
    if texture:
        even = cv2.GaussianBlur(np.random.default_rng(0).normal(size=image.shape), (0, 0), 3.0)
        image *= 1.0 + texture * even / even.std()
    random = np.random.default_rng(seed)
    return np.asarray(np.hypot(image + random.normal(0, air, image.shape), random.normal(0, air, image.shape)))


def write_series(
    folder: Path,
    images: list[Image],
    modality: str,
    places_mm: list[float] | None = None,
    change: Callable[[FileDataset], None] | None = None,
    first: int = 1,
) -> list[Path]:
    """One file for each image, 5 mm apart unless ``places_mm`` says otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, image in enumerate(images, first):
        place = places_mm[number - first] if places_mm else 5.0 * (number - 1)
        dataset = _slice(image, modality, number, place)
        if change is not None:
            change(dataset)
        path = folder / f"{modality}{number:03}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _slice(image: Image, modality: str, number: int, place_mm: float) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID = UID(CT_CLASS if modality == "CT" else MR_CLASS)
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = UID(f"{SERIES}.{number}")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, SERIES
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = FRAME_OF_REFERENCE, None
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = "Volume^Test", "V1", "", "O"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber, dataset.StudyID = "20261120", "101500", "A1", "1"
    dataset.ReferringPhysicianName = ""
    dataset.SeriesNumber, dataset.InstanceNumber = 3, number
    dataset.Modality, dataset.Manufacturer, dataset.BodyPartExamined = modality, "Test data", "ABDOMEN"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"] if modality == "CT" else ["ORIGINAL", "PRIMARY", "M", "SE"]
    dataset.ImagePositionPatient = [-(SIDE - 1) * SPACING_MM / 2, -(SIDE - 1) * SPACING_MM / 2, place_mm]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [SPACING_MM, SPACING_MM], "5"
    dataset.Rows, dataset.Columns = image.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    if modality == "CT":
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "-1024", "HU"
        dataset.KVP, dataset.AcquisitionNumber, dataset.CTDIvol, dataset.Exposure = "120", 1, 8.5, "20"
        dataset.WindowCenter, dataset.WindowWidth = "40", "400"
        stored = image + 1024.0
    else:
        dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "SE", "NONE", ""
        dataset.MRAcquisitionType, dataset.EchoTime, dataset.EchoTrainLength = "2D", "10", 1
        dataset.RepetitionTime, dataset.InPlanePhaseEncodingDirection = "500", "COL"
        dataset.WindowCenter, dataset.WindowWidth = "400", "800"
        stored = image
    dataset.PixelData = np.clip(np.rint(stored), -32768, 32767).astype("<i2").tobytes()
    return dataset


def read(path: Path) -> pydicom.FileDataset:
    """The file."""
    return pydicom.dcmread(path)
