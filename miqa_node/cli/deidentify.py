"""``miqa-node deidentify``: takes who the patient is out of DICOM images, before a model learns from them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.cli.exits import Exit
from miqa_node.cli.files import DICOM_SUFFIXES, images
from miqa_node.cli.options import AsJson
from miqa_node.cli.output import print_json, progress


class Dates(StrEnum):
    """What becomes of dates."""

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
            help="Secret that new UIDs, names and dates are made with; made if it is not there. Keep it apart.",
        ),
    ],
    dates: Annotated[
        Dates, typer.Option(metavar="KIND", help="remove, shift (by one secret number of days a patient) or keep.")
    ] = Dates.REMOVE,
    retain_device: Annotated[bool, typer.Option("--retain-device", help="Keep which device made the image.")] = False,
    retain_institution: Annotated[
        bool, typer.Option("--retain-institution", help="Keep in which institution it was made.")
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
        bool, typer.Option("--keep-folders", help="Keep the names of folders, such as labels; none may name anyone.")
    ] = False,
    allow_burned_in: Annotated[
        bool, typer.Option("--allow-burned-in", help="Write images that say text is in their pixels, with a warning.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """De-identify images after PS3.15 Annex E: the Basic Profile and the options asked for.

    Every identifying value of the original is then searched in the result; a file in which one is found is not
    written. Text in the pixels is not looked for. Exit code 1 says that files were refused.
    """
    from miqa_node.deidentify.dataset import Method  # noqa: PLC0415 - keeps --help fast
    from miqa_node.deidentify.files import deidentify_files, read_key  # noqa: PLC0415
    from miqa_node.deidentify.profile import Option  # noqa: PLC0415
    from miqa_node.deidentify.values import Secrets  # noqa: PLC0415

    chosen = {
        Option.SHIFTED_DATES: dates is Dates.SHIFT,
        Option.FULL_DATES: dates is Dates.KEEP,
        Option.DEVICE: retain_device,
        Option.INSTITUTION: retain_institution,
        Option.PATIENT_CHARACTERISTICS: retain_patient_characteristics,
        Option.UIDS: retain_uids,
        Option.CLEAN_DESCRIPTORS: clean_descriptors,
    }
    if out.resolve().is_relative_to(source.resolve()):
        raise typer.BadParameter("OUT may not lie inside IN", param_hint="OUT")
    files, left_out = images([source], DICOM_SUFFIXES)
    if not files:
        raise typer.BadParameter(f"there are no DICOM files in {source}", param_hint="IN")
    try:
        method = Method(Secrets(read_key(key)), frozenset(option for option, wanted in chosen.items() if wanted))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--key") from error
    base = source if source.is_dir() else source.parent
    with progress(files, "De-identifying") as remaining:
        outcomes = deidentify_files(
            ((file, file.parent.relative_to(base) if keep_folders else Path()) for file in remaining),
            out, method, allow_burned_in=allow_burned_in,
        )  # fmt: skip
    refused = [outcome for outcome in outcomes if outcome.written is None]
    if as_json:
        print_json(
            {
                "written": len(outcomes) - len(refused),
                "refused": [{"file": str(o.source), "reason": o.reason} for o in refused],
                "warnings": [{"file": str(o.written), "warning": w} for o in outcomes for w in o.warnings if o.written],
                "left_out": left_out,
            }
        )
    else:
        for outcome in outcomes:
            for line in (outcome.reason, *outcome.warnings):
                if line:
                    typer.echo(f"{outcome.written or outcome.source}: {line}", err=True)
        typer.echo(f"{len(outcomes) - len(refused)} of {len(outcomes)} images were written to {out}.")
    if refused:
        raise typer.Exit(Exit.FAILED)
