"""``miqa-node models activate``, ``rollback``, ``shadow``, ``history``: chooses the packages of running processes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer

from miqa_node.core.domain.model_choice import Slot
from miqa_node.core.settings import Settings
from miqa_node.errors import ConflictError, SettingsError
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir
from miqa_node.interfaces.cli.output import moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction, settings_of_node
from miqa_node.runtime.site_records import activations
from miqa_node.stages.assess.active import chosen_package
from miqa_node.stages.assess.package_checks import package_label
from miqa_node.stages.assess.package_files import package_of_name
from miqa_node.stages.assess.packages import Package, open_package
from miqa_node.stages.assess.site_calibration import calibration_path, in_force

T = TypeVar("T")
Comment = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in the history.")]
PackageName = Annotated[str, typer.Argument(metavar="NAME-VERSION", help="As `models list` shows it.")]


def activate(
    name: PackageName,
    comment: Comment = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Activate a package from now on; running processes follow without a restart.

    The package is checked first, goldens on this machine's provider included. Images in progress are
    finished with the previous package; no image is assessed twice.
    """
    settings = settings_of_node(config, data_dir)
    if settings.assess.quality_package:
        raise SettingsError(
            f"assess.quality_package = {settings.assess.quality_package!r} in the settings decides which package is "
            "active. Take it out to choose with this command."
        )
    package = open_named(settings, name)

    with open_transaction(config, data_dir) as transaction:
        changed = activations.choose(
            transaction, Slot.ACTIVE, package.name, actor or login(), comment, datetime.now(UTC)
        )
    _tell(Slot.ACTIVE, package.name, changed, settings, as_json=as_json)
    _warn_of_calibration(package, settings)


def rollback(
    shadow: Annotated[bool, typer.Option("--shadow", help="Of the shadow package instead of the active one.")] = False,
    comment: Comment = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Return to the previously active package."""
    settings = settings_of_node(config, data_dir)
    slot = Slot.SHADOW if shadow else Slot.ACTIVE

    with open_transaction(config, data_dir) as transaction:
        name = activations.roll_back(transaction, slot, actor or login(), comment, datetime.now(UTC))
        if name:
            # Within the transaction: a package that is gone or broken here leaves the choice as it is.
            open_named(settings, name, candidate=shadow)
    _tell(slot, name, True, settings, as_json=as_json)


def shadow(
    name: Annotated[str | None, typer.Argument(metavar="[NAME-VERSION]", help="As `models list` shows it.")] = None,
    off: Annotated[bool, typer.Option("--off", help="End the shadow mode.")] = False,
    comment: Comment = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Run a candidate silently beside the active package; `models compare` shows the differences."""
    if (name is None) is not off:
        raise typer.BadParameter("name one package, or give --off")
    settings = settings_of_node(config, data_dir)
    chosen = open_named(settings, name, candidate=True).name if name else ""

    with open_transaction(config, data_dir) as transaction:
        active = chosen_package(settings, activations.current(transaction)) if chosen else None
        if active is not None and chosen == package_label(active):
            raise ConflictError(f"{chosen} is the active package; choose another one as shadow.")
        changed = activations.choose(transaction, Slot.SHADOW, chosen, actor or login(), comment, datetime.now(UTC))
    _tell(Slot.SHADOW, chosen, changed, settings, as_json=as_json)


def history(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List every activation and rollback."""
    with open_transaction(config, data_dir) as transaction:
        events = [event for slot in Slot for event in activations.history(transaction, slot)]
    events.sort(key=lambda event: event.at)
    if as_json:
        print_json([to_json(event) for event in events])
        return
    print_table(
        ("When", "Slot", "What", "Package", "Who", "Comment"),
        ((moment(e.at), e.slot.value, e.action, e.package or "–", e.actor, e.comment) for e in events),
    )


def open_named(settings: Settings, name: str, *, candidate: bool = False) -> Package:
    """The package of a name, checked; a candidate needs no goldens."""
    path = package_of_name(settings.model_folders, name)
    return open_package(path, settings.node.accelerator, settings.assess, goldens_required=not candidate)


def _tell(slot: Slot, name: str, changed: bool, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        print_json({"slot": slot.value, "package": name, "changed": changed})
        return
    default = "as the settings say" if slot is Slot.ACTIVE else "none"
    print_line(slot.value, name or default, "" if changed else "(it was already)")
    if changed:
        typer.echo(f"Running processes follow within {settings.assess.follow_interval_s:g} s.", err=True)


def _warn_of_calibration(package: Package, settings: Settings) -> None:
    path = calibration_path(settings.node.data_dir, package.name)
    calibration = in_force(path, package.card, package.identity.sha256, settings.node.site)
    if calibration.refused:
        typer.echo(f"The site's calibration is not used: {calibration.refused}.", err=True)
    elif calibration.calibration is None:
        typer.echo("This package is not calibrated for this site; see miqa-node calibrate.", err=True)
