"""``miqa-node assess``: assesses files with the same code as the node, without a server."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.settings import Settings
from miqa_node.errors import ArchiveError, ModelPackageError, NotAnImageError, SettingsError
from miqa_node.interfaces.cli.assess_json import document, series_document, series_identity
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.files import images, unpacked
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import error_text, print_json, print_line
from miqa_node.interfaces.cli.progress_bar import beside_lines
from miqa_node.interfaces.cli.room_file import LimitsOption, limits_of
from miqa_node.interfaces.cli.site_choice import choice_of
from miqa_node.local import LocalAssessor, LocalResult
from miqa_node.local_series import FileGroup, LocalSeriesAssessor, LocalSeriesResult, group_files
from miqa_node.stages.report.made import MadeObject, ReportSettings


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
    body_part: Annotated[str, typer.Option(metavar="CS", help="Of PNG and JPEG files; default: the pixels say.")] = "",
    view: Annotated[str, typer.Option(metavar="CS", help="Of PNG and JPEG files.")] = "",
    per_file: Annotated[
        bool, typer.Option("--per-file", help="Also assess slices of CT, MR and PET one by one, not as series.")
    ] = False,
    limits: LimitsOption = "",
    config: ConfigFile = None,
) -> None:
    """Assess images at once and print the results; slices of CT, MR and PET as series, each with one result.

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
    in_force = limits_of(limits, settings)
    named = [name.strip() for name in packages.split(",") if name.strip()]
    reports = None if out is None else ReportSettings.of(settings)
    assessor = LocalAssessor(settings, choice_of(settings), packages=named, limits=in_force, reports=reports)
    series = LocalSeriesAssessor(assessor, settings)
    work = _Work(assessor, series, writer, (modality, body_part, view), as_json=as_json)
    try:
        with TemporaryDirectory() as scratch:
            names = _unpacked(files, scratch, settings, as_json=as_json)
            units = [FileGroup((file,)) for file in names]
            if not per_file:
                units = group_files(beside_lines(list(names), "Reading headers"), settings)
            for unit in beside_lines(units, "Assessing"):
                work.do(unit, [names[file] for file in unit.files])
    finally:
        assessor.close()
    if not as_json:
        for certificate in work.certificates:  # once below all verdicts, which share it
            typer.echo(certificate, err=True)
    if work.failed:
        typer.echo(f"{work.failed} of {len(files)} files could not be assessed.", err=True)
        raise typer.Exit(Exit.FAILED)


class _Work:
    """Assesses one unit after the other, and prints a line of each; ``failed`` counts the files that could not be."""

    def __init__(
        self,
        images: LocalAssessor,
        series: LocalSeriesAssessor,
        writer: _Writer,
        described: tuple[str, str, str],
        *,
        as_json: bool,
    ) -> None:
        self._images, self._series, self._writer = images, series, writer
        self._described = described
        self._as_json = as_json
        self._language = writer.settings.node.language
        self.failed = 0
        self.certificates: dict[str, None] = {}

    def do(self, unit: FileGroup, names: list[str]) -> None:
        """Assess the files of one unit."""
        try:
            assess_unit = self._assess_series if unit.slices else self._assess_image
            self.certificates[assess_unit(unit, names)] = None
        except (ModelPackageError, SettingsError):
            raise  # no fault of the file: the next one would meet it too
        except NotAnImageError as error:
            _print_skipped(names[0], str(error), as_json=self._as_json)
        except Exception as error:  # noqa: BLE001 - one file's surprise must not keep the others from being done
            self.failed += len(names)
            self._print_error(unit, names, error_text(error))

    def _assess_image(self, unit: FileGroup, names: list[str]) -> str:
        started, file = time.perf_counter(), unit.files[0]
        modality, body_part, view = self._described
        result = self._images.assess_file(file, modality=modality, body_part=body_part, view=view)
        self._writer.write(file, result)
        total_s = time.perf_counter() - started
        if self._as_json:
            print_json(document(names[0], result, total_s, self._language))
        else:
            _print_result(names[0], result)
        return result.disposition.certificate

    def _assess_series(self, unit: FileGroup, names: list[str]) -> str:
        started = time.perf_counter()
        result = self._series.assess(unit)
        self._writer.write_series(result, self._series)
        total_s = time.perf_counter() - started
        if self._as_json:
            print_json(series_document(names, result, total_s, self._language))
        else:
            _print_result(_series_name(names, result.header.modality), result)
        return result.disposition.certificate

    def _print_error(self, unit: FileGroup, names: list[str], error: str) -> None:
        if not unit.slices or len(names) == 1:
            _print_error(names[0], error, as_json=self._as_json)
            return
        header = unit.slices[0].header
        if self._as_json:
            print_json({**series_identity(names, header.series_instance_uid, header.modality), "error": error})
        else:
            _print_error(_series_name(names, header.modality), error, as_json=False)


def _series_name(names: Sequence[str], modality: str) -> str:
    """A series as lines for people name it: by its file, or by the folder of its files."""
    return names[0] if len(names) == 1 else f"{os.path.commonpath(names)} ({modality} series, {len(names)} files)"


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
        stem = self._stem(file.stem)
        if self.saliency_dir is not None:
            self._write_maps(self.saliency_dir / stem, result)
        if self.out is not None:
            self._write_objects(self.out / stem, result.objects, is_dicom=result.is_dicom)

    def write_series(self, result: LocalSeriesResult, assessor: LocalSeriesAssessor) -> None:
        """Write what was requested of a series: it has no maps, and several files no common name."""
        if self.report is not None:
            write_whole(self.report, _page(assessor.as_image(result), self.settings))
        if self.out is not None:
            one, header = len(result.files) == 1, result.header
            stem = result.files[0].stem if one else f"{header.modality}-{header.series_instance_uid}"
            self._write_objects(self.out / self._stem(stem), result.objects, is_dicom=True)

    def _stem(self, stem: str) -> str:
        """Files of the same name in different folders must not overwrite each other's results."""
        self._taken[stem] += 1
        again = self._taken[stem]
        return stem if again == 1 else f"{stem}~{again}"

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
    def _write_objects(stem: Path, objects: Sequence[MadeObject] | None, *, is_dicom: bool) -> None:
        if objects is None:
            lack = "the file lacks UIDs" if is_dicom else "not a DICOM file"
            typer.echo(f"{stem.name}: {lack}, so there is nothing that DICOM objects could refer to.", err=True)
        for one in objects or ():
            write_whole(stem.with_name(f"{stem.name}.{one.kind.lower()}.dcm"), one.data)


def _print_result(name: str, result: LocalResult | LocalSeriesResult) -> None:
    score = result.assessment.score
    reasons = "; ".join(reason.text for reason in result.disposition.reasons)
    score_text = f"{score:3.0f}" if score is not None else "  –"
    print_line(f"{result.disposition.verdict.value:<12}", score_text, name, reasons)
    for prediction in result.assessment.predictions:
        print_line(" " * 16, prediction.sentence)


def _chosen(paths: list[Path]) -> list[Path]:
    files, left_out = images(paths)
    if not files:
        raise typer.BadParameter("there are no images in the given folders")
    if left_out:
        typer.echo(f"{left_out} files in folders are not images and were skipped.", err=True)
    return files


def _unpacked(files: list[Path], scratch: str, settings: Settings, *, as_json: bool) -> dict[Path, str]:
    try:
        names, empty = unpacked(files, Path(scratch), settings.web)
    except ArchiveError as error:
        raise typer.BadParameter(str(error)) from error
    for file in empty:
        _print_skipped(str(file), "The ZIP file holds no image; ZIP files in it are not unpacked.", as_json=as_json)
    return names


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
