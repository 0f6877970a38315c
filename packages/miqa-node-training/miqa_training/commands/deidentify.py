"""``miqa-node deidentify``: removes the identity of patients from DICOM images, for training."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.core.domain.patient import plain
from miqa_node.core.observe.progress import counted
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.files import DICOM_SUFFIXES, images
from miqa_node.interfaces.cli.options import AsJson, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import print_json
from miqa_node.plugins import addition
from miqa_training.deidentify.dataset import DeidentificationMethod
from miqa_training.deidentify.files import FileOutcome, deidentify_files, read_key
from miqa_training.deidentify.pixels import PixelSearch, pixel_tools
from miqa_training.deidentify.profile import ProfileOption
from miqa_training.deidentify.values import Secrets


class Dates(StrEnum):
    """The treatment of dates."""

    REMOVE = "remove"
    SHIFT = "shift"
    KEEP = "keep"


def deidentify(
    source: Annotated[Path, typer.Argument(metavar="IN", exists=True, help="A DICOM file, or a folder of them.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", file_okay=False, help="Folder to write to.")],
    key: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Secret for new UIDs, names and dates; created if the file does not exist. Store it separately.",
        ),
    ],
    dates: Annotated[
        Dates, typer.Option(metavar="KIND", help="remove, shift (by one secret number of days a patient) or keep.")
    ] = Dates.REMOVE,
    retain_device: Annotated[bool, typer.Option("--retain-device", help="Keep the identity of the device.")] = False,
    retain_institution: Annotated[
        bool, typer.Option("--retain-institution", help="Keep the identity of the institution.")
    ] = False,
    retain_patient_characteristics: Annotated[
        bool, typer.Option("--retain-patient-characteristics", help="Keep age, sex, size, weight and the like.")
    ] = False,
    retain_uids: Annotated[
        bool, typer.Option("--retain-uids", help="Keep UIDs: they lead back to the archive.")
    ] = False,
    clean_descriptors: Annotated[
        bool, typer.Option("--clean-descriptors", help="Keep known anatomical words of descriptions.")
    ] = False,
    keep_folders: Annotated[
        bool,
        typer.Option("--keep-folders", help="Keep the names of folders, such as labels; they must not name people."),
    ] = False,
    authority: Annotated[
        str,
        typer.Option(
            "--authority", metavar="NAME", help="Who assigned the Patient IDs of images without Issuer of Patient ID."
        ),
    ] = "",
    allow_burned_in: Annotated[
        bool, typer.Option("--allow-burned-in", help="Also write images with Burned In Annotation YES, with a warning.")
    ] = False,
    text: Annotated[
        bool, typer.Option("--text/--no-text", help="Search the pixels for names, dates and numbers, and cover them.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """De-identify images by PS3.15 Annex E: the Basic Profile and chosen options.

    Every identifying value of the original is then searched in the result; a file that still contains one is
    not written. Text in the pixels is covered in the copy where the extra `text` is installed; what is handwritten or
    stands on its head may be missed. Exit code 1: files were refused, or text was not searched without `--no-text`.
    """
    chosen = {
        ProfileOption.SHIFTED_DATES: dates is Dates.SHIFT,
        ProfileOption.FULL_DATES: dates is Dates.KEEP,
        ProfileOption.DEVICE: retain_device,
        ProfileOption.INSTITUTION: retain_institution,
        ProfileOption.PATIENT_CHARACTERISTICS: retain_patient_characteristics,
        ProfileOption.UIDS: retain_uids,
        ProfileOption.CLEAN_DESCRIPTORS: clean_descriptors,
    }
    if out.resolve().is_relative_to(source.resolve()):
        raise typer.BadParameter("OUT may not lie inside IN", param_hint="OUT")
    files, left_out = images([source], DICOM_SUFFIXES)
    if not files:
        raise typer.BadParameter(f"there are no DICOM files in {source}", param_hint="IN")
    try:
        method = DeidentificationMethod(
            Secrets(read_key(key)),
            frozenset(option for option, is_chosen in chosen.items() if is_chosen),
            plain(authority),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--key") from error
    base = source if source.is_dir() else source.parent
    settings = settings_of(None)
    quiet_logs(settings)
    with pixel_tools(settings, text=text) as tools:
        if text and tools.reader is None:
            typer.echo(f"Text in the pixels is not searched; this adds it: {addition('text')}", err=True)
        remaining = counted(files, "De-identifying")
        outcomes = deidentify_files(
            ((file, file.parent.relative_to(base) if keep_folders else Path()) for file in remaining),
            out, method, allow_burned_in=allow_burned_in, tools=tools,
        )  # fmt: skip
    refused = [outcome for outcome in outcomes if outcome.written is None]
    unsearched = [outcome for outcome in outcomes if text and outcome.written and outcome.searched is None]
    if as_json:
        print_json(
            {
                "written": len(outcomes) - len(refused),
                "refused": [{"file": str(o.source), "reason": o.reason} for o in refused],
                "warnings": [{"file": str(o.written), "warning": w} for o in outcomes for w in o.warnings if o.written],
                "covered": [{"file": str(o.written), "lines": [asdict(one) for one in o.covered]}
                            for o in outcomes if o.written and o.covered],
                "searched": [_searched(o) for o in outcomes if o.written],
                "left_out": left_out,
            }
        )  # fmt: skip
    else:
        for outcome in outcomes:
            for line in (outcome.reason, *outcome.warnings):
                if line:
                    typer.echo(f"{outcome.written or outcome.source}: {line}", err=True)
            if outcome.searched is not None and outcome.searched.frames > 1:
                typer.echo(f"{outcome.written}: {_frames(outcome.searched)}", err=True)
        if unsearched:
            typer.echo(f"Text in the pixels of {len(unsearched)} images was not searched.", err=True)
        typer.echo(f"{len(outcomes) - len(refused)} of {len(outcomes)} images were written to {out}.")
    if refused or unsearched:
        raise typer.Exit(Exit.FAILED)


def _searched(outcome: FileOutcome) -> dict[str, Any]:
    """What was searched in one file; no frame if text was not looked for, or could not be."""
    search = outcome.searched or PixelSearch((), 0, 0)
    return {
        "file": str(outcome.written),
        "text": outcome.searched is not None,
        "read": search.read,
        "alike": search.alike,
    }


def _frames(search: PixelSearch) -> str:
    alike = f", {search.alike} differ too little from these to have other text" if search.alike else ""
    return f"text was searched on {search.read} of {search.frames} frames{alike}."
