"""``miqa-node train``: make model packages; needs miqa-node-training."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_line, print_table
from miqa_training.commands import pneumonia
from miqa_training.commands.extras import (
    DataFolder,
    LandmarkPackage,
    OutFolder,
    SampleSeed,
    Steps,
    require,
    say_overruled,
)
from miqa_training.commands.train_any_radiograph import any_radiograph
from miqa_training.commands.train_classifier import classifier
from miqa_training.commands.train_objects import objects
from miqa_training.commands.train_positioning import positioning

_NEEDED = ("torch", "scipy", "onnxscript")

app = typer.Typer(no_args_is_help=True, help="Train model packages. Needs miqa-node-training.")


@app.command()
def quality(
    ctx: typer.Context,
    data: DataFolder,
    out: OutFolder,
    minutes: Annotated[float, typer.Option(metavar="N", min=0.1, help="Training time.")] = 76.0,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Number of steps instead; repeatable on one machine. 0 skips training: only the classifier of "
            "removable objects and the branch of header numbers are refitted, and the package is written.",
        ),
    ] = None,
    seed: SampleSeed = 1,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.1.0",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of this version.")] = False,
    start: Annotated[
        Path | None,
        typer.Option(metavar="PATH", exists=True, help="Begin with the weights of this package, or checkpoint."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="Learn from this export of labels as well."),
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(metavar="X", min=1e-6, max=0.1, help="Of the optimiser, before it falls.")
    ] = 2e-3,
    batch: Annotated[int, typer.Option(metavar="N", min=2, help="Samples of one step.")] = 24,
    keep_start: Annotated[
        float, typer.Option(metavar="X", min=0.0, max=1.0, help="Share of the starting weights in what is packed.")
    ] = 0.0,
    fixed_view: Annotated[
        bool,
        typer.Option("--fixed-view", help="Leave the network of the whole view and its maps as they start."),
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Train the model of quality findings on radiographs with simulated defects, and write it as a package."""
    require(_NEEDED)
    if steps is not None:
        fitting = () if steps else ("learning_rate", "batch", "resume", "keep_start", "fixed_view")
        say_overruled(ctx, "--steps", "minutes", *fitting)
    quiet_logs(settings_of(config))
    from miqa_training.quality import train_quality

    package = train_quality(
        data,
        out,
        minutes=minutes,
        steps=steps,
        seed=seed,
        resume=resume,
        version=version,
        start=start,
        labels=labels,
        learning_rate=learning_rate,
        batch=batch,
        keep_start=keep_start,
        fixed_view=fixed_view,
    )
    typer.echo(str(package))


class Kind(StrEnum):
    """Which classical models to fit."""

    LOGISTIC = "lr"
    ADDITIVE = "additive"
    SVM = "svm"
    FOREST = "forest"
    ALL = "all"


_MEANT = {Kind.SVM: ("svm-linear", "svm-rbf"), Kind.ALL: ("lr", "additive", "svm-linear", "svm-rbf", "forest")}


@app.command()
def classical(
    data: DataFolder,
    out: OutFolder,
    model: Annotated[Kind, typer.Option(metavar="KIND", help="lr, additive, svm, forest, or all of them.")] = Kind.ALL,
    samples: Annotated[int, typer.Option(metavar="N", min=200, help="Number of training samples to measure.")] = 3000,
    draws: Annotated[int, typer.Option(metavar="N", min=1, help="Simulations per image and finding to judge by.")] = 2,
    seed: SampleSeed = 1,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.1.0",
    against: Annotated[
        Path | None,
        typer.Option(metavar="PACKAGE", exists=True, file_okay=False, help="Package of a network to compare with."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Folder for the comparison; training-runs/… by default."),
    ] = None,
    denoise: Annotated[
        bool, typer.Option("--denoise", help="Remove noise before measuring; makes no package.")
    ] = False,
    enhance: Annotated[
        bool, typer.Option("--enhance", help="Equalise contrast (CLAHE) before measuring; makes no package.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Fit models of the measurements on the network's samples, compare them, and write the simplest as a package.

    The measured tables are kept in .cache, so that a second run takes seconds.
    """
    require((*_NEEDED, "sklearn", "matplotlib"))
    quiet_logs(settings_of(config))
    from miqa_training.classical.compare import train_classical
    from miqa_training.classical.features import Treatment

    result = train_classical(
        data, out, kinds=_MEANT.get(model, (model.value,)), seed=seed, version=version, samples=samples, draws=draws,
        treatment=Treatment(denoise=denoise, enhance=enhance), against=against,
        report_dir=report,
    )  # fmt: skip
    if as_json:
        print_json(result["rows"])
        return
    _print_comparison(result["rows"])
    typer.echo(f"The comparison is {result['report']}.", err=True)
    if "package" in result:
        typer.echo(result["package"])


@app.command()
def anomaly(
    data: DataFolder,
    package: Annotated[
        Path,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="Folder of the package; changed in place."),
    ],
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed grows the same trees.")] = 1,
    config: ConfigFile = None,
) -> None:
    """Train the anomaly model of a finished quality package on its own features; replaces the previous one."""
    require(("sklearn", "scipy"))
    quiet_logs(settings_of(config))
    from miqa_training.anomaly import train_anomaly

    typer.echo(str(train_anomaly(data, package, seed=seed)))


@app.command()
def denoiser(
    ctx: typer.Context,
    data: DataFolder,
    out: OutFolder,
    minutes: Annotated[float, typer.Option(metavar="N", min=0.1, help="Training time.")] = 15.0,
    steps: Steps = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed draws the same patches.")] = 1,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.1.0",
    images: Annotated[int, typer.Option(metavar="N", min=1, help="Maximum number of patients.")] = 81,
    start: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Begin with the weights of this checkpoint."),
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(metavar="X", min=1e-6, max=0.1, help="Of the optimiser, before it falls.")
    ] = 1e-3,
    config: ConfigFile = None,
) -> None:
    """Train the denoiser of the enhancement method "learned" on simulated quantum noise; one CPU thread is enough."""
    require(_NEEDED)
    if steps is not None:
        say_overruled(ctx, "--steps", "minutes")
    quiet_logs(settings_of(config))
    from miqa_training.denoiser.train import train_denoiser

    package = train_denoiser(
        data, out, minutes=minutes, steps=steps, seed=seed, version=version, images=images, start=start,
        learning_rate=learning_rate,
    )  # fmt: skip
    typer.echo(str(package))


@app.command()
def reproduce(
    data: DataFolder,
    out: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for the packages and their runs.")
    ] = Path("training-runs/reproduced"),
    package: Annotated[
        list[str] | None, typer.Option(metavar="NAME-VERSION", help="Only this one; repeatable.")
    ] = None,
    models: Annotated[
        Path, typer.Option(metavar="DIR", exists=True, file_okay=False, help="Folder of the shipped packages.")
    ] = Path("models"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands only.")] = False,
) -> None:
    """Make the shipped packages again from public starts, and compare the figures of their cards within tolerances.

    This takes hours. A package that is there already is only compared; an interrupted run goes on from its checkpoints.
    """
    require((*_NEEDED, "sklearn"))
    from miqa_training.reproduce import compare_cards, read_recipes

    comparisons = []
    for recipe in read_recipes(package or ()):
        print_line(f"{recipe.name}: about {recipe.hours:g} h on two cores")
        for words in recipe.command_lines(data, out):
            print_line("  miqa-node train", *words)
            if not dry_run and not (out / recipe.name).is_dir():
                subprocess.run([Path(sys.executable).with_name("miqa-node"), "train", *words], check=True)  # noqa: S603 - our own recipes
        if not dry_run:
            comparisons += compare_cards(recipe, models / recipe.name, out / recipe.name)
    if dry_run:
        return
    print_table(
        ("Package", "Figure", *(Column(name, number=True) for name in ("Shipped", "Reproduced", "Tolerance")), ""),
        (
            (one.package, one.figure, f"{one.shipped:.3f}", f"{one.reproduced:.3f}", f"{one.tolerance:g}",
             "within" if one.within else "WORSE")
            for one in comparisons
        ),
    )  # fmt: skip
    if not all(one.within for one in comparisons):
        raise typer.Exit(Exit.FAILED)


@app.command()
def landmarks(
    data: DataFolder,
    out: OutFolder,
    minutes: Annotated[
        float, typer.Option(metavar="N", min=0.1, help="Training time of the whole image's network.")
    ] = 42,
    close_up_minutes: Annotated[float, typer.Option(metavar="N", min=0.1, help="Then the close-up's.")] = 25,
    steps: Steps = None,
    close_up_steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Steps of the network of close-ups.")
    ] = None,
    seed: SampleSeed = 1,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.1.0",
    runs: Annotated[
        Path,
        typer.Option(metavar="DIR", file_okay=False, help="Checkpoints and caches."),
    ] = Path("training-runs/landmarks"),
    config: ConfigFile = None,
) -> None:
    """Train the networks of anatomical points on chest radiographs, and write them as a package.

    An interrupted run continues from its checkpoints.
    """
    require((*_NEEDED, "sklearn"))
    quiet_logs(settings_of(config))
    from miqa_training.landmarks.fit import LandmarkSchedule
    from miqa_training.landmarks.train import train_landmarks

    whole = LandmarkSchedule(minutes=minutes, steps=steps, seed=seed)
    closer = LandmarkSchedule(minutes=close_up_minutes, steps=close_up_steps, seed=seed)
    typer.echo(str(train_landmarks(data, runs, out, whole, closer, version)))


@app.command("lung-field")
def lung_field(
    data: DataFolder,
    out: OutFolder,
    start: LandmarkPackage,
    minutes: Annotated[float, typer.Option(metavar="N", min=0.1, help="Training time.")] = 20,
    steps: Steps = None,
    seed: SampleSeed = 1,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.2.0",
    runs: Annotated[
        Path,
        typer.Option(metavar="DIR", file_okay=False, help="Checkpoint and caches."),
    ] = Path("training-runs/lung-field"),
    config: ConfigFile = None,
) -> None:
    """Train the lung field on top of a landmark package, whose points stay as they are.

    An interrupted run continues from its checkpoint.
    """
    require((*_NEEDED, "sklearn"))
    quiet_logs(settings_of(config))
    from miqa_training.landmarks.fit import LandmarkSchedule
    from miqa_training.landmarks.lung_train import train_lung_field

    schedule = LandmarkSchedule(minutes=minutes, steps=steps, seed=seed, rate=3e-3)
    typer.echo(str(train_lung_field(start, data, runs, out, schedule, version)))


@app.command("side-markers")
def side_markers(
    data: DataFolder,
    out: OutFolder,
    start: LandmarkPackage,
    minutes: Annotated[float, typer.Option(metavar="N", min=0.1, help="Training time.")] = 22,
    steps: Steps = None,
    seed: SampleSeed = 1,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.3.0",
    runs: Annotated[
        Path,
        typer.Option(metavar="DIR", file_okay=False, help="Checkpoint and caches."),
    ] = Path("training-runs/side-markers"),
    config: ConfigFile = None,
) -> None:
    """Train the reader of side markers (L, R, D) and add it to a landmark package, which else stays as it is.

    An interrupted run continues from its checkpoint.
    """
    require((*_NEEDED, "sklearn", "matplotlib"))
    quiet_logs(settings_of(config))
    from miqa_training.landmarks.fit import LandmarkSchedule
    from miqa_training.landmarks.marker_train import RATE, train_side_markers

    schedule = LandmarkSchedule(
        minutes=minutes, steps=steps, seed=seed, batch=8, rate=RATE, average=0.995, decay=0.01, bfloat16=False
    )
    typer.echo(str(train_side_markers(start, data, runs, out, schedule, version)))


def _print_comparison(rows: list[dict[str, Any]]) -> None:
    headings = ("Mean AUROC", "Real objects", "Accuracy", "Precision", "Recall", "F1", "ms")
    keys = ("mean_auroc", "real_objects", "accuracy", "precision_at_point", "recall", "f1")

    def cells(row: dict[str, Any]) -> tuple[str, ...]:
        values = [f"{row[key]:.3f}" if row.get(key) is not None else "–" for key in keys]
        return (row["package"], *values, f"{row['milliseconds']:.0f}" if row["milliseconds"] else "–")

    print_table(("Model", *(Column(heading, number=True) for heading in headings)), (cells(row) for row in rows))


app.command("any-radiograph")(any_radiograph)
app.command("classifier")(classifier)
app.command("objects")(objects)
app.command("positioning")(positioning)
app.command("pneumonia")(pneumonia.train)
