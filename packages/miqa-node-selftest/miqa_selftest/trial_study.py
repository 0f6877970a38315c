"""Makes the study for the trial of a destination: two phantoms, and one object of each kind of result about them.

Nothing was judged: what the objects say is invented, and they say so. All of them are of one patient whose ID and name
begin with TEST, in one study with new UIDs, and refer to nothing else.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from miqa_node import __version__
from miqa_node.core.domain.assessment import REPORT_FORM, Assessment, Measurement
from miqa_node.core.domain.delivery import REJECTION, ResultKind
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import Radiograph, SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.output import output_kinds
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution, Review
from miqa_node.core.settings import Settings
from miqa_node.core.taxonomy.lookup import finding_names, quality_score, reason_code
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.stages.assess.enhance.enhancer import Enhancer
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.make import amend_objects, make_objects
from miqa_node.stages.report.stack import ReportedSeries
from miqa_node.stages.report.uids import derive_uid
from miqa_selftest.encodings import ENCODINGS, encoded
from miqa_selftest.phantoms import KINDS, PhantomDefect, make

PATIENT_NAME = "TEST^DESTINATION"
IMAGES = {"DX": ResultKind("IMAGE_DX"), "CT": ResultKind("IMAGE_CT")}
"""What the two phantoms are called beside the kinds of results."""
SAYING = "TEST of a destination: invented, nothing was judged"
NOTE_NOT_SENT = "A rejection note is never part of a trial: archives hide what it names."
NOT_MADE = "It could not be made of phantoms here; maps of series need the extra series of miqa-node."
SOFT_TISSUE_SLOPE = "0.35"
"""Of the slice: with it the phantom's body is soft tissue, of which a map of noise can be made."""
_FINDING = FindingName.FOREIGN_OBJECT
_LUNGS = {"left": ((0.6, 0.3), (0.8, 0.3), (0.8, 0.7), (0.6, 0.7)), "right": ((0.2, 0.3), (0.4, 0.3), (0.4, 0.7))}
_MAP_CELLS, _MAX_PIXELS = 32, 1 << 20


@dataclass(frozen=True, slots=True)
class TrialObject:
    """One object of the study; ``data`` is the complete file, ``header`` its elements without pixels."""

    kind: ResultKind
    data: bytes
    header: Dataset


@dataclass(frozen=True, slots=True)
class TrialStudy:
    """The study, images first; ``left_out`` has the reason for each kind that is not in it.

    ``header`` is that of an image: patient and study are the same in all objects.
    """

    header: Dataset
    objects: Sequence[TrialObject]
    left_out: dict[ResultKind, str]

    def only(self, takes: Callable[[ResultKind], bool]) -> TrialStudy:
        """What of it is of certain kinds."""
        left_out = {kind: why for kind, why in self.left_out.items() if takes(kind)}
        return TrialStudy(self.header, [one for one in self.objects if takes(one.kind)], left_out)


def make_study(settings: Settings, now: datetime | None = None) -> TrialStudy:
    """A study that never was before, with each kind of object once."""
    at = now or datetime.now(UTC)
    with TemporaryDirectory(prefix="miqa-selftest-") as folder:
        paths = _write_images(Path(folder), at.astimezone(settings.node.zone))
        made = list(_results(paths, settings, at))
        images = [MadeObject(IMAGES[name], "", "", path.read_bytes()) for name, path in paths.items()]
    objects = [TrialObject(one.kind, one.data, read_elements(one.data)) for one in (*images, *made)]
    missing = set(output_kinds()) - {one.kind for one in objects}
    left_out = {kind: NOTE_NOT_SENT if kind == REJECTION else NOT_MADE for kind in sorted(missing)}
    return TrialStudy(objects[0].header, objects, left_out)


def read_elements(file: bytes) -> Dataset:
    """The elements of a file without its pixels."""
    return dcmread(BytesIO(file), stop_before_pixels=True)


def _write_images(folder: Path, at: datetime) -> dict[str, Path]:
    """A radiograph and a slice of CT as files, by modality."""
    name, stamp = uuid.uuid4().hex, at.strftime("%Y%m%d%H%M%S")
    plain = next(one for one in ENCODINGS if one.syntax == ExplicitVRLittleEndian)
    paths: dict[str, Path] = {}
    for kind in (one for one in KINDS if one.modality in IMAGES):
        ds = make(kind, PhantomDefect.NONE, name)
        ds.StudyInstanceUID = derive_uid("destination trial", name)
        ds.PatientID, ds.PatientName = f"TEST-MIQA-{stamp}-{name[:6].upper()}", PATIENT_NAME
        ds.AccessionNumber, ds.StudyID, ds.StudyDescription = f"TEST{stamp[2:]}"[:16], "TEST", "TEST, to be deleted"
        if "RescaleSlope" in ds:
            ds.RescaleSlope = SOFT_TISSUE_SLOPE
        ds.SeriesNumber, ds.SeriesDescription = 1 + len(paths), f"TEST {kind.modality}"
        ds.ImageComments = f"{SAYING}. Synthetic phantom, no patient."
        ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = stamp[:8]
        ds.StudyTime = ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime = stamp[8:]
        paths[kind.modality] = folder / f"{kind.modality}.dcm"
        paths[kind.modality].write_bytes(encoded(ds, plain))
    return paths


def _results(paths: dict[str, Path], settings: Settings, at: datetime) -> Iterator[MadeObject]:
    """All kinds of results but the rejection note: of the radiograph, of a decision about it, and of the series."""
    kinds = [kind for kind in output_kinds() if kind != REJECTION]
    reports = ReportSettings.of(settings)
    image = ReportedImage(
        paths["DX"],
        SaliencyMaps({_FINDING: _spot()}),
        decode=lambda: _pixels(paths["DX"]),
        enhance=lambda pixels: Enhancer(settings).enhance(pixels, "clahe"),
    )
    assessment = _assessment(paths["DX"], at)
    reason = Reason(str(_FINDING), SAYING, reason_code(_FINDING), Verdict.REVIEW)
    disposition = Disposition(Verdict.REVIEW, (reason,), "TEST", "TEST")
    made = make_objects(image, assessment, disposition, reports, kinds)
    yield from made
    review = Review(1, "TEST", at, Resolution.DISMISSED, SAYING, ())
    yield from amend_objects(image, assessment, disposition, review, reports, kinds, ())
    rest = {*kinds} - {one.kind for one in made}
    noise = Measurement("ct_noise", 10.0, "[hnsf'U]")
    of_series = replace(_assessment(paths["CT"], at), findings=(), score=None, landmarks=None, measurements=(noise,))
    series = ReportedSeries([(paths["CT"], 0)], decode=_pixels)
    yield from make_objects(series, of_series, disposition, reports, rest)


def _assessment(path: Path, at: datetime) -> Assessment:
    rows = tuple(
        Finding(name, reason_code(name), 0.9 if name == _FINDING else 0.1, 0.5, 0.5) for name in finding_names()
    )
    return Assessment(
        digest=InstanceDigest(hashlib.sha256(path.read_bytes()).hexdigest()),
        header=read_header(path)[0],
        assessed_at=at,
        findings=rows,
        measurements=(Measurement("noise_sigma", 10.0, "1"),),
        score=quality_score(rows),
        model=ModelIdentity("TEST", __version__, "0" * 64),
        landmarks=Landmarks({}, package=f"TEST-{__version__}", lungs=_LUNGS),
        form=REPORT_FORM,
    )


def _spot() -> SaliencyMap:
    y, x = (np.mgrid[0:_MAP_CELLS, 0:_MAP_CELLS] + 0.5) / _MAP_CELLS
    return SaliencyMap(np.exp(-(((y - 0.4) / 0.1) ** 2) - ((x - 0.7) / 0.08) ** 2).astype(np.float32), "TEST")


def _pixels(path: Path, frame: int = 0) -> Radiograph:
    one = decode_frame(path, frame, _MAX_PIXELS)
    return Radiograph(
        one.stored, one.display, one.stored_range, one.spacing_mm, one.valid, steps=one.steps, decoder=one.decoder
    )
