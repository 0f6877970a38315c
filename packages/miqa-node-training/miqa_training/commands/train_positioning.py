"""``miqa-node train positioning``: rotation and cut lungs as readers would call them."""

from __future__ import annotations

from typing import Annotated

import typer

from miqa_node.interfaces.cli.options import ConfigFile, quiet_logs, settings_of
from miqa_training.commands.extras import DataFolder, LandmarkPackage, OutFolder, require


def positioning(
    data: DataFolder,
    out: OutFolder,
    start: LandmarkPackage,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.5.0",
    config: ConfigFile = None,
) -> None:
    """Calibrate rotation and cut lungs of a landmark package on readers' grades; else it stays as it is."""
    require(("scipy", "sklearn"))
    quiet_logs(settings_of(config))
    from miqa_training.landmarks.reader_train import add_reader_rules

    typer.echo(str(add_reader_rules(start, data, out, version)))
