"""Shared parts of the training commands: the data folder, and the check that its libraries are installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.interfaces.cli.exits import Exit
from miqa_node.plugins import addition

DataFolder = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", exists=True, file_okay=False, help="Folder with the radiographs and labels."),
]
OutFolder = Annotated[
    Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder that the package's own folder is made in.")
]
LandmarkPackage = Annotated[
    Path, typer.Option(metavar="PACKAGE", exists=True, file_okay=False, help="Landmark package to add it to.")
]
SampleSeed = Annotated[int, typer.Option(metavar="N", min=0, help="The same seed draws the same samples.")]
Steps = Annotated[
    int | None, typer.Option("--steps", metavar="N", min=1, help="Number of steps instead; repeatable on one machine.")
]


def say_overruled(ctx: typer.Context, by: str, *options: str) -> None:
    """Say of options that were given and have no effect that another one decides."""
    for option in options:
        source = ctx.get_parameter_source(option)
        if source is not None and source.name == "COMMANDLINE":
            typer.echo(f"miqa-node: --{option.replace('_', '-')} has no effect: {by} decides.", err=True)


def require(needed: tuple[str, ...]) -> None:
    """Exit with what to install if a library is missing."""
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        typer.echo(
            f"miqa-node: this command needs modules that are not installed: {', '.join(missing)}. "
            f"Install them: make setup-train in a checkout, or {addition('miqa-node-training[train]')}.",
            err=True,
        )
        raise typer.Exit(Exit.UNAVAILABLE)
