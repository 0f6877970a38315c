"""``miqa-node train pneumonia`` and ``evaluate pneumonia``: the package pneumonia-ensemble and its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.interfaces.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_table
from miqa_training.commands.extras import DataFolder, require

_NEEDED = ("torch", "scipy", "onnxscript", "h5py", "sklearn")


def train(
    data: DataFolder,
    out: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Folder that the package's own folder is made in.")
    ],
    draws: Annotated[int, typer.Option(metavar="N", min=64, help="Pictures drawn for each network.")] = 12_000,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed draws the same pictures.")] = 1,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.1.0",
    runs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", file_okay=False, help="Checkpoints and caches; training-runs/pneumonia by default."
        ),
    ] = None,
    networks: Annotated[
        Path | None,
        typer.Option(
            metavar="PACKAGE",
            exists=True,
            file_okay=False,
            help="Only calibrate the networks of this package, without training.",
        ),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Train the pneumonia ensemble on children and adults, test it for shortcuts, and write it as a package.

    An interrupted run continues from its checkpoints. Decision support, not diagnosis.
    """
    require(_NEEDED)
    settings = settings_of(config)
    quiet_logs(settings)
    if networks is not None:
        from miqa_training.pneumonia.calibration import calibrate_again

        typer.echo(str(calibrate_again(networks, data, out, version)))
        return
    from miqa_node.stages.assess.active import quality_folder
    from miqa_training.pneumonia.fit import PneumoniaRecipe
    from miqa_training.pneumonia.train import PneumoniaSources, make_package

    quality = quality_folder(settings)
    if quality is None:
        raise typer.BadParameter("there is no quality package to take the residual network's initial weights from")
    sources = PneumoniaSources(
        data=data,
        quality_graph=quality / "model.onnx",
        mobilenet_file=data / "pretrained" / "mobilenet_v2_1.0_224_quant.tflite",
        runs=runs or Path("training-runs") / "pneumonia",
    )
    typer.echo(str(make_package(sources, out, PneumoniaRecipe(draws=draws, seed=seed), version)))


def evaluate(
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", exists=True, file_okay=False, help="Folder of the package.")
    ],
    data: DataFolder,
    degraded: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Maximum number of radiographs also judged with a simulated defect."),
    ] = 1000,
    write: Annotated[bool, typer.Option("--write", help="Write the figures into the card.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Measure the pneumonia ensemble on unseen patients: children and adults apart, routing, Pointing Game.

    Each radiograph passes the node's whole pipeline, the quality package included.
    """
    require(("scipy", "sklearn"))
    quiet_logs(settings_of(config))
    from miqa_training.pneumonia.evaluate import evaluate_pneumonia, write_figures

    figures = evaluate_pneumonia(package, data, degraded=degraded)
    if write:
        write_figures(package, figures)
    if as_json:
        print_json(figures)
        return
    _print(figures)


def _print(figures: dict[str, Any]) -> None:
    names = ("images", "recall", "specificity", "auroc", "auroc_low", "auroc_high", "ece")
    print_table(
        ("Patients", *(Column(name.replace("_", " "), number=True) for name in names)),
        ((group, *(_text(row.get(name)) for name in names)) for group, row in figures["groups"].items()),
    )
    for part in ("routing", "routing_with_simulated_defects"):
        rows = [
            (f"{population}, {rule}", _text(row["automated_share"]), _text(row["automated_error_share"]))
            for population, rules in figures[part].items()
            for rule, row in rules.items()
            if rule != "waiting"
        ]
        heading = "Radiographs as they are" if part == "routing" else "With a simulated defect"
        print_table((heading, Column("Automated", number=True), Column("Wrong of those", number=True)), rows)
    game = figures["pointing_game"]
    print_table(
        (f"Pointing Game, {game['images']} images", Column("Hits", number=True)),
        ((name, _text(row["pointing_game"])) for name, row in game["methods"].items()),
    )


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
