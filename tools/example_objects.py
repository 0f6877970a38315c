"""Makes one object of every kind of invented images, so that the conformance statement can say what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.codes import POSITIONING, Code
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import Radiograph, SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.output import output_kinds
from miqa_node.core.domain.series import MeasurementMask
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution, Review
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.lookup import finding_names, quality_score, reason_code
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.stages.assess.enhance.enhancer import Enhancer
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.make import ReportSubject, amend_objects, make_objects
from miqa_node.stages.report.outputs.rejection import Confirmation, rejection_note
from miqa_node.stages.report.stack import ReportedSeries
from tools.example_images import ExampleSource, bare_ct_slice, bare_radiograph, ct_slice, full_radiograph, mr_slice

_CELLS = 32


SOURCES = (
    ExampleSource(
        "full",
        96,
        80,
        full_radiograph,
        assessed_at=datetime(2026, 1, 2, 12, 0, 1, tzinfo=UTC),
        present=(FindingName.FOREIGN_OBJECT, FindingName.MOTION_BLUR),
        lung=((0.1, 0.2), (0.4, 0.2), (0.4, 0.8), (0.1, 0.8)),
    ),
    ExampleSource(
        "bare",
        72,
        120,
        bare_radiograph,
        assessed_at=datetime(2026, 3, 4, 15, 1, 2, tzinfo=UTC),
        present=(FindingName.FOREIGN_OBJECT,),
        lung=((0.2, 0.1), (0.5, 0.3), (0.4, 0.9)),
    ),
    ExampleSource(
        "CT",
        64,
        88,
        ct_slice,
        assessed_at=datetime(2026, 5, 6, 16, 2, 3, tzinfo=UTC),
        present=(FindingName.FOREIGN_OBJECT,),
        slices=3,
        marked=("metal_share", "truncation"),
    ),
    ExampleSource(
        "bare CT",
        72,
        56,
        bare_ct_slice,
        assessed_at=datetime(2026, 6, 7, 18, 4, 5, tzinfo=UTC),
        present=(FindingName.MOTION_BLUR,),
        slices=4,
        marked=("truncation",),
    ),
    ExampleSource(
        "MR",
        104,
        56,
        mr_slice,
        assessed_at=datetime(2026, 7, 8, 17, 3, 4, tzinfo=UTC),
        present=(FindingName.MOTION_BLUR,),
        slices=3,
        marked=("mr_wrap",),
    ),
)


def example_objects() -> dict[str, list[tuple[Dataset, Dataset]]]:
    """(object, its source) of each example, by kind."""
    by_kind: dict[str, list[tuple[Dataset, Dataset]]] = {}
    with TemporaryDirectory() as folder:
        for source in SOURCES:
            paths = source.write(Path(folder))
            image = dcmread(paths[0], stop_before_pixels=True)
            of_series = _made_of_series(source, paths) if len(paths) > 1 else ()
            for made in (*_made_of_image(source, paths[0]), *of_series):
                by_kind.setdefault(made.kind, []).append((dcmread(BytesIO(made.data)), image))
    return by_kind


def _made_of_image(source: ExampleSource, path: Path) -> Iterator[MadeObject]:
    reasons = [(str(name), f"{name}: probability 0.90, severity 0.60", reason_code(name)) for name in source.present]
    maps = SaliencyMaps({name: _peak(0.3 + 0.3 * n, 0.6) for n, name in enumerate(source.present)})
    subject = ReportedImage(
        path, maps, decode=lambda: _pixels(path), enhance=lambda p: Enhancer(load_settings()).enhance(p, "clahe")
    )
    return _made_of(source, [path], subject, _assessment(source, path), reasons)


def _made_of_series(source: ExampleSource, paths: Sequence[Path]) -> Iterator[MadeObject]:
    """Of measurements that mark the first two slices."""
    measurements = (
        Measurement("ct_noise", 12.5, "[hnsf'U]"),
        *(Measurement(name, 12.5, "%") for name in source.marked),
    )
    assessment = replace(_assessment(source, paths[0]), findings=(), score=None, model=None, measurements=measurements)
    reasons = [(name, f"{name} 12.5 % is above 10 %", POSITIONING) for name in source.marked]
    mask = np.zeros((source.rows, source.columns), bool)
    mask[source.rows // 4 : source.rows // 2, source.columns // 4 : source.columns // 2] = True
    masks = [MeasurementMask.of(name, index, mask) for name in source.marked for index in range(2)]
    subject = ReportedSeries([(path, 0) for path in paths], masks, decode=lambda path, _frame: _pixels(path))
    return _made_of(source, paths, subject, assessment, reasons)


def _made_of(
    source: ExampleSource,
    paths: Sequence[Path],
    subject: ReportSubject,
    assessment: Assessment,
    reasons: Iterable[tuple[str, str, Code]],
) -> Iterator[MadeObject]:
    verdict = Disposition(
        Verdict.REJECT, tuple(Reason(*reason, Verdict.REJECT) for reason in reasons), "2026-01", "example"
    )
    kinds = [kind for kind in output_kinds() if kind != ResultKind("REJECTION")]
    yield from make_objects(subject, assessment, verdict, kinds=kinds)
    review = Review(1, "Example^Three", source.assessed_at, Resolution.CONFIRMED, source.name, source.present[:1])
    yield from amend_objects(subject, assessment, verdict, review, ReportSettings(), kinds, ())
    yield rejection_note(paths, assessment, Confirmation("Example^Three", source.assessed_at, "111210", source.name))


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
        landmarks=Landmarks({}, package=f"points-of-{source.name}-1.0.0", lungs={"left": source.lung})
        if source.lung
        else None,
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
