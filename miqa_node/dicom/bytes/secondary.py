"""Makes a Secondary Capture from a PNG or JPEG, so a picture is processed like every other image (PS3.3 A.8.1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID

from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID
from miqa_node.dicom.elements import EXPLICIT_LE
from miqa_node.dicom.pixels.picture import SECONDARY_CAPTURE, read_picture


def write_secondary_capture(picture: Path, out: Path, *, modality: str, body_part: str, view: str) -> None:
    """Write the picture as a DICOM file; the same picture and words always give the same data set.

    The data set has no patient, because an uploaded picture names none.

    Raises
    ------
    DataSetError, DecodeError
        As :func:`~miqa_node.dicom.pixels.picture.read_picture`.
    """
    header, radiograph = read_picture(picture, modality=modality, body_part=body_part, view=view)
    uids = {
        "SOPClassUID": SECONDARY_CAPTURE,
        "SOPInstanceUID": header.sop_instance_uid,
        "SeriesInstanceUID": header.series_instance_uid,
        "StudyInstanceUID": header.study_instance_uid,
    }
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(uids["SOPClassUID"])
    meta.MediaStorageSOPInstanceUID = UID(uids["SOPInstanceUID"])
    meta.TransferSyntaxUID = UID(EXPLICIT_LE)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    capture = FileDataset(str(out), {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword, uid in uids.items():
        setattr(capture, keyword, uid)
    for keyword in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "Laterality", "PatientOrientation",
    ):  # fmt: skip
        setattr(capture, keyword, None)
    capture.Modality, capture.ConversionType = header.modality, "DI"
    capture.BodyPartExamined, capture.ViewPosition = header.body_part_examined, header.view_position
    capture.ImageType = ["DERIVED", "SECONDARY"]
    capture.InstanceNumber = 1
    stored = radiograph.stored
    capture.Rows, capture.Columns = stored.shape
    capture.SamplesPerPixel, capture.PhotometricInterpretation = 1, "MONOCHROME2"
    capture.BitsAllocated = capture.BitsStored = 8 * stored.dtype.itemsize
    capture.HighBit, capture.PixelRepresentation = capture.BitsStored - 1, 0
    # A window over the whole range (PS3.3 C.11.2.1.2) leaves the grays unchanged; without it they would be stretched.
    capture.WindowCenter, capture.WindowWidth = 1 << (capture.BitsStored - 1), 1 << capture.BitsStored
    pixels = np.ascontiguousarray(stored).astype(stored.dtype.newbyteorder("<"), copy=False).tobytes()
    capture.PixelData = pixels + b"\0" * (len(pixels) % 2)
    capture["PixelData"].VR = "OW" if stored.dtype.itemsize == 2 else "OB"
    capture.save_as(out, enforce_file_format=True)
