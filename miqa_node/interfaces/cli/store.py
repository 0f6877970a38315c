"""Opens the existing database of the node; it never creates one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from miqa_node.core.settings import Settings
from miqa_node.errors import SettingsError
from miqa_node.interfaces.cli.options import quiet_logs, settings_of
from miqa_node.runtime.store.database import Database, Transaction


def check_exists(settings: Settings) -> None:
    """Raise SettingsError if the SQLite file of the settings does not exist."""
    file = settings.node.data_dir / "miqa.sqlite"
    if not settings.store.database_url and not file.is_file():
        raise SettingsError(
            f"There is no database in {settings.node.data_dir}. Give the node's folder with --data-dir "
            "or its settings with --config; miqa-node run makes a new one."
        )


def settings_of_node(config: Path | None, data_dir: Path | None) -> Settings:
    """The settings of a node that has a database, for a command that prints its result at once."""
    settings = settings_of(config, data_dir)
    quiet_logs(settings)
    check_exists(settings)
    return settings


@contextmanager
def opened(config: Path | None, data_dir: Path | None) -> Iterator[Database]:
    """The database, closed at the end of the block."""
    database = Database(settings_of_node(config, data_dir).database_url, pool_size=1)
    try:
        database.check()
        yield database
    finally:
        database.close()


@contextmanager
def open_transaction(config: Path | None, data_dir: Path | None) -> Iterator[Transaction]:
    """One transaction on the node's database."""
    with opened(config, data_dir) as database, database.begin() as transaction:
        yield transaction


transaction = open_transaction  # the name by which plug-ins of miqa_api 1 import it
