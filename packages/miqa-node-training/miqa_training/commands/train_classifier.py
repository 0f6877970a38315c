"""``miqa-node train classifier``: a package of any labelled images; needs miqa-node-training."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_table
from miqa_training.commands.extras import OutFolder, require

_NEEDED = ("torch", "scipy", "onnxscript", "sklearn", "matplotlib", "h5py", "flatbuffers")


class ArchitectureName(StrEnum):
    """As :class:`miqa_training.architectures.Architecture`, which needs torch."""

    CNN = "cnn"
    RESNET = "resnet"
    MOBILENET = "mobilenet"
    DENSENET = "densenet"
    SQUEEZENET = "squeezenet"


class Colour(StrEnum):
    """Whether the network gets colour."""

    AUTO = "auto"
    GRAY = "gray"
    COLOUR = "colour"


def classifier(
    data: Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            exists=True,
            help="Folder with one folder of images for each label, or a CSV: file, label[, patient][, split].",
        ),
    ],
    out: OutFolder,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the package: small letters, digits and -.")],
    arch: Annotated[
        ArchitectureName, typer.Option(metavar="KIND", help="cnn, resnet, mobilenet, densenet or squeezenet.")
    ] = ArchitectureName.RESNET,
    pretrained: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Start from published weights: MobileNetV2 as .tflite, SqueezeNet as .h5.",
        ),
    ] = None,
    positive: Annotated[
        str, typer.Option(metavar="LABEL", help="Label whose recall comes first; of two the rarer one.")
    ] = "",
    recall_target: Annotated[
        float, typer.Option(metavar="SHARE", min=0.01, max=1.0, help="Recall that the threshold is chosen for.")
    ] = 0.95,
    size: Annotated[int, typer.Option(metavar="PX", min=64, max=1024, help="Side of the network's input.")] = 128,
    colour: Annotated[
        Colour, typer.Option(metavar="KIND", help="auto (as the images are), gray or colour.")
    ] = Colour.AUTO,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Left and right may be exchanged without changing the label.")
    ] = False,
    epochs: Annotated[int, typer.Option(metavar="N", min=1, help="How often to go through the training part.")] = 12,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed makes the same split.")] = 1,
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="Version of the package.")] = "0.1.0",
    intended_use: Annotated[str, typer.Option(metavar="TEXT", help="A sentence for the card.")] = "",
    modality: Annotated[str, typer.Option(metavar="CS[,CS]", help="Modalities that it may judge; all without.")] = "",
    body_part: Annotated[str, typer.Option(metavar="CS[,CS]", help="Body parts that it may judge; all without.")] = "",
    licence: Annotated[str, typer.Option(metavar="TEXT", help="Licence of the images, for the card.")] = "",
    technical: Annotated[
        bool, typer.Option("--technical", help="The labels say something of the image, not of the patient.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Folder of the report; training-runs/… else.")
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Train a classifier of any labelled images, choose its threshold for recall, and write it as a package.

    PNG, JPEG and DICOM, gray and colour. The report beside the run shows images of the test part; the package holds
    none.
    """
    require(_NEEDED)
    quiet_logs(settings_of(config))
    from miqa_training.architectures import Architecture
    from miqa_training.classifier.fit import ClassifierRecipe
    from miqa_training.classifier.train import ClassifierRequest, train_classifier

    request = ClassifierRequest(
        name=name, version=version, architecture=Architecture(arch.value), pretrained=pretrained, size_px=size,
        colour=None if colour is Colour.AUTO else colour is Colour.COLOUR, positive=positive,
        recall_target=recall_target, intended_use=intended_use, clinical=not technical,
        modality=_codes(modality), body_part=_codes(body_part), licence=licence,
        recipe=ClassifierRecipe(epochs=epochs, seed=seed, mirror=mirror),
    )  # fmt: skip
    try:
        made = train_classifier(data, out, request, report)
    except ValueError as error:  # a fault of the data or the options, in a sentence
        typer.echo(f"miqa-node: {error}", err=True)
        raise typer.Exit(Exit.USAGE) from error
    if as_json:
        print_json({"package": str(made.package), "report": str(made.report), "metrics": made.metrics})
        return
    _print_labels(made.metrics["test"])
    typer.echo(f"The report is {made.report}.", err=True)
    typer.echo(str(made.package))


def _codes(text: str) -> tuple[str, ...]:
    return tuple(code.strip().upper() for code in text.split(",") if code.strip())


def _print_labels(test: dict[str, Any]) -> None:
    headings = ("Recall", "Precision", "F1", "AUROC", "Images")
    rows = [
        (name, *(f"{row[key]:.3f}" if row[key] is not None else "–" for key in ("recall", "precision", "f1", "auroc")),
         str(row["images"]))
        for name, row in test["by_label"].items()
    ]  # fmt: skip
    print_table(("Label", *(Column(heading, number=True) for heading in headings)), rows)
