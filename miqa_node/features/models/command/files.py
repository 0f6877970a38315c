"""``miqa-node models card``, ``certificate``, ``seal`` and ``pack``: describe, complete and pack a package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.settings import Settings
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.models.command import predictions
from miqa_node.features.models.command.choice import PackageName, open_named
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import print_json, print_line, print_table, three_digits
from miqa_node.interfaces.cli.site_choice import choice_of, policy_of
from miqa_node.plugins import addition
from miqa_node.stages.assess.active import chosen_package
from miqa_node.stages.assess.bare import pack as write_bare
from miqa_node.stages.assess.card import GRAPH_NAME, gradient_file
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.package_checks import package_label, sha256_of
from miqa_node.stages.assess.package_files import package_of_name, places, read_package_card
from miqa_node.stages.assess.sidecars import read_any_card
from miqa_node.stages.assess.site_calibration import calibration_path, certificate_sentence, in_force


def card(
    name: PackageName,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file instead of printing.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print a package's card as a page for people: use, limits, operating points, figures, training data, licences."""
    settings = settings_of(config)
    quiet_logs(settings)

    any_card = read_any_card(package_of_name(settings.model_folders, name))
    if as_json:
        print_json(any_card.model_dump(mode="json"))
    elif out is None:
        typer.echo(model_card(any_card), nl=False)
    else:
        write_whole(out, model_card(any_card))


def certificate(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME-VERSION]", help="Default is the active package, and all that predict."),
    ] = None,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="End a certificate for predictions; all of them then wait for a person.")
    ] = False,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print what the verdicts of a package are certified for at this site, and with which calibration it runs.

    Beside it, or of a package that predicts: the site's certificate for predictions, which --revoke ends.
    """
    settings = settings_of(config, data_dir)
    quiet_logs(settings)
    if revoke:
        if not name:
            raise typer.BadParameter("name the package whose certificate for predictions ends")
        predictions.revoke(settings, name, actor or login())
    if name and (of_predictions := predictions.certificates(settings, name)) is not None:
        if as_json:
            print_json({"package": of_predictions[0]["package"], "predictions": of_predictions})
        else:
            predictions.print_certificates(of_predictions)
        return
    shown = _certificate(settings, package_of_name(settings.model_folders, name) if name else _active(settings))
    of_predictions = [] if name else predictions.certificates(settings) or []
    if as_json:
        print_json({**shown, "predictions": of_predictions})
        return
    _print_certificate(shown)
    predictions.print_certificates(of_predictions)


def _print_certificate(shown: dict[str, Any]) -> None:
    print_line(shown["package"], shown["certificate"])
    for refusal in shown["refused"]:
        more = (
            f" About {refusal['labels_needed']} more labelled patients are needed." if refusal["labels_needed"] else ""
        )
        print_line("not certified:", f"{refusal['promise']} at {100 * refusal['limit']:g} %.", refusal["reason"] + more)
    if shown["heads"]:
        print_table(
            ("Class", "Temperature", "Bias", "Threshold", "ECE before", "ECE after"),
            (
                (head, f"{v['temperature']:.3g}", f"{v['bias']:.3g}", f"{v['threshold']:.3f}",
                 three_digits(v["ece_before"]), three_digits(v["ece_after"]))
                for head, v in shown["heads"].items()
            ),
        )  # fmt: skip


def seal(
    names: Annotated[list[str], typer.Argument(metavar="NAME-VERSION...", help="As `models list` shows them.")],
    config: ConfigFile = None,
) -> None:
    """Add gradient graphs to package folders, so that nodes make maps without deriving them from the model at work.

    Name, version and checksum of the model stay, and with them reports and calibrations. It needs the extra `seal`.
    """
    settings = settings_of(config)
    quiet_logs(settings)
    try:
        from miqa_node.stages.explain.sealing import add_gradients  # it needs the extra [seal]
    except ImportError as error:
        typer.echo(f"miqa-node: this command needs onnx ({error}): {addition('seal')}.", err=True)
        raise typer.Exit(Exit.UNAVAILABLE) from error

    for path in [package_of_name(settings.model_folders, name) for name in names]:
        reasons = add_gradients(path)
        for graph, reason in reasons.items():
            print_line(path.name, f"{graph}: {reason}" if reason else gradient_file(graph))
        if not reasons:
            print_line(path.name, "makes no maps from gradients: nothing was added")


def pack(
    name: PackageName,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it: NAME-VERSION.onnx.")],
    config: ConfigFile = None,
) -> None:
    """Write a package folder as one .onnx with its card and goldens inside, to drop into another node's models."""
    settings = settings_of(config)
    quiet_logs(settings)

    package = open_named(settings, name)
    if package.folder.is_file():
        raise ConflictError(f"{name} is already a single file: {package.folder}.")
    if out.name != f"{name}.onnx":
        raise typer.BadParameter(f"call it {name}.onnx: a package is found by its name")
    write_bare(package.folder, package.card, GRAPH_NAME, out)


def _certificate(settings: Settings, path: Path) -> dict[str, Any]:
    card = read_package_card(path)
    sha256 = sha256_of(path if path.is_file() else path / "model.onnx")
    site_calibration = in_force(
        calibration_path(settings.node.data_dir, package_label(path)), card, sha256, settings.node.site
    )
    policy = policy_of(settings)
    calibration = site_calibration.calibration.model_dump(mode="json") if site_calibration.calibration else None
    return {
        "package": package_label(path),
        "certificate": certificate_sentence(card, site_calibration, policy, settings.node.site),
        "refused": calibration["certificate"]["refused"] if calibration else [],
        "heads": calibration["heads"] if calibration else {},
        "calibration": calibration,
    }


def _active(settings: Settings) -> Path:
    path = chosen_package(settings, choice_of(settings))
    if path is None:
        raise NotFoundError(f"No package is active; {places(settings.model_folders)} holds no quality package.")
    return path
