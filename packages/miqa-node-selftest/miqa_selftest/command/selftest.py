"""``miqa-node selftest``: proves on this machine that images of every kind are processed, and writes a record."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.files.held_folder import hold
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile
from miqa_node.interfaces.cli.output import print_json
from miqa_selftest.record import document, write_record
from miqa_selftest.run import run


def selftest(
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for the record.")] = Path(
        "selftest"
    ),
    limit_s: Annotated[
        float, typer.Option("--limit", metavar="S", min=10, help="Maximum wait for all verdicts, in seconds.")
    ] = 300.0,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Send synthetic images of every kind and transfer syntax through a temporary node and write a record.

    The node runs on free ports with the settings of --config and a temporary folder, beside a node in use; a
    test PACS receives the results. Exit code 1: something did not work.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    with tempfile.TemporaryDirectory(prefix="miqa-selftest-") as folder:
        hold(Path(folder))
        record = run(Path(folder), config, limit_s)
    page, data = write_record(record, out)
    if as_json:
        print_json(document(record))
    else:
        for check in record.checks:
            for fault in check.faults:
                typer.echo(f"{check.title}, {check.syntax}: {fault}", err=True)
        for fault in record.faults:
            typer.echo(fault, err=True)
        failed = sum(bool(check.faults) for check in record.checks)
        typer.echo(f"{len(record.checks) - failed} of {len(record.checks)} images went as they should.")
        typer.echo(f"The record is {page} and {data}.")
    if not record.passed:
        raise typer.Exit(Exit.FAILED)


def _end(number: int, _frame: object) -> None:
    """Stop the node, and remove its folder."""
    sys.exit(128 + number)
