"""Images with a header, and all that the node tells of them: objects, JSON, page and PDF."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from miqa_node import __version__
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.measurand import every_measurand
from miqa_node.core.domain.worklist import Resolution, Review
from miqa_node.core.words.measurement_codes import measurement_code
from miqa_node.interfaces.cli.assess_json import document
from miqa_node.interfaces.web.onepage.page import one_page
from miqa_node.local import LocalAssessor, LocalResult
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.make import amend_objects, make_objects
from miqa_node.stages.report.uids import derive_uid
from tests.meaning.checks import Account

KINDS = ("SR", "SR_FULL", "SEG", "KOS", "GSPS", "PDF", "SEG_LABELMAP", "AIRAI")
DX = UID("1.2.840.10008.5.1.4.1.1.1.1")
FIELD_MM = 350.0
"""Assumed longer side of a chest picture."""


def codes_of_measurements() -> dict[str, str]:
    """The measurements by the value of their code, as docs/reference/results.md has them."""
    return {measurement_code(one.name).value: one.name for one in every_measurand()}


def told_of(
    path: Path, assessor: LocalAssessor, orientation: tuple[str, ...], described: dict[str, str] | None = None
) -> Account:
    """Everything that is told of one DICOM file."""
    result = assessor.assess_file(path, **(described or {}))
    settings = ReportSettings(encode=assessor.tools.reports.encode) if assessor.tools.reports else ReportSettings()
    return account_of(path, result, orientation, settings, partial(assessor.pool.decode, path, 0))


def account_of(
    path: Path,
    result: LocalResult,
    orientation: tuple[str, ...],
    settings: ReportSettings,
    decode: Callable[[], Radiograph],
) -> Account:
    """Everything that is told of a judged file."""
    image = ReportedImage(path, result.maps, decode=decode)
    kinds = {ResultKind(kind) for kind in KINDS}
    objects = make_objects(image, result.assessment, result.disposition, settings, kinds)
    line: dict[str, Any] = document(path.name, result, 0.0)
    review = Review(1, "mara", datetime(2026, 11, 29, 12, tzinfo=UTC), Resolution.DISMISSED)
    of_decision = amend_objects(image, result.assessment, result.disposition, review, settings, kinds, ())
    files = {str(one.kind): one.data for one in (*objects, *of_decision)}
    texts = {"page": _page(result)}
    if "PDF" in files:
        texts["PDF"] = pdf_text(files["PDF"])
    return Account(path.name, result.radiograph.matrix_shape, orientation, files, line, texts, __version__)


def _page(result: LocalResult) -> str:
    return one_page(result, None, threshold=0.5)


def pdf_text(data: bytes) -> str:
    """The text of an encapsulated page."""
    import pydicom
    from pypdf import PdfReader

    page = pydicom.dcmread(io.BytesIO(data)).EncapsulatedDocument
    return " ".join(" ".join(one.extract_text().split()) for one in PdfReader(io.BytesIO(page)).pages)


def as_radiograph(gray: NDArray[np.uint8], name: str, orientation: tuple[str, ...] | None) -> Dataset:
    """A digital radiograph of the chest with these pixels; mirrored where its header says so."""
    pixels = gray[:, ::-1] if orientation and orientation[0].startswith("R") else gray
    rows, columns = pixels.shape
    pitch = f"{FIELD_MM / max(rows, columns):.6g}"
    words = "absent" if orientation is None else "\\".join(orientation)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = DX
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID(
        derive_uid("meaning", name, words, "instance")
    )
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SeriesInstanceUID = derive_uid("meaning", name, words, "series")
    data.StudyInstanceUID = derive_uid("meaning", name, words, "study")
    data.PatientName, data.PatientID, data.Modality = "Test^Meaning", "MEANING", "DX"
    data.BodyPartExamined, data.ViewPosition, data.ImageLaterality = "CHEST", "PA", "U"
    data.PresentationIntentType, data.ImageType = "FOR PRESENTATION", ["ORIGINAL", "PRIMARY", ""]
    data.StudyDate = data.ContentDate = "20261129"
    data.StudyTime = data.ContentTime = "120000"
    data.AccessionNumber = data.StudyID = data.ReferringPhysicianName = ""
    data.PatientBirthDate = data.PatientSex = data.Manufacturer = ""
    data.SeriesNumber = data.InstanceNumber = 1
    data.ImagerPixelSpacing = [pitch, pitch]
    data.PixelSpacing = [pitch, pitch]
    if orientation is not None:
        data.PatientOrientation = list(orientation)
    data.Rows, data.Columns = rows, columns
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 8, 7, 0
    data.PresentationLUTShape, data.LossyImageCompression = "IDENTITY", "00"
    data.WindowCenter, data.WindowWidth = 128, 256
    data.PixelIntensityRelationship, data.PixelIntensityRelationshipSign = "LOG", 1
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = 0, 1, "US"
    data.PixelData = np.ascontiguousarray(pixels).astype("<u2").tobytes()
    data["PixelData"].VR = "OW"
    return data


def gray_of(picture: Path) -> NDArray[np.uint8]:
    """The gray levels of a picture."""
    gray = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
    if gray is None:
        raise FileNotFoundError(picture)
    return gray.astype(np.uint8)
