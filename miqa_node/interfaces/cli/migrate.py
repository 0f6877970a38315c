"""``miqa-node migrate``: updates the database to what this program and its settings need."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy_form import check_form
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_store
from miqa_node.runtime.work.migration import migrate as migrate_all


def migrate(
    read_patients: Annotated[
        bool,
        typer.Option(
            "--read-patients",
            help="Also read again whose all images are, after a change of `patients` in settings; may be interrupted.",
        ),
    ] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Create or update the database tables; "run" does this too.

    Exit code 2, before anything is done: the policy has the form of earlier versions, by which this one judges nothing.
    """
    settings = settings_of(config, data_dir)
    quiet_logs(settings)
    check_form(settings.policy_file)

    database, _objects = open_store(settings)
    try:
        migrate_all(database)
        database.check()
        typer.echo("The database is up to date.")
        if read_patients:
            _read_patients(settings, database)
    finally:
        database.close()


def _read_patients(settings: Settings, database: Database) -> None:
    from miqa_node.stages.receive.rows import rereading
    from miqa_node.stages.receive.work import rereading_of

    reading, count = rereading_of(settings, database), 0
    while (moved := reading.read_some(datetime.now(UTC))) is not None:
        count += moved
    with database.begin() as transaction:
        state = rereading.recorded_state(transaction)
    remainder = 0 if state is None else state.images_left
    typer.echo(f"images that are another patient's now: {count}")
    if remainder:
        typer.echo(
            f"{remainder} images stay, because their patients are on legal hold by authority: clear these holds, run "
            "this command again, and set holds with the new authority."
        )
        raise typer.Exit(Exit.FAILED)
