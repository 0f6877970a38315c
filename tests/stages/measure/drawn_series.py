"""CT and MR series that are drawn here, as files, and what a node says of them under the policy that ships."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.assess.series import judge_series
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.units.kinds import series_traits

Image = NDArray[np.float64]
Change = Callable[[FileDataset], None]
SIDE = 160
PITCH_MM = 1.5


def head(place: float, seed: int = 0, *, noise: float = 6.0, side: int = SIDE, scalp: float = 0.0) -> Image:
    """Magnitude of a head at a height of 0 (below) to 1 (vertex): brain, ventricles, and a scalp of so much signal."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    size = side * (0.36 - 0.14 * place**2)
    distance = np.hypot(y / 1.2, x + 0.02 * side * np.sin(3 * place)) / size
    image = np.where(distance < 0.85, 500.0, np.where((distance < 1.0) & (distance > 0.92), 600.0 * scalp, 0.0))
    image[np.hypot(y - 0.05 * side * place, x * 1.6) < side * (0.05 + 0.06 * place)] *= 0.4
    folds = cv2.GaussianBlur(np.random.default_rng(7).normal(size=(side, side)), (0, 0), 4.0)
    image = image * (1.0 + 1.2 * np.roll(folds, round(40 * place), axis=0))
    random = np.random.default_rng(1000 + seed)
    real, imaginary = (random.normal(0.0, noise, image.shape) for _ in range(2))
    return np.asarray(np.hypot(cv2.GaussianBlur(image, (0, 0), 0.7) + real, imaginary))


def heads(count: int = 12, seed: int = 0, **of_head: float) -> list[Image]:
    """A stack of such slices, from below upwards."""
    return [head(0.1 + 0.8 * k / count, seed * 100 + k, **of_head) for k in range(count)]  # type: ignore[arg-type]


def body(place: float, seed: int = 0, noise: float = 12.0) -> Image:
    """Hounsfield units of a flat body of fat, soft tissue and a spine."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    distance = np.hypot(y / 0.68, x + 4 * np.sin(4 * place))
    image = np.where(distance < 0.36 * SIDE, 45.0, np.where(distance < 0.43 * SIDE, -100.0, -1000.0))
    image[np.hypot(y - 0.15 * SIDE, x) < 7 + 3 * place] = 350.0
    image[np.hypot(y + 8 * place, x - 25) < 10 + 8 * place] = -60.0
    texture = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=image.shape), (0, 0), 1.0)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.8) + texture * noise / texture.std())


def dataset(image: Image, modality: str, number: int, place_mm: float, series: str) -> FileDataset:
    """One slice as a scanner writes it."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = UID("1.2.3.59"), UID(series), UID("1.2.3.60")
    ds.PatientName, ds.PatientID, ds.StudyDate = "Drawn^Series", "D1", "20261120"
    ds.Modality, ds.Manufacturer, ds.BodyPartExamined = modality, "Test data", "HEAD" if modality == "MR" else "ABDOMEN"
    ds.SeriesNumber, ds.InstanceNumber, ds.SliceThickness = 3, number, "3"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if modality == "CT" else "M"]
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-120.0, -120.0, place_mm], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [PITCH_MM, PITCH_MM]
    ds.Rows, ds.Columns = image.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 1
    if modality == "CT":
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", "-1024", "HU"
        ds.KVP, ds.ConvolutionKernel = "120", "B30f"
        image = image + 1024.0
    else:
        ds.ScanningSequence, ds.SequenceVariant, ds.EchoTime = "SE", "NONE", "10"
        ds.InPlanePhaseEncodingDirection = "COL"
    ds.PixelData = np.clip(np.rint(image), -32768, 32767).astype("<i2").tobytes()
    return ds


def write(
    folder: Path, images: Sequence[Image], modality: str, change: Change | None = None, step_mm: float = 3.0
) -> list[Path]:
    """One file for each image, numbered from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    series, paths = str(generate_uid()), []
    for number, image in enumerate(images, 1):
        ds = dataset(image, modality, number, step_mm * (number - 1), series)
        if change is not None:
            change(ds)
        path = folder / f"{number:04}.dcm"
        ds.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


@cache
def shipped() -> Policy:
    """The policy that ships."""
    return read_policy(load_settings().policy_file)


def judged(paths: Sequence[Path], policy: Policy | None = None) -> tuple[Assessment, Disposition]:
    """What a node measures of the files as one series, and its verdict."""
    header = read_header(paths[-1])[0]
    files = [(InstanceDigest(str(path)), path) for path in paths]
    tools = SliceTools(partial(decode_here, max_pixels=10**7))
    assessment = judge_series(header, series_traits(header), files[-1][0], files, tools, 10**4).assessment
    return assessment, decide(assessment, policy or shipped())


def value(assessment: Assessment, name: str) -> float | None:
    """Of the measurement; None if it was not taken."""
    measured = assessment.measurement(name)
    return None if measured is None else measured.value


def issues(assessment: Assessment) -> dict[str, str]:
    """Texts of the issues by name."""
    return {one.name: str(one.message) for one in assessment.plausibility}


def flags(disposition: Disposition) -> set[str]:
    """Names of the reasons for REVIEW."""
    return {one.name for one in disposition.reasons if one.verdict.flagged}
