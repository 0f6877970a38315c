"""``miqa-node train`` and ``evaluate``: make model packages and measure them; needs the extra [train]."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.cli.exits import Exit
from miqa_node.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.cli.output import print_json, print_line

_NEEDED = ("torch", "sklearn", "onnxscript", "matplotlib", "h5py")

app = typer.Typer(no_args_is_help=True, help='Make model packages: quality. Needs the extra "train".')


@app.command()
def quality(
    data_dir: Annotated[
        Path,
        typer.Argument(metavar="DATA", exists=True, file_okay=False, help="Folder with the training radiographs."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder that the package is made in.")],
    minutes: Annotated[float, typer.Option(metavar="N", min=0.1, help="Train so long.")] = 120.0,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed gives the same samples.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in DIR.")] = False,
    config: ConfigFile = None,
) -> None:
    """Train the model of quality findings on radiographs with simulated defects, and export it as a package."""
    _require_train()
    quiet_logs(settings_of(config))
    from miqa_node.training import train_quality  # noqa: PLC0415 - keeps --help fast

    package = train_quality(data_dir, out, minutes=minutes, seed=seed, resume=resume)
    typer.echo(str(package))


def evaluate(
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", exists=True, file_okay=False, help="Folder of a model package.")
    ],
    data_dir: Annotated[
        Path, typer.Argument(metavar="DATA", exists=True, file_okay=False, help="Folder with the evaluation images.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Write figures and tables there.")
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Measure a package on images that it was not trained on: AUROC with intervals, recall, calibration."""
    _require_train()
    quiet_logs(settings_of(config))
    from miqa_node.training import evaluate_quality  # noqa: PLC0415

    figures = evaluate_quality(package, data_dir, out)
    if as_json:
        print_json(figures)
    else:
        print_line(json.dumps(figures, indent=2, ensure_ascii=False))


def _require_train() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        typer.echo(
            f"miqa-node: training needs what is not installed here: {', '.join(missing)}. "
            "Install the extra: make setup-train, or pip install 'miqa-node[cpu,train]'.",
            err=True,
        )
        raise typer.Exit(Exit.UNAVAILABLE)
