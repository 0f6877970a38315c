"""``miqa-node assess``: assesses files with the same code as the node, without a server."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.domain.object_place import ObjectPlace
from miqa_node.core.domain.prediction import DECISION_SUPPORT, Prediction
from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.settings import Settings
from miqa_node.core.words.narrative import narrative
from miqa_node.errors import ArchiveError, ModelPackageError, NotAnImageError, SettingsError
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.files import images, unpacked
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import error_text, print_json, print_line
from miqa_node.interfaces.cli.progress_bar import beside_lines
from miqa_node.interfaces.cli.site_choice import choice_of, site_limits_of
from miqa_node.local import LocalAssessor, LocalResult
from miqa_node.stages.assess.landmarks.findings import cut_finding
from miqa_node.stages.assess.landmarks.measurands import CUT_SIDES
from miqa_node.stages.report.made import ReportSettings


def assess(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", exists=True, help="DICOM, PNG, JPEG or ZIP files, or folders of them."),
    ],
    as_json: AsJson = False,
    saliency_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", file_okay=False, help="Write a map and an overlay of each finding that is present."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Write the DICOM objects: SR, SEG, KOS.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Write a self-contained HTML page about one image."),
    ] = None,
    packages: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]", help="Also run these packages; --json includes their predictions. Decision support."
        ),
    ] = "",
    modality: Annotated[str, typer.Option(metavar="CS", help="Of PNG and JPEG files.")] = "DX",
    body_part: Annotated[str, typer.Option(metavar="CS", help="Of PNG and JPEG files.")] = "CHEST",
    view: Annotated[str, typer.Option(metavar="CS", help="Of PNG and JPEG files.")] = "PA",
    config: ConfigFile = None,
) -> None:
    """Assess images at once and print the results.

    Exit code 1: a file could not be read; the others were assessed.
    """
    settings = settings_of(config)
    quiet_logs(settings)

    files = _chosen(paths)
    for folder in (saliency_dir, out):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    writer = _Writer(saliency_dir, out, report, settings)
    writer.check(len(files))
    named = [name.strip() for name in packages.split(",") if name.strip()]
    reports = None if out is None else ReportSettings.of(settings)
    assessor = LocalAssessor(
        settings, choice_of(settings), packages=named, limits=site_limits_of(settings), reports=reports
    )
    failed = 0
    certificates: dict[str, None] = {}
    try:
        with TemporaryDirectory() as scratch:
            for file, name in beside_lines(_unpacked(files, scratch, settings, as_json=as_json), "Assessing"):
                started = time.perf_counter()
                try:
                    result = assessor.assess_file(file, modality=modality, body_part=body_part, view=view)
                    writer.write(file, result)
                except (ModelPackageError, SettingsError):
                    raise  # no fault of the file: the next one would meet it too
                except NotAnImageError as error:
                    _print_skipped(name, str(error), as_json=as_json)
                except Exception as error:  # noqa: BLE001 - one file's surprise must not keep the others from being done
                    failed += 1
                    _print_error(name, error_text(error), as_json=as_json)
                else:
                    certificates[result.disposition.certificate] = None
                    _print_result(name, result, time.perf_counter() - started, settings.node.language, as_json=as_json)
    finally:
        assessor.close()
    if not as_json:
        for certificate in certificates:  # once below all verdicts, which share it
            typer.echo(certificate, err=True)
    if failed:
        typer.echo(f"{failed} of {len(files)} files could not be assessed.", err=True)
        raise typer.Exit(Exit.FAILED)


def _page(result: LocalResult, settings: Settings) -> str:
    """The page of ``--report``; it says so if no enhancement can be made."""
    from miqa_node.interfaces.web.onepage.page import one_page
    from miqa_node.stages.assess.enhance.enhancer import Enhancer

    enhanced, why_not = None, ""
    if result.radiograph.frames > 1:
        why_not = "The image has several frames."
    else:
        try:
            enhanced = Enhancer(settings).enhance(result.radiograph)
        except ModelPackageError as error:
            why_not = str(error)
    threshold, language = settings.assess.saliency_threshold, settings.node.language
    return one_page(result, enhanced, threshold=threshold, language=language, no_copy=why_not)


def document(file: Path | str, result: LocalResult, total_s: float, language: str = "en") -> dict[str, Any]:
    """One line of ``--json``; docs/reference/cli.md explains its keys."""
    assessment, disposition = result.assessment, result.disposition
    model = assessment.model
    return {
        "file": str(file),
        "sop_instance_uid": assessment.header.sop_instance_uid,
        "verdict": disposition.verdict.value,
        "certificate": disposition.certificate,
        "score": None if assessment.score is None else round(assessment.score, 1),
        "reasons": [reason.text for reason in disposition.reasons],
        "narrative": list(narrative(assessment, disposition, language)),
        "findings": [
            {
                "name": finding.name,
                "code": finding.code.value,
                "probability": round(finding.probability, 4),
                "severity": round(finding.severity, 4),
                "threshold": round(finding.threshold, 4),
                "flagged": disposition.flags(finding.name),
                "place": _place(finding.place),
            }
            for finding in assessment.findings
        ],
        "contributions": {
            name: [
                {"measurement": c.measurement, "value": c.value, "unit": c.unit, "part": round(c.part, 3)}
                for c in parts
            ]
            for name, parts in assessment.contributions.items()
        },
        "gate": {name: round(probability, 4) for name, probability in assessment.gate.items()},
        "anomaly": _anomaly(assessment.anomaly),
        "predictions": [_prediction(one) for one in assessment.predictions],
        "landmarks": _landmarks(assessment.landmarks),
        "lung_field": _lung_field(assessment.landmarks),
        "side_markers": _side_markers(assessment.landmarks),
        "measurements": {
            m.name: {"value": m.value if math.isfinite(m.value) else None, "unit": m.unit} | _more(m.name, assessment)
            for m in assessment.measurements
        },
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256} if model else None,
        "timings_ms": {**assessment.timings_ms, "total": round(total_s * 1e3, 1)},
    }


def _place(place: ObjectPlace | None) -> dict[str, Any] | None:
    """What something that can be taken off lies over, with the side of the patient, and how it is worn."""
    return None if place is None else asdict(place) | {"over": [one.value for one in place.over]}


def _anomaly(anomaly: AnomalyScore | None) -> dict[str, Any] | None:
    if anomaly is None:
        return None
    shown = {"score": round(anomaly.score, 4), "percentile": round(anomaly.percentile, 2)}
    return {**shown, "baseline": anomaly.baseline.value}


def _landmarks(landmarks: Landmarks | None) -> dict[str, Any] | None:
    """Points as fractions of the stored image; ``side`` says whose left and right the names mean."""
    if landmarks is None:
        return None
    return {"side": "image", **{name: list(point) for name, point in landmarks.points.items()}}


def _lung_field(landmarks: Landmarks | None) -> dict[str, Any] | None:
    """The outline of each lung, by side of the image."""
    if landmarks is None or not landmarks.lungs:
        return None
    return {
        "side": "image",
        **{side: [list(corner) for corner in corners] for side, corners in landmarks.lungs.items()},
    }


def _side_markers(landmarks: Landmarks | None) -> list[dict[str, Any]]:
    """The letters that name a side, the most certain first."""
    return [] if landmarks is None else [{**asdict(marker), "side": marker.side} for marker in landmarks.markers]


def _more(measurement: str, assessment: Assessment) -> dict[str, Any]:
    """Which sides of the image are cut, beside how many."""
    landmarks = assessment.landmarks
    if measurement != CUT_SIDES.name or landmarks is None:
        return {}
    orientation = assessment.header.patient_orientation
    present = {finding.name for finding in assessment.findings if finding.present}
    return {
        "sides": [side for side in landmarks.cut if cut_finding(side, orientation) in present],
        "chances": dict(landmarks.cut),
    }


def _prediction(prediction: Prediction) -> dict[str, Any]:
    return {
        "package": prediction.package,
        "label": prediction.label or None,
        "confidence": round(prediction.confidence, 4),
        "status": prediction.status.value,
        "scores": {label: round(score, 4) for label, score in prediction.scores.items()},
        "pending": [one.text for one in prediction.pending],
        "note": DECISION_SUPPORT,
    }


@dataclass
class _Writer:
    """Puts maps and DICOM objects into folders, named after the file that they belong to; and the page."""

    saliency_dir: Path | None
    out: Path | None
    report: Path | None
    settings: Settings
    _taken: Counter[str] = field(default_factory=Counter)

    def check(self, files: int) -> None:
        """Check the options of ``--report`` before any work is done."""
        if self.report is not None and files != 1:
            raise typer.BadParameter(f"--report takes one image, but {files} were given")
        if self.report is not None and not self.report.parent.is_dir():
            raise typer.BadParameter(f"the folder {self.report.parent} for {self.report.name} does not exist")

    def write(self, file: Path, result: LocalResult) -> None:
        """Write the requested files."""
        if self.report is not None:
            write_whole(self.report, _page(result, self.settings))
        if self.saliency_dir is None and self.out is None:
            return
        self._taken[file.stem] += 1
        again = self._taken[file.stem]
        # Files of the same name in different folders must not overwrite each other's results.
        stem = file.stem if again == 1 else f"{file.stem}~{again}"
        if self.saliency_dir is not None:
            self._write_maps(self.saliency_dir / stem, result)
        if self.out is not None:
            self._write_objects(self.out / stem, result)

    @staticmethod
    def _write_maps(stem: Path, result: LocalResult) -> None:
        from miqa_node.interfaces.cli.saliency import write_map

        for finding in result.assessment.findings:
            saliency = result.maps.findings.get(finding.name)
            if finding.present and saliency is not None:
                write_map(saliency, result.radiograph, stem.with_name(f"{stem.name}.{finding.name}"))
        for package, saliency in result.maps.predictions.items():
            write_map(saliency, result.radiograph, stem.with_name(f"{stem.name}.{package}"))
        if result.maps.anomaly is not None:
            write_map(result.maps.anomaly, result.radiograph, stem.with_name(f"{stem.name}.anomaly"))

    @staticmethod
    def _write_objects(stem: Path, result: LocalResult) -> None:
        if result.objects is None:
            lack = "the file lacks UIDs" if result.is_dicom else "not a DICOM file"
            typer.echo(f"{stem.name}: {lack}, so there is nothing that DICOM objects could refer to.", err=True)
        for one in result.objects or ():
            write_whole(stem.with_name(f"{stem.name}.{one.kind.lower()}.dcm"), one.data)


def _print_result(file: str, result: LocalResult, total_s: float, language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document(file, result, total_s, language))
        return
    score = result.assessment.score
    reasons = "; ".join(reason.text for reason in result.disposition.reasons)
    score_text = f"{score:3.0f}" if score is not None else "  –"
    print_line(f"{result.disposition.verdict.value:<12}", score_text, str(file), reasons)
    for prediction in result.assessment.predictions:
        print_line(" " * 16, prediction.sentence)


def _chosen(paths: list[Path]) -> list[Path]:
    files, left_out = images(paths)
    if not files:
        raise typer.BadParameter("there are no images in the given folders")
    if left_out:
        typer.echo(f"{left_out} files in folders are not images and were skipped.", err=True)
    return files


def _unpacked(files: list[Path], scratch: str, settings: Settings, *, as_json: bool) -> list[tuple[Path, str]]:
    try:
        names, empty = unpacked(files, Path(scratch), settings.web)
    except ArchiveError as error:
        raise typer.BadParameter(str(error)) from error
    for file in empty:
        _print_skipped(str(file), "The ZIP file holds no image; ZIP files in it are not unpacked.", as_json=as_json)
    return list(names.items())


def _print_skipped(file: str, reason: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"file": file, "skipped": reason})
    else:
        print_line(f"{'–':<12}", "  –", file, f"{reason} There is nothing to judge.")


def _print_error(file: str, error: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"file": file, "error": error})
    else:
        print_line(f"{'error':<12}", "  –", str(file), error)
