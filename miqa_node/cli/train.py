"""``miqa-node train`` and ``evaluate``: make model packages and measure them; needs the extra [train]."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.cli.exits import Exit
from miqa_node.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.cli.output import Column, print_json, print_table

_NEEDED = ("torch", "scipy", "onnxscript")

app = typer.Typer(no_args_is_help=True, help='Make model packages: quality. Needs the extra "train".')

DataFolder = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", exists=True, file_okay=False, help="Folder with the radiographs and labels."),
]


@app.command()
def quality(
    data: DataFolder,
    out: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Folder that the package's own folder is made in.")
    ],
    minutes: Annotated[float, typer.Option(metavar="N", min=0.1, help="Train so long.")] = 76.0,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Train so many steps instead; repeatable on one machine.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed draws the same samples.")] = 1,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.1.0",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of this version.")] = False,
    config: ConfigFile = None,
) -> None:
    """Train the model of quality findings on radiographs with simulated defects, and write it as a package."""
    _require_train()
    quiet_logs(settings_of(config))
    from miqa_node.training.quality import train_quality  # noqa: PLC0415 - keeps --help fast

    package = train_quality(data, out, minutes=minutes, steps=steps, seed=seed, resume=resume, version=version)
    typer.echo(str(package))


def evaluate(
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", exists=True, file_okay=False, help="Folder of a model package.")
    ],
    data: DataFolder,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write all figures there as JSON.")
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Measure a package on images of hospitals that it was not trained on."""
    _require_train()
    quiet_logs(settings_of(config))
    from miqa_node.training.evaluate import evaluate_quality  # noqa: PLC0415

    file = out or Path(f"evaluation-{package.resolve().name}.json")
    figures = evaluate_quality(package, data, file)
    if as_json:
        print_json(figures)
        return
    rows = (
        (name, f"{row['auroc']:.3f}", f"{row['interval'][0]:.3f} – {row['interval'][1]:.3f}",
         f"{row['recall_at_95_specificity']:.2f}")
        for name, row in figures["simulated"]["findings"].items()
    )  # fmt: skip
    numbers = (Column(heading, number=True) for heading in ("AUROC", "95 % interval", "Recall at 95 % specificity"))
    print_table(("Finding", *numbers), rows)
    typer.echo(f"All figures are in {file}.", err=True)


def _require_train() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        typer.echo(
            f"miqa-node: training needs what is not installed here: {', '.join(missing)}. "
            "Install the extra: make setup-train, or pip install 'miqa-node[cpu,train]'.",
            err=True,
        )
        raise typer.Exit(Exit.UNAVAILABLE)
