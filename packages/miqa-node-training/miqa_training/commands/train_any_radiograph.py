"""``miqa-node train any-radiograph``: the package for radiographs of every body part and view."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from miqa_node.interfaces.cli.options import ConfigFile, quiet_logs, settings_of
from miqa_training.commands.extras import DataFolder, OutFolder, require


def any_radiograph(
    data: DataFolder,
    out: OutFolder,
    state: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Folder of features; a run goes on with what is there.")
    ],
    start: Annotated[
        Path,
        typer.Option(metavar="PACKAGE", exists=True, file_okay=False, help="Quality package whose networks it takes."),
    ],
    samples: Annotated[int, typer.Option(metavar="N", min=50, help="Simulated images to learn from.")] = 13000,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.3.0",
    config: ConfigFile = None,
) -> None:
    """Fit the package for any radiograph to simulated defects, with figures of sources that were left out."""
    require(("torch", "onnxscript"))
    quiet_logs(settings_of(config))
    from miqa_training.any_part.fit import PartFitSettings, fit_package

    settings = PartFitSettings(samples=samples, start=start)
    typer.echo(str(fit_package(data, state, out, version, settings)))
