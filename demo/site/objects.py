"""What the headers of a site's objects have in common, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEGLSLossless

from demo.site.plan import SiteExposure
from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A DICOM file and what names it."""

    sop_class_uid: str
    sop_instance_uid: str
    data: bytes


def header_of(exposure: SiteExposure, sop_class_uid: str, number: int = 1) -> Dataset:
    """Patient, study, series and equipment of object ``number`` of an exposure."""
    dataset, machine = Dataset(), exposure.machine
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = UID(sop_class_uid), exposure.uid(str(number))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = exposure.study_uid, exposure.uid("series")
    dataset.PatientID, dataset.PatientName = exposure.patient
    dataset.PatientBirthDate, dataset.PatientSex = f"{1940 + 7 * exposure.number % 60}0315", "FM"[exposure.number % 2]
    day, time = f"{exposure.at:%Y%m%d}", f"{exposure.at:%H%M%S}"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = day
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = time
    dataset.AccessionNumber, dataset.StudyID = exposure.accession_number, str(exposure.number)
    dataset.ReferringPhysicianName, dataset.SeriesNumber, dataset.InstanceNumber = "", 1, number
    dataset.Manufacturer, dataset.ManufacturerModelName = machine.manufacturer, machine.model
    dataset.StationName, dataset.SoftwareVersions = machine.station, exposure.software
    dataset.DeviceSerialNumber = f"SN-{machine.station}"
    dataset.ImageComments = "Made by miqa-node from public images and drawings; not a patient's image."
    return dataset


def written(dataset: Dataset, pixels: NDArray[np.uint16], *, whole: bool = True) -> SiteFile:
    """The file, its pixels without loss; not ``whole``: cut off, as after a broken transfer."""
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.HighBit = 16, dataset.BitsStored - 1
    code = bytes(imagecodecs.jpegls_encode(pixels))
    dataset.PixelData = encapsulate([code if whole else code[: len(code) // 3]])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = JPEGLSLossless
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta = meta
    file = BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return SiteFile(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), file.getvalue())
