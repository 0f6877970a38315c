"""``miqa-node send``: pushes DICOM files to a destination, with the node's own sender."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from miqa_node.cli.exits import Exit
from miqa_node.cli.files import DICOM_SUFFIXES, images
from miqa_node.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.cli.output import error_text, print_json, print_line, progress

if TYPE_CHECKING:
    from miqa_node.domain.ports import Destination


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

    Exit code 1 says that a file could not be sent; the others still are.
    """
    settings = settings_of(config, dicom={"ae_title": calling_ae_title})
    quiet_logs(settings)
    from miqa_node.deliver.connect import connect  # noqa: PLC0415 - keeps --help fast
    from miqa_node.deliver.destinations import parse_flag  # noqa: PLC0415

    files, left_out = images(paths, DICOM_SUFFIXES)
    if not files:
        raise typer.BadParameter("there are no DICOM files in the given folders")
    if left_out:
        typer.echo(f"{left_out} files in folders are no DICOM files and were left out.", err=True)
    destination = connect(parse_flag(f"send={_where(to)}", f"--to {to!r}"), settings.deliver, settings.dicom.ae_title)
    failed = 0
    try:
        with progress(files, "Sending") as remaining:
            for file in remaining:
                uid, error = _send_one(destination, file)
                failed += error is not None
                _print(file, uid, error_text(error) if error else "", as_json=as_json)
    finally:
        destination.close()
    if failed:
        typer.echo(f"{failed} of {len(files)} files could not be sent.", err=True)
        raise typer.Exit(Exit.FAILED)


def _where(to: str) -> str:
    if to.startswith(("http://", "https://")) or re.fullmatch(r".+@.+:[0-9]{1,5}", to):
        return to
    if Path(to).is_dir():
        return str(Path(to).resolve())
    raise typer.BadParameter(
        "write AET@HOST:PORT, for example PACS@10.0.0.5:104, an http(s) address, or a folder that is there",
        param_hint="--to",
    )


def _send_one(destination: Destination, file: Path) -> tuple[str, Exception | None]:
    from miqa_node.errors import MiqaError  # noqa: PLC0415
    from miqa_node.imaging.headers import read_header  # noqa: PLC0415

    try:
        header, _study = read_header(file)
        outcome = destination.send([(header.sop_class_uid, header.sop_instance_uid, file.read_bytes())])[0]
    except (MiqaError, OSError) as error:
        return "", error
    return header.sop_instance_uid, outcome


def _print(file: Path, uid: str, error: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), "error": error} if error else {"file": str(file), "sop_instance_uid": uid})
    else:
        print_line(f"{'error' if error else 'sent':<6}", str(file), error)
