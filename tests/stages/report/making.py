"""Sources and assessments for the tests of the report stage: real radiographs, and what senders make of headers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import cast

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from miqa_node.core.domain.assessment import Assessment, Measurement, ModelIdentity
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import EnhancedImage, Radiograph, SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import Header, InstanceDigest, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.domain.output import default_kinds, output_kinds
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.lookup import finding_names, quality_score, reason_code
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.stages.assess.enhance.enhancer import Enhancer
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.make import make_objects

SAMPLES = Path(str(files("data_store") / "data"))
CHEST = SAMPLES / "RG1_UNCR.dcm"
EXTREMITY = SAMPLES / "RG3_UNCR.dcm"
ASSESSED_AT = datetime(2026, 11, 20, 9, 30, 15, 123456, tzinfo=UTC)
MEASUREMENTS = (
    Measurement("noise_sigma", 12.3456789012, "1"),
    Measurement("edge_slope_10_90", 0.41234567, "mm"),
    Measurement("grid_frequency", 3.5, "{lp}/mm"),
    Measurement("grid_peak", -4.5, "dB"),
    Measurement("entropy", 6.75, "bit"),
    Measurement("used_range_share", 43.21, "%"),
    Measurement("edge_width_10_90", 2.125, "{pixel}"),
    Measurement("exposure_index", 412.0, "1"),
    Measurement("deviation_index", -1.3, "1"),
    Measurement("some_measurement_of_a_later_version", 1e-7, "1"),
)


def findings(*present: FindingName) -> tuple[Finding, ...]:
    """Every row of the taxonomy, those given at 93 %."""
    return tuple(
        Finding(name, reason_code(name), 0.93 if name in present else 0.04, 0.62 if name in present else 0.1, 0.5)
        for name in finding_names()
    )


def assessment(*present: FindingName, measurements: tuple[Measurement, ...] = MEASUREMENTS) -> Assessment:
    """What a model says of an image with these defects."""
    rows = findings(*present)
    return Assessment(
        digest=InstanceDigest("ab" * 32),
        header=Header("", SopInstanceUid(""), SeriesInstanceUid(""), StudyInstanceUid(""), "", "CR"),
        assessed_at=ASSESSED_AT,
        findings=rows,
        measurements=measurements,
        score=quality_score(rows),
        model=ModelIdentity("cxr-quality", "1.0.0", "cd" * 32),
    )


def not_assessed(reason: str = "The image is not a frontal chest radiograph.") -> Assessment:
    """What the node says of an image that no model is for."""
    empty_assessment = assessment()
    return Assessment(
        empty_assessment.digest,
        empty_assessment.header,
        empty_assessment.assessed_at,
        measurements=MEASUREMENTS,
        not_assessed=reason,
    )


def disposition(verdict: Verdict, *reasons: FindingName, text: str = "") -> Disposition:
    """The verdict for these findings, the first of them the worst."""
    verdict_reasons = tuple(
        Reason(name, text or f"{name}: probability 0.93, severity 0.62", reason_code(name), verdict) for name in reasons
    )
    return Disposition(verdict, verdict_reasons, "2026-11", "chest")


def bump(row: float, column: float, cells: int = 32) -> SaliencyMap:
    """A map with one peak, at a share of the image's height and width."""
    y, x = (np.mgrid[0:cells, 0:cells] + 0.5) / cells
    values = np.exp(-(((y - row) / 0.1) ** 2) - ((x - column) / 0.06) ** 2)
    return SaliencyMap(values.astype(np.float32), "normgrad-scaling")


def radiograph(source: Path) -> Radiograph:
    """The decoded image, in this process."""
    frame = decode_frame(source, 0, max_pixels=10**8)
    return Radiograph(
        frame.stored, frame.display, frame.stored_range, frame.spacing_mm, frame.valid,
        steps=frame.steps, decoder=frame.decoder,
    )  # fmt: skip


def enhanced(pixels: Radiograph, methods: str) -> EnhancedImage:
    """The enhanced copy."""
    return Enhancer(load_settings()).enhance(pixels, methods)


def flagged(
    source: Path,
    kinds: Collection[ResultKind] = default_kinds(),
    pixels: Radiograph | None = None,
    blurred: tuple[float, float] = (0.65, 0.25),
    landmarks: Landmarks | None = None,
) -> tuple[MadeObject, ...]:
    """The objects of an image with three defects, two of them with a place, an object at (0.3, 0.7) and ``blurred``.

    ``pixels`` are for the pictures.
    """
    names = (FindingName.MOTION_BLUR, FindingName.CLIPPED_ANATOMY, FindingName.FOREIGN_OBJECT)
    maps = {FindingName.FOREIGN_OBJECT: bump(0.3, 0.7), FindingName.MOTION_BLUR: bump(*blurred)}
    verdict = disposition(Verdict.REJECT, FindingName.FOREIGN_OBJECT, FindingName.MOTION_BLUR)
    copy = enhanced(pixels, "clahe") if pixels is not None and ResultKind("ENHANCED") in kinds else None
    return make_objects(
        ReportedImage(
            source, SaliencyMaps(maps), decode=lambda: cast("Radiograph", pixels), enhance=lambda _pixels: copy
        ),
        replace(assessment(*names), landmarks=landmarks),
        verdict,
        kinds=kinds,
    )


def everything(source: Path) -> tuple[MadeObject, ...]:
    """Every kind of object that the pipeline can make of the image."""
    kinds = [kind for kind in output_kinds() if kind != ResultKind("REJECTION")]
    corners = ((0.1, 0.2), (0.4, 0.2), (0.4, 0.8), (0.1, 0.8))
    landmarks = Landmarks({}, package="landmarks-1.0.0", sha256="ef" * 32, lungs={"left": corners})
    return flagged(source, kinds, radiograph(source), landmarks=landmarks)


def read(made: MadeObject) -> FileDataset:
    """The object as a receiver reads it."""
    return pydicom.dcmread(pydicom.filebase.DicomBytesIO(made.data))


def small(rows: int = 200, columns: int = 160) -> FileDataset:
    """The chest radiograph with a small crop of its pixels, quick to write."""
    dataset = pydicom.dcmread(CHEST)
    crop = dataset.pixel_array[400 : 400 + rows, 400 : 400 + columns]
    dataset.Rows, dataset.Columns = crop.shape
    dataset.PixelData = np.ascontiguousarray(crop).tobytes()
    return dataset


def without(*keywords: str) -> Callable[[Dataset], None]:
    """A change that removes elements."""

    def change(dataset: Dataset) -> None:
        for keyword in keywords:
            if keyword in dataset:
                delattr(dataset, keyword)

    return change


def empty(*keywords: str) -> Callable[[Dataset], None]:
    """A change that leaves elements without a value."""

    def change(dataset: Dataset) -> None:
        for keyword in keywords:
            setattr(dataset, keyword, None)

    return change


def as_dx(dataset: Dataset) -> None:
    """A digital radiograph with what its IOD asks for and CR lacks, in a frame of reference without a position."""
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1.1")
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.ImagerPixelSpacing = [0.148, 0.148]
    dataset.PatientOrientation = ["L", "F"]
    dataset.ImageLaterality = "U"
    dataset.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.1"


def as_mg(dataset: Dataset) -> None:
    """A mammogram."""
    as_dx(dataset)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1.2")
    dataset.Modality = "MG"
    dataset.BodyPartExamined = "BREAST"
    dataset.PatientOrientation = ["P", "L"]
    dataset.ImageLaterality = "R"
    dataset.ViewPosition = "CC"
    dataset.ImagerPixelSpacing = [0.07, 0.07]


def as_capture(dataset: Dataset) -> None:
    """A secondary capture: no spacing, no orientation, no modality that says what it was."""
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    dataset.Modality = "OT"
    without("ImagerPixelSpacing", "PixelSpacing", "PatientOrientation", "Laterality", "ViewPosition")(dataset)


def bare(dataset: Dataset) -> None:
    """Nothing but what a receiver cannot do without: identity and pixels."""
    pixels = "Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation SamplesPerPixel PixelData"
    keywords = (
        f"SOPClassUID SOPInstanceUID SeriesInstanceUID StudyInstanceUID Modality PhotometricInterpretation {pixels}"
    )
    for element in list(dataset):
        if element.keyword not in keywords.split():
            del dataset[element.tag]


AWKWARD: dict[str, Callable[[Dataset], None]] = {
    "dx": as_dx,
    "mg": as_mg,
    "secondary capture": as_capture,
    "bare": bare,
    "no orientation": without("PatientOrientation"),
    "empty orientation": empty("PatientOrientation"),
    "no spacing": without("ImagerPixelSpacing", "PixelSpacing"),
    "no laterality, no study id": without("Laterality", "StudyID", "BodyPartExamined", "AccessionNumber"),
    "empty patient": empty("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"),
    "no study date": without("StudyDate", "StudyTime", "StudyDescription"),
}


def write(dataset: FileDataset, path: Path, *changes: Callable[[Dataset], None]) -> Path:
    """The data set as a file, changed."""
    changed = copy.deepcopy(dataset)
    for change in changes:
        change(changed)
    changed.save_as(path, enforce_file_format=True)
    return path
