"""``miqa-node phantoms``: series of test objects, listed and corrected, and the log of their values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from miqa_node.features.phantoms import rows as phantoms
from miqa_node.features.phantoms.command import log
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir
from miqa_node.interfaces.cli.output import Column, moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction, opened

app = typer.Typer(
    no_args_is_help=True,
    help="Series of phantoms, and their log: change, kind, limits, list, log, patient, phantom, sign, values.",
)
for one in (log.log, log.values, log.kind, log.sign, log.limits, log.change):
    app.command()(one)

SeriesUid = Annotated[str, typer.Argument(metavar="SERIES_UID", help="Series Instance UID.")]
StudyUid = Annotated[str, typer.Option("--study", metavar="UID", help="In this study only; else in each with the UID.")]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why; kept with the series.")]


@app.command("list")
def list_(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="Maximum number.")] = 100,
    offset: Annotated[int, typer.Option(metavar="N", min=0, help="Number of newest entries to skip.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List CT and MR series that were taken for those of a phantom, newest first."""
    with open_transaction(config, data_dir) as transaction:
        listed = phantoms.page(transaction, limit=limit, offset=offset)
        total = phantoms.count(transaction)
    if as_json:
        print_json({"items": [to_json(one) for one in listed], "total": total, "limit": limit, "offset": offset})
        return
    print_table(
        (Column("Recognised"), "Modality", "Station", "Series", "Shows", "Said by", "Why"),
        (
            (
                moment(one.recognised_at),
                one.modality,
                one.station,
                one.series_instance_uid,
                "phantom" if one.is_phantom else "patient",
                one.decided_by,
                one.reason,
            )
            for one in listed
        ),
    )
    if total > len(listed):
        typer.echo(f"{len(listed)} of {total}", err=True)


@app.command()
def patient(
    series_uid: SeriesUid,
    comment: Comment = "",
    study: StudyUid = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say that a series shows a patient: it gets its verdict and, if flagged, its place on the worklist."""
    _say(series_uid, study, comment, actor, config, data_dir, is_phantom=False, as_json=as_json)


@app.command()
def phantom(
    series_uid: SeriesUid,
    comment: Comment = "",
    study: StudyUid = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say that a series shows a test object: it leaves the worklist."""
    _say(series_uid, study, comment, actor, config, data_dir, is_phantom=True, as_json=as_json)


def _say(
    series_uid: str,
    study_uid: str,
    comment: str,
    actor: str | None,
    config: ConfigFile,
    data_dir: DataDir,
    *,
    is_phantom: bool,
    as_json: bool,
) -> None:
    from miqa_node.features.phantoms.statement import say  # to list needs nothing so heavy
    from miqa_node.runtime.work.queue import DurableQueue

    now = datetime.now(UTC)
    with opened(config, data_dir) as database:
        queue = DurableQueue(database, lambda: "")
        with database.begin() as transaction:
            listed = say(
                transaction, queue, series_uid, actor or login(), comment, now,
                is_phantom=is_phantom, study_instance_uid=study_uid,
            )  # fmt: skip
    if as_json:
        print_json(to_json(listed))
    else:
        print_line("phantom" if is_phantom else "patient", series_uid)
