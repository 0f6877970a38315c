"""Public sample radiographs, as they were taken and as derived images with a defect.

They come from the package pydicom-data, of the extra ``demo``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.core.domain.verdict import Verdict
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.errors import SettingsError
from miqa_node.plugins import addition
from miqa_node.stages.report.uids import derive_uid

Image = NDArray[np.float32]
"""Display values in [0, 1], 0 black."""

CHEST, EXTREMITY = "RG1_UNCR.dcm", "RG3_UNCR.dcm"

CHEST_PITCH_MM = 0.2
"""Detector pitch of the chest radiograph. Its Pixel Spacing is 0, but its collimator edges span 368 mm for 1,841
columns, and 0.2 mm is the pitch of that selenium drum."""

MAX_PIXELS = 50_000_000
_FLAGGED = frozenset({Verdict.REVIEW, Verdict.REJECT})


@dataclass(frozen=True, slots=True)
class SampleImage:
    """One DICOM file, its description, and the expected verdicts."""

    title: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    data: bytes
    expected: frozenset[Verdict]
    simulated: FindingName | None = None


@dataclass(frozen=True, slots=True)
class SimulatedDefect:
    """One simulated defect; ``severity`` has the physical meaning that docs/reference/findings.md gives it."""

    finding: FindingName
    title: str
    accession_number: str
    severity: float
    make: Callable[[Image], Image]


def make_radiographs(defects: Iterable[SimulatedDefect]) -> list[SampleImage]:
    """A chest, a lower leg, and the chest with each of the defects.

    Bytes and UIDs are always the same, so sending them twice changes nothing.

    Raises
    ------
    SettingsError
        The package pydicom-data is not installed.
    """
    folder = sample_folder()
    chest = _real(folder / CHEST, "chest, as it was taken", frozenset({Verdict.ACCEPT, Verdict.REVIEW}))
    extremity = _real(folder / EXTREMITY, "lower leg, not what the model judges", frozenset({Verdict.NOT_ASSESSED}))
    return [chest, extremity, *(_degraded(folder / CHEST, defect) for defect in defects)]


def sample_folder() -> Path:
    """The files of the package pydicom-data; SettingsError if it is not installed."""
    try:
        import data_store  # noqa: PLC0415 - the rest of the node works without the samples
    except ImportError as error:
        raise SettingsError(f"The sample radiographs are missing: {addition('demo')}.") from error
    return Path(data_store.__file__).parent / "data"


def _real(path: Path, title: str, expected: frozenset[Verdict]) -> SampleImage:
    header = dcmread(path, stop_before_pixels=True)
    return _sample(header, title, path.read_bytes(), expected)


def _degraded(path: Path, defect: SimulatedDefect) -> SampleImage:
    """The radiograph with one simulated defect, as a derived image in its own study."""
    radiograph = decode_frame(path, 0, MAX_PIXELS)
    display = radiograph.display.astype(np.float32) / np.float32(65535.0)
    degraded = defect.make(display)
    dataset = _derive(dcmread(path), defect)
    _set_pixels(dataset, degraded)
    return _sample(dataset, defect.title, _to_bytes(dataset), _FLAGGED, defect.finding)


def _derive(source: Dataset, defect: SimulatedDefect) -> Dataset:
    """The header of a derived image (PS3.3 C.7.6.1.1.3) that names the simulation in all texts that viewers show."""
    dataset = deepcopy(source)
    name = defect.finding.replace("_", " ")
    comment = f"SIMULATED {name}: {defect.title}, severity {defect.severity:g}"
    derived_from = (source.SOPInstanceUID, defect.finding, f"{defect.severity:g}")
    dataset.SOPInstanceUID = derive_uid(*derived_from, "instance")
    dataset.SeriesInstanceUID = derive_uid(*derived_from, "series")
    dataset.StudyInstanceUID = derive_uid(*derived_from, "study")
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.AccessionNumber = defect.accession_number
    dataset.StudyID = "SIMULATED"
    dataset.StudyDescription = f"{source.StudyDescription}, {comment}"[:64]
    dataset.SeriesDescription = comment[:64]
    dataset.ImageComments = f"{comment}. Made by miqa-node from a public sample image; not a patient's image."
    dataset.DerivationDescription = comment
    reference = Dataset()
    reference.ReferencedSOPClassUID = source.SOPClassUID
    reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
    dataset.SourceImageSequence = [reference]
    dataset.ImagerPixelSpacing = [CHEST_PITCH_MM, CHEST_PITCH_MM]
    for keyword in ("PixelSpacing", "DataSetTrailingPadding", "InstanceCreatorUID"):
        if keyword in dataset:
            del dataset[keyword]
    return dataset


def _set_pixels(dataset: Dataset, display: Image) -> None:
    """Stored values that the source's own window shows as ``display``: the inverse of PS3.3 C.11.2.1.2.1."""
    centre, width = float(dataset.WindowCenter), float(dataset.WindowWidth)
    levels = 1.0 - display if dataset.PhotometricInterpretation == "MONOCHROME1" else display
    stored = np.rint((centre - 0.5) + (levels.astype(np.float64) - 0.5) * (width - 1.0))
    dataset.PixelData = np.clip(stored, 0, 2**dataset.BitsStored - 1).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.Rows, dataset.Columns = display.shape


def _to_bytes(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta = meta
    file = BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def _sample(
    header: Dataset, title: str, data: bytes, expected: frozenset[Verdict], simulated: FindingName | None = None
) -> SampleImage:
    return SampleImage(
        title=title,
        sop_class_uid=str(header.SOPClassUID),
        sop_instance_uid=str(header.SOPInstanceUID),
        study_instance_uid=str(header.StudyInstanceUID),
        data=data,
        expected=expected,
        simulated=simulated,
    )
