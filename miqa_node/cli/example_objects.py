"""Makes one object of every kind of invented images, so that the conformance statement can say what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import dcmread
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from miqa_node.assess.enhance.enhancer import Enhancer
from miqa_node.domain.assessment import Assessment, Measurement, ModelIdentity
from miqa_node.domain.delivery import ResultKind
from miqa_node.domain.finding import Finding, FindingName, quality_score
from miqa_node.domain.image import Radiograph, SaliencyMap, SaliencyMaps
from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.output import output_kinds
from miqa_node.domain.policy import Disposition, Reason, Verdict
from miqa_node.domain.review import Review
from miqa_node.domain.worklist import Resolution
from miqa_node.imaging.frame import decode_frame
from miqa_node.imaging.headers import read_header
from miqa_node.report import (
    Confirmation,
    MadeObject,
    ReportedImage,
    ReportSettings,
    amend_objects,
    make_objects,
    rejection_note,
)
from miqa_node.report.outputs.base import OUTPUTS
from miqa_node.report.uids import derive_uid
from miqa_node.settings import load_settings
from miqa_node.taxonomy.lookup import finding_names, reason_code

_CELLS = 32


@dataclass(frozen=True, slots=True)
class ExampleSource:
    """An invented chest radiograph; a ``full`` one has what a modality with a worklist fills in."""

    name: str
    rows: int
    columns: int
    full: bool
    assessed_at: datetime
    present: tuple[FindingName, ...]

    def write(self, folder: Path) -> Path:
        """The DICOM file."""
        ds = Dataset()
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
            setattr(ds, keyword, derive_uid("example", self.name, keyword))
        ds.PatientName = ds.PatientID = ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ds.StudyID = ""
        ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ""
        ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
        if not self.full:
            ds.SOPClassUID, ds.Modality = ComputedRadiographyImageStorage, "CR"
            ds.BodyPartExamined, ds.PatientOrientation = "ABDOMEN", ["R", "F"]
        else:
            ds.SOPClassUID, ds.Modality = DigitalXRayImageStorageForPresentation, "DX"
            ds.BodyPartExamined, ds.ViewPosition, ds.PatientOrientation = "CHEST", "PA", ["L", "F"]
            ds.PresentationIntentType = "FOR PRESENTATION"
            ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Example^One", "E1", "19700101", "O"
            ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = "20260102", "120000", "A1", "S1"
            ds.ReferringPhysicianName, ds.ImageLaterality, ds.BurnedInAnnotation = "Example^Two", "U", "NO"
            ds.ImagerPixelSpacing, ds.SpecificCharacterSet = [0.7, 0.7], "ISO_IR 100"
            ds.ShutterShape, ds.ShutterLeftVerticalEdge, ds.ShutterRightVerticalEdge = (
                "RECTANGULAR",
                4,
                self.columns - 4,
            )
            ds.ShutterUpperHorizontalEdge, ds.ShutterLowerHorizontalEdge = 4, self.rows - 4
            ds.LossyImageCompression, ds.LossyImageCompressionRatio = "01", "10"
            ds.LossyImageCompressionMethod = "ISO_10918_1"
            ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = "2000", "3000", "LINEAR"
            ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = (
            self.rows,
            self.columns,
            1,
            "MONOCHROME2" if self.full else "MONOCHROME1",
        )
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        y, x = np.mgrid[0 : 1 : self.rows * 1j, 0 : 1 : self.columns * 1j]
        ds.PixelData = (4000 * np.abs(np.sin(9 * x) * np.cos(7 * y))).astype("<u2").tobytes()
        ds["PixelData"].VR = "OW"
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{self.name}.dcm"
        ds.save_as(path, enforce_file_format=True)
        return path


SOURCES = (
    ExampleSource(
        "full",
        96,
        80,
        full=True,
        assessed_at=datetime(2026, 1, 2, 12, 0, 1, tzinfo=UTC),
        present=(FindingName.FOREIGN_OBJECT, FindingName.MOTION_BLUR),
    ),
    ExampleSource(
        "bare",
        72,
        120,
        full=False,
        assessed_at=datetime(2026, 3, 4, 15, 1, 2, tzinfo=UTC),
        present=(FindingName.FOREIGN_OBJECT,),
    ),
)


def example_objects() -> dict[str, list[tuple[Dataset, Dataset]]]:
    """(object, its source) of each example, by kind."""
    by_kind: dict[str, list[tuple[Dataset, Dataset]]] = {}
    with TemporaryDirectory() as folder:
        for source in SOURCES:
            path = source.write(Path(folder))
            image = dcmread(path, stop_before_pixels=True)
            for made in _made_of(source, path):
                by_kind.setdefault(made.kind, []).append((dcmread(BytesIO(made.data)), image))
    return by_kind


def _made_of(source: ExampleSource, path: Path) -> Iterator[MadeObject]:
    assessment = _assessment(source, path)
    reasons = tuple(
        Reason(name, f"{name}: probability 0.90, severity 0.60", reason_code(name), Verdict.REJECT)
        for name in source.present
    )
    maps = SaliencyMaps({name: _peak(0.3 + 0.3 * n, 0.6) for n, name in enumerate(source.present)})
    verdict = Disposition(Verdict.REJECT, reasons, "2026-01", "chest")
    subject = ReportedImage(
        path, maps, decode=lambda: _pixels(path), enhance=lambda p: Enhancer(load_settings()).enhance(p, "clahe")
    )
    own = {plugin.name for plugin in OUTPUTS.plugins() if plugin.built_in}
    kinds = [kind for kind in output_kinds() if kind in own and kind != ResultKind("REJECTION")]
    yield from make_objects(subject, assessment, verdict, kinds=kinds)
    review = Review(1, "Example^Three", source.assessed_at, Resolution.CONFIRMED, source.name, source.present[:1])
    yield from amend_objects(subject, assessment, verdict, review, ReportSettings(), kinds, ())
    yield rejection_note([path], assessment, Confirmation("Example^Three", source.assessed_at, "111210", source.name))


def _assessment(source: ExampleSource, path: Path) -> Assessment:
    rows = tuple(
        Finding(
            name, reason_code(name), 0.9 if name in source.present else 0.1, 0.6 if name in source.present else 0.1, 0.5
        )
        for name in finding_names()
    )
    header, _ = read_header(path)
    return Assessment(
        digest=InstanceDigest(source.name.encode().hex().ljust(64, "0")),
        header=header,
        assessed_at=source.assessed_at,
        findings=rows,
        measurements=(Measurement("noise_sigma", 12.5, "1"), Measurement("edge_width_10_90", 0.5, "mm")),
        score=quality_score(rows),
        model=ModelIdentity(f"model-{source.name}", source.name, "0" * 64),
    )


def _pixels(path: Path) -> Radiograph:
    frame = decode_frame(path, 0, max_pixels=1 << 20)
    return Radiograph(
        frame.stored, frame.display, frame.stored_range, frame.spacing_mm, frame.valid,
        steps=frame.steps, decoder=frame.decoder,
    )  # fmt: skip


def _peak(row: float, column: float) -> SaliencyMap:
    y, x = (np.mgrid[0:_CELLS, 0:_CELLS] + 0.5) / _CELLS
    values = np.exp(-(((y - row) / 0.1) ** 2) - ((x - column) / 0.06) ** 2)
    return SaliencyMap(values.astype(np.float32), "example")
