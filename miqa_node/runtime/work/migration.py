"""Brings all tables to their newest version: the node's own, and those of the queue's library.

Alembic and the queue's library take longer to load than most commands to run, and mostly there is nothing to do.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import PRIVATE_FILE
from miqa_node.runtime.work import queue_schema

QUEUE_LIBRARY, QUEUE_SCHEMA = "3.4.0", 125
"""A version of the queue's library, and the version to which it brings its tables; another version is asked itself."""


def migrate(database: Database) -> None:
    """Make or change the tables that are missing or old; safe to call at every start."""
    if database.is_sqlite and database.url.database:
        Path(database.url.database).touch(PRIVATE_FILE)  # before SQLite creates it readable for everyone
    database.migrate()
    if version("dbos") != QUEUE_LIBRARY or queue_schema.recorded_version(database) < QUEUE_SCHEMA:
        from miqa_node.runtime.work.queue import migrate_queue  # noqa: PLC0415 - see above

        migrate_queue(database)
