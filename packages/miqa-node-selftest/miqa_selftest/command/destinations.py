"""``miqa-node destinations``: what a destination does with each kind of object, tried with a test patient."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.core.settings import Settings
from miqa_node.errors import InputError, NotFoundError
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_line, print_table
from miqa_node.stages.deliver.destinations import parse_destinations, parse_flag
from miqa_node.stages.deliver.kinds.base import DestinationConfig, ObjectsConfig
from miqa_selftest.record import write_sheet
from miqa_selftest.trial import run_trial
from miqa_selftest.trial_record import document
from miqa_selftest.trial_study import TrialStudy, make_study


def try_destination(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the destinations file, or of --destination.")],
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    only_own: Annotated[
        bool, typer.Option("--only-objects", help="Only what the destination's objects name, and no test images.")
    ] = False,
    commit: Annotated[
        bool, typer.Option("--commitment", help="Ask for storage commitment even where it is not set.")
    ] = False,
    limit_s: Annotated[
        float, typer.Option("--limit", metavar="S", min=0, help="Maximum wait for searches, and for a report.")
    ] = 60.0,
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for the page to sign.")] = Path(
        "destinations"
    ),
    destination: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=WHERE",
            help="A destination besides those of the file: AET@HOST:PORT, an http(s) address or a folder; repeatable.",
        ),
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Send one object of each kind, of a test patient, to a destination, and ask back what it keeps of them.

    Asks before it sends. ID and name of the patient begin with TEST; the record names what to delete afterwards.
    Exit code 8: stored, but coerced; 1: something was refused, not found or not committed.
    """
    settings = settings_of(config, data_dir)
    quiet_logs(settings)
    chosen = _destination(name, destination or (), settings)
    study = make_study(settings).only(chosen.takes) if only_own else make_study(settings)
    _ask(chosen, study, yes=yes)
    out.mkdir(parents=True, exist_ok=True)  # a record that cannot be written is worse after the study is there
    trial = run_trial(chosen, study, settings, limit_s, commit=commit)
    content = document(trial, settings)
    page, data = write_sheet(content, "trial.html", out, name)
    if as_json:
        print_json(content)
    else:
        _print(content)
        print_line(f"The page to sign is {page}; {data} is for programs.")
    if trial.exit is not Exit.OK:
        raise typer.Exit(trial.exit)


def _destination(name: str, flags: Sequence[str], settings: Settings) -> ObjectsConfig:
    file = settings.destinations_file
    described: dict[str, DestinationConfig] = {
        one.name: one for one in (parse_destinations(file) if file.exists() else ())
    }
    described |= {one.name: one for one in map(parse_flag, flags)}
    if name not in described:
        raise NotFoundError(
            f"There is no destination {name}; {file} has {', '.join(sorted(described)) or 'none'}. Give those of run"
            " --destination here, too."
        )
    chosen = described[name]
    if not isinstance(chosen, ObjectsConfig):
        raise InputError(f"{name} takes events, no objects (kind {chosen.kind}); miqa-node doctor asks it.")
    return chosen


def _ask(config: ObjectsConfig, study: TrialStudy, *, yes: bool) -> None:
    header = study.header
    if not study.objects:
        raise InputError(f"The objects of {config.name} name nothing that a trial sends.")
    what = f"{len(study.objects)} objects of the test patient {header.PatientName} ({header.PatientID})"
    where = f"{config.name}, {config.address}"
    if yes:
        typer.echo(f"Sending {what} to {where}.", err=True)
    elif not sys.stdin.isatty():
        raise InputError(f"Nothing was sent: there is no terminal to ask on. --yes sends {what} to {where}.")
    elif not typer.confirm(f"Send {what} to {where}? It keeps them until somebody deletes them there.", err=True):
        raise InputError("Nothing was sent.")


def _print(content: Mapping[str, Any]) -> None:
    print_table(
        (Column("object", whole=True), "to get", "stored", "found", "committed", "remarks"),
        map(_row, content["objects"]),
    )
    for change in _changed(content):
        print_line("Coerced:", change)
    for note in (*content["notes"], *(f"{kind} was not sent. {why}" for kind, why in content["left_out"].items())):
        print_line(note)
    print_line(content["summary"])
    if content["to_delete"]:
        print_line(f"To delete there: patient {content['patient_id']}, study {content['study_instance_uid']}.")


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    remarks = " ".join([*map(_brief, one["remarks"]), *_changed(one)])
    return one["kind"], "yes" if one["in_objects"] else "–", one["stored"], one["found"], one["committed"], remarks


def _brief(remark: str) -> str:
    """The first sentence; the page has the others."""
    return remark.partition(". ")[0].rstrip(".") + "."


def _changed(content: Mapping[str, Any]) -> list[str]:
    return [
        f"{one['keyword']}: sent {one['sent'] or 'nothing'}, came back {one['now'] or 'with another value'}."
        for one in content["changes"]
    ]
