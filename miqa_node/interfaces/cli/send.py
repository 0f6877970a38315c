"""``miqa-node send``: pushes DICOM files to a destination, with the node's own sender."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import MiqaError, SettingsError
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.files import DICOM_SUFFIXES, images
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import error_text, print_json, print_line
from miqa_node.interfaces.cli.progress_bar import beside_lines
from miqa_node.stages.deliver.destinations import parse_address
from miqa_node.stages.deliver.kinds.base import DeliveryContext, Destination, DestinationConfig, connect


def send(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", exists=True, help="DICOM files, or folders of them.")
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="WHERE",
            help="AET@HOST:PORT of a storage SCP, the http(s) address of a STOW-RS service, or a folder.",
        ),
    ],
    calling_ae_title: Annotated[
        str | None, typer.Option(metavar="AET", help="Who sends; default is dicom.ae_title.")
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Send DICOM files over C-STORE or STOW-RS, or copy them to a folder.

    Exit code 1: a file could not be sent; the others were.
    """
    settings = settings_of(config, dicom={"ae_title": calling_ae_title})
    quiet_logs(settings)

    files, left_out = images(paths, DICOM_SUFFIXES)
    if not files:
        raise typer.BadParameter("there are no DICOM files in the given folders")
    if left_out:
        typer.echo(f"{left_out} files in folders are not DICOM files and were left out.", err=True)
    context = DeliveryContext(settings.deliver, settings.dicom.ae_title)
    destination = connect(_destination(to), context)
    failed = 0
    try:
        for file in beside_lines(files, "Sending"):
            uid, error = _send_one(destination, file)
            failed += error is not None
            _print(file, uid, error_text(error) if error else "", as_json=as_json)
    finally:
        destination.close()
    if failed:
        typer.echo(f"{failed} of {len(files)} files could not be sent.", err=True)
        raise typer.Exit(Exit.FAILED)


def _destination(to: str) -> DestinationConfig:
    address = str(Path(to).resolve()) if Path(to).is_dir() else to
    try:
        return parse_address(address, "send", f"{to!r}")
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--to") from error


def _send_one(destination: Destination, file: Path) -> tuple[str, Exception | None]:
    try:
        header, _study = read_header(file, relaxed=True)
        destination.send_one(header.sop_class_uid, header.sop_instance_uid, file.read_bytes())
    except (MiqaError, OSError) as error:
        return "", error
    return header.sop_instance_uid, None


def _print(file: Path, uid: str, error: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), "error": error} if error else {"file": str(file), "sop_instance_uid": uid})
    else:
        print_line(f"{'error' if error else 'sent':<6}", str(file), error)
