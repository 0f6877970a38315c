"""``miqa-node models``: which model packages there are, and whether they compute here what they should."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from miqa_node.cli.exits import Exit
from miqa_node.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.cli.output import print_json, print_line, print_table
from miqa_node.errors import MiqaError, NotFoundError

if TYPE_CHECKING:
    from miqa_node.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Model packages: list, check.")


@app.command("list")
def list_(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the model packages; the one marked "active" judges the images."""
    settings = settings_of(config)
    quiet_logs(settings)
    from miqa_node.assess.active import quality_folder  # noqa: PLC0415 - keeps --help fast
    from miqa_node.assess.packages import package_folders  # noqa: PLC0415

    active = quality_folder(settings)
    packages = [_describe(folder, active=folder == active) for folder in package_folders(settings.models_dir)]
    if as_json:
        print_json(packages)
        return
    print_table(
        ("Package", "", "For", "sha256 of the graph", "Intended use"),
        (
            (one["folder"], "active" if one["active"] else "", one.get("applies_to", ""),
             one.get("sha256", "")[:12], one.get("error") or one.get("intended_use", ""))
            for one in packages
        ),
    )  # fmt: skip
    if not packages:
        typer.echo(f"There are no model packages in {settings.models_dir}.", err=True)


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
    from miqa_node.assess.packages import package_folders  # noqa: PLC0415

    folders = {folder.name: folder for folder in package_folders(settings.models_dir)}
    if missing := [name for name in names or () if name not in folders]:
        raise NotFoundError(f"There is no package {', '.join(missing)} in {settings.models_dir}.")
    if not folders:
        raise NotFoundError(f"There are no model packages in {settings.models_dir}.")
    outcomes = [check_one(folders[name], settings) for name in names or folders]
    for outcome in outcomes:
        if as_json:
            print_json(outcome)
        else:
            words = f"{outcome['provider']}, {outcome['ms']:.0f} ms" if outcome["ok"] else outcome["error"]
            print_line("ok  " if outcome["ok"] else "fail", outcome["folder"], words)
    if not all(outcome["ok"] for outcome in outcomes):
        raise typer.Exit(Exit.FAILED)


def check_one(folder: Path, settings: Settings) -> dict[str, Any]:
    """Whether a package may judge images on this machine; "error" says why not."""
    from miqa_node.assess.packages import open_package  # noqa: PLC0415

    started = time.perf_counter()
    try:
        package = open_package(folder, settings.node.accelerator, settings.assess)
    except MiqaError as error:
        return {"folder": folder.name, "ok": False, "error": str(error)}
    return {
        "folder": folder.name,
        "ok": True,
        "provider": package.session.provider,
        "goldens": len(package.card.golden),
        "ms": round((time.perf_counter() - started) * 1e3, 1),
    }


def _describe(folder: Path, *, active: bool) -> dict[str, Any]:
    from miqa_node.assess.card import read_card  # noqa: PLC0415
    from miqa_node.assess.packages import GRAPH_NAME  # noqa: PLC0415

    try:
        card = read_card(folder)
    except MiqaError as error:
        return {"folder": folder.name, "active": active, "error": str(error)}
    scope = card.applicability
    parts = (scope.modality, scope.body_part, scope.view)
    return {
        "folder": folder.name,
        "active": active,
        "name": card.name,
        "version": card.version,
        "sha256": card.files.get(GRAPH_NAME, ""),
        "applies_to": ", ".join("/".join(part) for part in parts if part),
        "intended_use": " ".join(card.intended_use.split()),
    }
