"""Invents the images whose objects the conformance statement describes: radiographs, a CT and an MR series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MRImageStorage,
)

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.landmarks import Outline
from miqa_node.stages.report.uids import derive_uid

SLICE_DISTANCE_MM = 5.0


@dataclass(frozen=True, slots=True)
class ExampleSource:
    """An invented image; with ``slices``, a series of them.

    ``describe`` adds what its modality fills in. ``present`` has the findings of its first image, ``marked`` the
    measurements that flag the series, ``lung`` the outline of the lung at the image's left.
    """

    name: str
    rows: int
    columns: int
    describe: Callable[[Dataset], None]
    assessed_at: datetime
    present: tuple[FindingName, ...]
    slices: int = 1
    marked: tuple[str, ...] = ()
    lung: Outline = ()

    def write(self, folder: Path) -> list[Path]:
        """The DICOM files, one a slice."""
        return [self._write(folder, number) for number in range(self.slices)]

    def _write(self, folder: Path, number: int) -> Path:
        ds = Dataset()
        ds.SOPInstanceUID = derive_uid("example", self.name, "SOPInstanceUID", str(number))
        for keyword in ("SeriesInstanceUID", "StudyInstanceUID"):
            setattr(ds, keyword, derive_uid("example", self.name, keyword))
        ds.PatientName = ds.PatientID = ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ds.StudyID = ""
        ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ""
        ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
        ds.Rows, ds.Columns, ds.SamplesPerPixel = self.rows, self.columns, 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.BitsStored, ds.PixelRepresentation = 12, 0
        self.describe(ds)
        if self.slices > 1:
            ds.InstanceNumber, ds.ImagePositionPatient = number + 1, [-40, -50, number * SLICE_DISTANCE_MM]
        _add_pixels(ds)
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{self.name}{number}.dcm"
        ds.save_as(path, enforce_file_format=True)
        return path


def _add_pixels(ds: Dataset) -> None:
    """Waves up to the highest value of the stored bits."""
    ds.BitsAllocated, ds.HighBit = 8 if ds.BitsStored <= 8 else 16, ds.BitsStored - 1
    y, x = np.mgrid[0 : 1 : ds.Rows * 1j, 0 : 1 : ds.Columns * 1j]
    highest = 2 ** (ds.BitsStored - ds.PixelRepresentation) - 1
    values = (highest * np.abs(np.sin(9 * x) * np.cos(7 * y))).astype(f"<u{ds.BitsAllocated // 8}")
    ds.add_new("PixelData", "OB" if ds.BitsAllocated == 8 else "OW", values.tobytes())


def bare_radiograph(ds: Dataset) -> None:
    """A computed radiograph with little more than its pixels."""
    ds.SOPClassUID, ds.Modality, ds.PhotometricInterpretation = ComputedRadiographyImageStorage, "CR", "MONOCHROME1"
    ds.BodyPartExamined, ds.PatientOrientation = "ABDOMEN", ["R", "F"]


def full_radiograph(ds: Dataset) -> None:
    """A digital radiograph with what a modality with a worklist fills in."""
    _add_patient(ds)
    ds.SOPClassUID, ds.Modality = DigitalXRayImageStorageForPresentation, "DX"
    ds.BodyPartExamined, ds.ViewPosition, ds.PatientOrientation = "CHEST", "PA", ["L", "F"]
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.ImageLaterality, ds.BurnedInAnnotation, ds.ImagerPixelSpacing = "U", "NO", [0.7, 0.7]
    ds.ShutterShape, ds.ShutterLeftVerticalEdge, ds.ShutterRightVerticalEdge = "RECTANGULAR", 4, ds.Columns - 4
    ds.ShutterUpperHorizontalEdge, ds.ShutterLowerHorizontalEdge = 4, ds.Rows - 4
    ds.LossyImageCompression, ds.LossyImageCompressionRatio = "01", "10"
    ds.LossyImageCompressionMethod = "ISO_10918_1"
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = "2000", "3000", "LINEAR"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"


def ct_slice(ds: Dataset) -> None:
    """A slice of a CT, placed in the patient."""
    _add_patient(ds)
    _add_plane(ds)
    ds.BitsStored, ds.PixelRepresentation = 16, 1
    ds.SOPClassUID, ds.Modality, ds.BodyPartExamined = CTImageStorage, "CT", "ABDOMEN"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-100", "0.01", "HU"
    ds.WindowCenter, ds.WindowWidth = ["40", "300"], ["400", "1500"]


def bare_ct_slice(ds: Dataset) -> None:
    """A slice of a CT of nobody, placed in the patient."""
    _add_plane(ds)
    ds.BitsStored, ds.PixelRepresentation = 12, 0
    ds.SOPClassUID, ds.Modality, ds.BodyPartExamined = CTImageStorage, "CT", "HEAD"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-50", "0.1", "HU"


def mr_slice(ds: Dataset) -> None:
    """A slice of an MR with an indicator of its frame of reference, of nobody, in few bits."""
    _add_plane(ds)
    ds.BitsStored = 8
    ds.SOPClassUID, ds.Modality, ds.BodyPartExamined = MRImageStorage, "MR", "HEAD"
    ds.PositionReferenceIndicator = "NASION"


def _add_patient(ds: Dataset) -> None:
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Example^One", "E1", "19700101", "O"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = "20260102", "120000", "A1", "S1"
    ds.ReferringPhysicianName = "Example^Two"


def _add_plane(ds: Dataset) -> None:
    ds.FrameOfReferenceUID = derive_uid("example", ds.SeriesInstanceUID, "FrameOfReferenceUID")
    ds.ImageOrientationPatient, ds.PixelSpacing, ds.SliceThickness = [1, 0, 0, 0, 1, 0], [0.8, 0.8], "5"
