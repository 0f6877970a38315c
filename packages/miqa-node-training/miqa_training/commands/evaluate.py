"""``miqa-node evaluate``: every figure of a model package on one page, and the Pointing Game; needs no torch."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.core.domain.finding import FindingName
from miqa_node.interfaces.cli.exits import reason_of
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_table
from miqa_node.stages.assess.card import Task, read_sections
from miqa_node.stages.assess.enhance.enhancer import Enhancer
from miqa_node.stages.assess.enhance.methods import METHODS as ENHANCEMENTS
from miqa_training.commands.extras import require
from miqa_training.map_scores import METHODS

_NEEDED_TO_REPORT = ("matplotlib",)


def report(
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", exists=True, help="Folder or bare file of a model package.")
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            metavar="PATH",
            exists=True,
            help="The project's data folder; or your own images, as folders class/image or a CSV file of labels.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Folder for report.html and figures.json.")
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="PACKAGE", exists=True, help="Also judge the same images with this package; repeatable."),
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Simulate defects on your own good images instead of using labels.")
    ] = False,
    draws: Annotated[int, typer.Option(metavar="N", min=1, help="Simulations per image and finding.")] = 2,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed simulates the same defects.")] = 7,
    gallery: Annotated[int, typer.Option(metavar="N", min=0, help="Worst errors shown per finding and kind.")] = 2,
    saliency_images: Annotated[
        int, typer.Option(metavar="N", min=0, help="Maximum number of images for the Pointing Game; 0 skips it.")
    ] = 1000,
    occlusion: Annotated[
        bool, typer.Option("--occlusion", help="Also run it with occlusion, which takes seconds per image.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Write one page with every figure of a package: curves, severity, calibration, errors, saliency, comparison.

    The page holds images of the data; nothing on it is fetched from elsewhere.
    """
    require(_NEEDED_TO_REPORT)
    quiet_logs(settings_of(config))
    from miqa_training.report.evaluation import EvaluationOptions, evaluate_package

    folder = out or Path(f"evaluation-{package.resolve().name}")
    wishes = EvaluationOptions(
        draws=draws, seed=seed, simulate=simulate, against=tuple(against or ()), gallery=gallery,
        methods=tuple(m for m in METHODS if occlusion or m != "occlusion"), saliency_images=saliency_images,
    )  # fmt: skip
    figures = evaluate_package(package, data, folder, wishes)
    if as_json:
        print_json(figures)
        return
    rows = (
        (name, f"{row['auroc']:.3f}", " – ".join(f"{v:.3f}" for v in row["auroc_interval"]),
         f"{row['recall_at_95_specificity']:.2f}")
        for name, row in figures["findings"].items()
    )  # fmt: skip
    numbers = (Column(heading, number=True) for heading in ("AUROC", "95 % interval", "Recall at 95 % specificity"))
    print_table(("Finding", *numbers), rows)
    typer.echo(f"The report is {folder / 'report.html'}.", err=True)


class ImageSet(StrEnum):
    """Annotated images to play the Pointing Game on."""

    REAL_OBJECTS = "real-objects"
    HELD_OUT_OBJECTS = "held-out-objects"
    PATHOLOGIES = "pathologies"
    OBJECT_CXR = "object-cxr"


def pointing_game(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="Folder of the data set.")
    ],
    package: Annotated[
        Path, typer.Option(metavar="PACKAGE", exists=True, file_okay=False, help="Folder of a model package.")
    ],
    dataset: Annotated[
        ImageSet,
        typer.Option(
            metavar="NAME",
            help="real-objects (to judge by), held-out-objects (to choose a method by) or pathologies of the project's "
            "folder, or object-cxr as it was published.",
        ),
    ] = ImageSet.REAL_OBJECTS,
    part: Annotated[str, typer.Option(metavar="NAME", help="Part of Object-CXR: <part>.csv and <part>/.")] = "dev",
    finding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Class whose maps are tested; both (the default for boxes of objects and devices) is the likelier of "
            "foreign_object and device_in_view, foreign_object the default of other data.",
        ),
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this saliency method; repeatable.")
    ] = None,
    curves: Annotated[int, typer.Option(metavar="N", min=0, help="Number of images for insertion and deletion.")] = 0,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Count how often a saliency map's peak lies on the annotated object, for every method and two baselines.

    A peak counts within 15 px of the outline at 600 px (a fortieth of the image's side), and without tolerance.
    NormGrad stands first. Images whose outlines are all small (at most .16 of the side), and sources, are also
    counted alone.
    """
    quiet_logs(settings_of(config))
    from miqa_training import outlines
    from miqa_training.pointing import BOTH, evaluate_pointing

    if unknown := [name for name in method or () if name not in METHODS]:
        raise typer.BadParameter(f"unknown method {unknown[0]}; known: {', '.join(METHODS)}")
    read = {
        ImageSet.REAL_OBJECTS: lambda: outlines.real_objects(folder),
        ImageSet.HELD_OUT_OBJECTS: lambda: outlines.real_objects(folder, choosing=True),
        ImageSet.PATHOLOGIES: lambda: outlines.pathologies(folder),
        ImageSet.OBJECT_CXR: lambda: outlines.object_cxr(folder, part),
    }
    has_devices = dataset in {ImageSet.REAL_OBJECTS, ImageSet.HELD_OUT_OBJECTS}
    tested = finding or (BOTH if has_devices else FindingName.FOREIGN_OBJECT)
    try:
        if read_sections(package).get("task") == Task.OBJECTS:
            require(("onnx",))
            from miqa_training.objects.pointing import OBJECT_METHODS, evaluate_object_pointing

            if curves:
                raise typer.BadParameter("--curves is not made for object packages.")
            figures = evaluate_object_pointing(
                package, read[dataset](), finding=tested, methods=method or OBJECT_METHODS
            )
        else:
            figures = evaluate_pointing(
                package, read[dataset](), finding=tested, methods=method or METHODS, curves=curves
            )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    except FileNotFoundError as error:
        raise typer.BadParameter(reason_of(error)) from error
    if as_json:
        print_json(figures)
        return
    rows = (
        (name, f"{row['pointing_game']:.3f}", " – ".join(f"{v:.3f}" for v in row["pointing_game_interval"]),
         f"{row['pointing_game_no_tolerance']:.3f}")
        for name, row in figures["methods"].items()
    )  # fmt: skip
    numbers = (Column(heading, number=True) for heading in ("Pointing Game", "95 % interval", "Without tolerance"))
    print_table(("Method", *numbers), rows)
    print_table(*parts_table(figures))


def parts_table(figures: dict[str, Any]) -> tuple[list[str | Column], list[tuple[str, ...]]]:
    """Headings and rows of the parts: each as hits with tolerance / without, of compact boxes and of each source."""

    def text(hits: dict[str, Any]) -> str:
        values = hits["pointing_game"], hits["pointing_game_no_tolerance"]
        return " / ".join("–" if value is None else f"{value:.3f}" for value in values)

    sources = figures["sources"]
    headings = [f"Compact ({figures['compact_images']})", *(f"{name} ({count})" for name, count in sources.items())]
    rows = [
        (name, text(row["compact"]), *(text(row["sources"][one]) for one in sources),
         *([text(row["macro"])] if sources else []))
        for name, row in figures["methods"].items()
    ]  # fmt: skip
    numbers = [Column(heading, number=True) for heading in (*headings, *(["Mean of sources"] if sources else []))]
    return ["With / without tolerance", *numbers], rows


def enhancement(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", exists=True, file_okay=False, help="The project's data folder.")
    ],
    method: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this enhancement method; repeatable.")
    ] = None,
    images: Annotated[int, typer.Option(metavar="N", min=1, help="Maximum number of patients.")] = 81,
    package: Annotated[
        Path | None,
        typer.Option(
            metavar="PACKAGE",
            exists=True,
            file_okay=False,
            help="Quality package that judges the images before and after.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write the figures as JSON.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed simulates the same noise.")] = 7,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Measure enhancement methods: fidelity at lower doses, edges, lesions, phantoms, and the node's own findings."""
    settings = settings_of(config)
    quiet_logs(settings)
    from miqa_training.enhancement.evaluate import evaluate_methods, write_figures
    from miqa_training.report.subject import EvaluationSubject

    if unknown := [name for name in method or () if name not in ENHANCEMENTS]:
        raise typer.BadParameter(f"unknown method {unknown[0]}; known: {', '.join(ENHANCEMENTS)}")
    enhancer = Enhancer(settings)
    functions = {name: (ENHANCEMENTS[name].purpose, enhancer.function(name)) for name in method or ENHANCEMENTS}
    subject = EvaluationSubject(package) if package is not None else None
    figures = evaluate_methods(functions, data, subject=subject, images=images, seed=seed)
    if out is not None:
        write_figures(figures, out)
    if as_json:
        print_json(figures)
        return
    rows = (
        (name, dose, f"{row['gain_db']:+.2f}", f"{row['ssim']:.3f}", f"{row['slope_kept']:.3f}",
         f"{row['edge_ratio']:.3f}")
        for name, doses in figures["fidelity"]["detector_pitch"].items() if name not in {"untouched", "hospitals"}
        for dose, row in doses.items()
    )  # fmt: skip
    headings = ("PSNR gain in dB", "SSIM", "Edge slope kept", "Edge width of the original's")
    print_table(("Method", "Dose", *(Column(heading, number=True) for heading in headings)), rows)
