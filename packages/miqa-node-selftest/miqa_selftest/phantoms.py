"""Synthetic images of five modalities as devices would send them: geometric phantoms, some with known defects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID

from miqa_node.stages.report.uids import derive_uid

SIDE_PX = 256
BITS = 12
PITCH_MM = 0.7
MADE_ON = "20260102"
PATIENT_ID = "MIQA-SELFTEST"
Image = NDArray[np.float32]


class PhantomDefect(StrEnum):
    """The defect of a phantom."""

    NONE = "none"
    BLANK = "blank"
    INVERTED = "inverted"
    NOISE = "noise"
    BLUR = "blur"


@dataclass(frozen=True, slots=True)
class PhantomKind:
    """One modality: names and attributes of its images."""

    modality: str
    sop_class_uid: str
    body_part: str
    extra: Mapping[str, object]
    is_slice: bool = False
    """Whether the image belongs to a series with a frame of reference, never in 8 bits (PS3.3 C.8.2.1, C.8.3.1)."""
    has_window: bool = True
    is_breast: bool = False
    blank_is_flagged: bool = False
    """Whether the node must not accept it without content."""


KINDS = (
    PhantomKind("CR", "1.2.840.10008.5.1.4.1.1.1", "CHEST",
         {"ViewPosition": "PA", "ImagerPixelSpacing": [PITCH_MM, PITCH_MM], "PlateType": "phosphor"},
         blank_is_flagged=True),
    PhantomKind("DX", "1.2.840.10008.5.1.4.1.1.1.1", "CHEST",
         {"ViewPosition": "PA", "ImagerPixelSpacing": [PITCH_MM, PITCH_MM],
          "PresentationIntentType": "FOR PRESENTATION",
          "PixelIntensityRelationship": "LOG", "PixelIntensityRelationshipSign": 1, "ImageLaterality": "U",
          "PresentationLUTShape": "IDENTITY", "DetectorType": "DIRECT", "BurnedInAnnotation": "NO"},
         blank_is_flagged=True),
    PhantomKind("MG", "1.2.840.10008.5.1.4.1.1.1.2", "BREAST",
         {"ViewPosition": "CC", "ImagerPixelSpacing": [PITCH_MM, PITCH_MM],
          "PresentationIntentType": "FOR PRESENTATION",
          "PixelIntensityRelationship": "LOG", "PixelIntensityRelationshipSign": 1, "ImageLaterality": "L",
          "PresentationLUTShape": "IDENTITY", "BurnedInAnnotation": "NO"}, is_breast=True),
    PhantomKind("CT", "1.2.840.10008.5.1.4.1.1.2", "CHEST",
         {"RescaleIntercept": "-1024", "RescaleSlope": "1", "RescaleType": "HU", "KVP": "120", "SliceThickness": "5",
          "PixelSpacing": [PITCH_MM, PITCH_MM], "ImagePositionPatient": [-90, -90, 0],
          "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]},
         is_slice=True, has_window=False),
    PhantomKind("MR", "1.2.840.10008.5.1.4.1.1.4", "HEAD",
         {"ScanningSequence": "SE", "SequenceVariant": "NONE", "MRAcquisitionType": "2D", "EchoTime": "20",
          "RepetitionTime": "500", "SliceThickness": "5", "PixelSpacing": [PITCH_MM, PITCH_MM],
          "ImagePositionPatient": [-90, -90, 0], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
         is_slice=True),
)  # fmt: skip


def make(kind: PhantomKind, defect: PhantomDefect, name: str) -> Dataset:
    """The data set without file meta information; its UIDs are derived from ``name``, always the same."""
    ds = Dataset()
    ds.SOPClassUID, ds.Modality, ds.BodyPartExamined = UID(kind.sop_class_uid), kind.modality, kind.body_part
    for keyword, level in (
        ("SOPInstanceUID", "instance"),
        ("SeriesInstanceUID", "series"),
        ("StudyInstanceUID", "study"),
    ):
        setattr(ds, keyword, derive_uid("selftest", kind.modality, defect.value, name, level))
    if kind.is_slice:
        ds.FrameOfReferenceUID = derive_uid("selftest", kind.modality, defect.value, name, "frame")
        ds.PositionReferenceIndicator = ""
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Selftest^Phantom", PATIENT_ID, "", "O"
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = MADE_ON
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime = "120000"
    ds.AccessionNumber, ds.StudyID, ds.ReferringPhysicianName = f"ST-{kind.modality}"[:16], "SELFTEST", ""
    ds.SeriesNumber, ds.InstanceNumber, ds.Laterality = 1, 1, ""
    ds.Manufacturer, ds.PatientOrientation = "miqa-node", ["L", "F"]
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.ImageComments = f"Synthetic phantom of the self-test, {kind.modality}, defect: {defect.value}. No patient."
    for keyword, value in kind.extra.items():
        setattr(ds, keyword, value)
    _set_pixels(ds, DEFECTS[defect](_phantom(is_breast=kind.is_breast)))
    if kind.has_window:
        ds.WindowCenter, ds.WindowWidth = str(2 ** (BITS - 1)), str(2**BITS)
    return ds


def _phantom(*, is_breast: bool) -> Image:
    """Ellipses that represent the body and its organs, with a little noise; 0 to 1."""
    image = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    half = SIDE_PX // 2

    def ellipse(centre: tuple[float, float], axes: tuple[float, float], value: float) -> None:
        at = (int(centre[0] * SIDE_PX), int(centre[1] * SIDE_PX))
        cv2.ellipse(image, at, (int(axes[0] * SIDE_PX), int(axes[1] * SIDE_PX)), 0, 0, 360, value, -1, cv2.LINE_AA)

    if is_breast:
        cv2.ellipse(image, (0, half), (int(0.55 * SIDE_PX), int(0.42 * SIDE_PX)), 0, -90, 90, 0.5, -1, cv2.LINE_AA)
        ellipse((0.2, 0.5), (0.12, 0.2), 0.7)
    else:
        ellipse((0.5, 0.5), (0.44, 0.38), 0.75)
        ellipse((0.3, 0.5), (0.13, 0.24), 0.3)
        ellipse((0.7, 0.5), (0.13, 0.24), 0.3)
        ellipse((0.5, 0.72), (0.05, 0.08), 0.95)
    noise = np.random.default_rng(7).normal(0, 0.01, image.shape)
    return np.asarray(np.clip(cv2.GaussianBlur(image, (0, 0), 1.0) + noise, 0, 1), np.float32)


def _blank(image: Image) -> Image:
    return np.full_like(image, 0.1)


def _inverted(image: Image) -> Image:
    return np.float32(1.0) - image


def _noisy(image: Image) -> Image:
    noise = np.random.default_rng(8).normal(0, 0.2, image.shape)
    return np.asarray(np.clip(image + noise, 0, 1), np.float32)


def _blurred(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 9.0), np.float32)


DEFECTS: Mapping[PhantomDefect, Callable[[Image], Image]] = {
    PhantomDefect.NONE: lambda image: image,
    PhantomDefect.BLANK: _blank,
    PhantomDefect.INVERTED: _inverted,
    PhantomDefect.NOISE: _noisy,
    PhantomDefect.BLUR: _blurred,
}


def _set_pixels(ds: Dataset, image: Image) -> None:
    ds.Rows, ds.Columns = image.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, BITS, BITS - 1
    ds.PixelData = np.rint(image * (2**BITS - 1)).astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
