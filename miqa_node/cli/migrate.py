"""``miqa-node migrate``: updates the database to the version that this program needs."""

from __future__ import annotations

import typer

from miqa_node.cli.options import ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.site import migrate as migrate_all
from miqa_node.site import open_store


def migrate(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Create or update the database tables; "run" does this too."""
    settings = settings_of(config, data_dir)
    quiet_logs(settings)

    database, _objects = open_store(settings)
    try:
        migrate_all(database)
        database.check()
    finally:
        database.close()
    typer.echo("The database is up to date.")
