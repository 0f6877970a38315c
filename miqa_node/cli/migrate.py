"""``miqa-node migrate``: brings the database to the version that this program needs."""

from __future__ import annotations

import typer

from miqa_node.cli.options import ConfigFile, DataDir, quiet_logs, settings_of


def migrate(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Make or update the database's tables; "run" does it too, so this is for sites that migrate by hand."""
    settings = settings_of(config, data_dir)
    quiet_logs(settings)
    from miqa_node.node import migrate as migrate_all  # noqa: PLC0415 - keeps --help fast
    from miqa_node.node import open_store  # noqa: PLC0415

    database, _objects = open_store(settings)
    try:
        migrate_all(database)
        database.check()
    finally:
        database.close()
    typer.echo("The database is up to date.")
