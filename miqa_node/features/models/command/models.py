"""``miqa-node models``: lists model packages and checks that they compute correctly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError, NotFoundError
from miqa_node.features.models.command import baseline, certify, compare
from miqa_node.features.models.command import choice as model_choice
from miqa_node.features.models.command import files as model_files
from miqa_node.features.models.command import signatures as model_signatures
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_table
from miqa_node.interfaces.cli.site_choice import choice_of
from miqa_node.stages.assess.active import chosen_package
from miqa_node.stages.assess.package_checks import checksum, package_label
from miqa_node.stages.assess.package_files import find_package, hidden_in_words, package_folders, places
from miqa_node.stages.assess.package_use import check_package
from miqa_node.stages.assess.sidecars import read_any_card, switched_on
from miqa_node.stages.assess.targets import MISSED

app = typer.Typer(
    no_args_is_help=True,
    help="Models: list, check, activate, rollback, history, shadow, compare, baseline, certify, card, certificate, "
    "seal, pack, sign, verify.",
)
app.command()(model_choice.activate)
app.command()(model_choice.rollback)
app.command()(model_choice.shadow)
app.command()(model_choice.history)
app.command()(compare.compare)
app.command()(baseline.baseline)
app.command()(certify.certify)
app.command()(model_files.card)
app.command()(model_files.certificate)
app.command()(model_files.seal)
app.command()(model_files.pack)
app.command()(model_signatures.sign)
app.command()(model_signatures.verify)


@app.command("list")
def list_(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the model packages; the one marked "active" judges the images, "shadow" judges silently beside it.

    "on" marks a package for another task that the policy switches on beside the active one.
    """
    settings = settings_of(config, data_dir)
    quiet_logs(settings)

    choice = choice_of(settings)
    gone = list(_gone(settings, choice))
    active = None if any(one["active"] for one in gone) else chosen_package(settings, choice)
    shadow = find_package(settings.model_folders, choice.shadow) if choice.shadow else None
    packages = [
        {**_describe(path, settings), "active": path == active, "shadow": path == shadow}
        for path in package_folders(settings.model_folders)
    ] + gone
    if as_json:
        print_json(packages)
        return
    print_table(
        (Column("Package", whole=True), Column("", whole=True), Column("Task", whole=True), Column("For", cut=True),
         Column("sha256", whole=True), Column("Intended use", cut=True)),
        (
            (one["folder"], "active" if one["active"] else "shadow" if one["shadow"] else "on" if one.get("switched_on")
             else "", one.get("task", ""), one.get("applies_to", "").replace("/,", ",").strip("/"),
             one.get("sha256", "")[:12], one.get("error") or one.get("intended_use", ""))
            for one in packages
        ),
    )  # fmt: skip
    for sentence in hidden_in_words(settings.model_folders):
        typer.echo(sentence, err=True)
    if not packages:
        typer.echo(f"There are no model packages in {places(settings.model_folders)}.", err=True)


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[PACKAGE]...", help="Folder names; default is every package.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check packages: files against their checksums, card against graph, golden images on this machine's provider."""
    settings = settings_of(config)
    quiet_logs(settings)

    paths = {package_label(path): path for path in package_folders(settings.model_folders)}
    if missing := [name for name in names or () if name not in paths]:
        raise NotFoundError(f"There is no package {', '.join(missing)} in {places(settings.model_folders)}.")
    if not paths:
        raise NotFoundError(f"There are no model packages in {places(settings.model_folders)}.")
    outcomes = [check_package(paths[name], settings) for name in names or paths]
    if as_json:
        for outcome in outcomes:
            print_json(outcome)
    else:
        _print_checks(outcomes)
    if not all(outcome["ok"] for outcome in outcomes):
        raise typer.Exit(Exit.FAILED)


def _print_checks(outcomes: list[dict[str, Any]]) -> None:
    rows = []
    for outcome in outcomes:
        if not outcome["ok"]:
            rows.append(("fail", outcome["folder"], "", "", "", "", outcome["error"]))
            continue
        largest = outcome["largest_difference"]
        rows.append((
            "ok",
            outcome["folder"],
            outcome["provider"],
            str(outcome["goldens"]),
            "" if largest is None else f"{largest:.1e}",
            f"{outcome['ms']:.0f} ms",
            _may(outcome),
        ))  # fmt: skip
    print_table(
        ("", "Package", "Provider", Column("Goldens", number=True), Column("Largest difference", number=True),
         Column("Time", number=True), ""),
        rows,
    )  # fmt: skip
    sides = [(one["folder"], *row) for one in outcomes if one["ok"] for row in (one["two_sides"] or {}).items()]
    numbers = (Column(text, number=True) for text in ("Found", "Severity .75", "Flagged wrongly"))
    if sides:
        print_table(
            ("Package", "Finding", *numbers, ""),
            (
                (folder, name, *(_share(one[key]) for key in ("found", "found_severe", "clean_flagged")),
                 "weak" if one["weak"] else "")
                for folder, name, one in sides
            ),
            title="Of marked defects, and of clean images, by the card",
        )  # fmt: skip
    _print_object_sides(outcomes)
    _print_missed(outcomes)


def _print_missed(outcomes: list[dict[str, Any]]) -> None:
    """What packages had to reach and do not."""
    rows = [
        (outcome["folder"], one["figure"], f"{one['must']:g}", _share(one["reached"][0]["value"]))
        for outcome in outcomes if outcome["ok"] for one in outcome["targets"] or () if one["verdict"] == MISSED
    ]  # fmt: skip
    if rows:
        numbers = (Column(text, number=True) for text in ("Asked for", "Reached"))
        print_table(("Package", "Figure", *numbers), rows, title="Missed, by the card")


def _print_object_sides(outcomes: list[dict[str, Any]]) -> None:
    """Both sides of the operating points of object packages."""
    rows = [
        (outcome["folder"], one["images"].replace("_", " "), one["source"],
         *(f"{_share(one[share])} of {one[count]}" if one[count] else "" for count, share in (
             ("removable", "found"), ("devices_only", "called_with_devices_only"), ("nothing", "called_with_nothing"),
         )))
        for outcome in outcomes if outcome["ok"] for one in outcome["operating_point"] or ()
    ]  # fmt: skip
    if rows:
        shares = ("Removable found", "Called with devices only", "Called with nothing")
        print_table(
            ("Package", "Images", "Source", *(Column(text, number=True) for text in shares)), rows,
            title="Objects that can be taken off, by the card",
        )  # fmt: skip


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _may(outcome: dict[str, Any]) -> str:
    if outcome["task"] == "enhancement":
        return 'enhancement: assess.enhance_method = "learned"'
    if outcome["task"] in {"landmarks", "objects"}:
        runs = (
            "runs wherever it applies"
            if outcome["runs"]
            else f'off: assess.{outcome["task"]}_package = "{outcome["folder"]}"'
        )
        return f"{outcome['task']}: {runs}"
    if outcome["task"] != "quality":
        return f"{outcome['task']}: switched on in policy.toml"
    return "" if outcome["may_be_active"] else "no goldens: only as shadow"


def _gone(settings: Settings, choice: ModelChoice) -> Iterator[dict[str, Any]]:
    """What is chosen, by a person or by the settings, and is not in the folder of packages any more."""
    active = settings.assess.quality_package or choice.active
    for slot, name in (("active", active), ("shadow", choice.shadow)):
        if name and find_package(settings.model_folders, name) is None:
            error = f"It is chosen, and it is not in {places(settings.model_folders)}."
            yield {"folder": name, "error": error, "active": slot == "active", "shadow": slot == "shadow"}


def _describe(path: Path, settings: Settings) -> dict[str, Any]:
    label = package_label(path)
    try:
        card = read_any_card(path)
    except MiqaError as error:
        return {"folder": label, "error": str(error)}
    scope = card.applicability
    parts = (scope.modality, scope.body_part, scope.view)
    return {
        "folder": label,
        "name": card.name,
        "version": card.version,
        "bare": path.is_file(),
        "task": card.task.value,
        "switched_on": card.task.value != "quality" and switched_on(path, settings),
        "sha256": checksum(path, card.graphs),
        "applies_to": ", ".join("/".join(part) for part in parts if part),
        "intended_use": " ".join(card.intended_use.split()),
    }
