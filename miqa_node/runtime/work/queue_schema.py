"""The version of the queue's own tables, which only its library changes (:mod:`miqa_node.runtime.work.migration`)."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.database import Database

POSTGRESQL_SCHEMA = "dbos"
_TABLE = "dbos_migrations"


def recorded_version(database: Database) -> int:
    """The version of the tables; 0 if there are none."""
    schema = None if database.is_sqlite else POSTGRESQL_SCHEMA
    table = sa.table(_TABLE, sa.column("version"), schema=schema)
    with database.begin() as transaction:
        if not sa.inspect(transaction).has_table(_TABLE, schema):
            return 0
        return int(transaction.execute(sa.select(sa.func.max(table.c.version))).scalar_one() or 0)


def queue_tables() -> frozenset[str]:
    """The names of the queue's own tables; in PostgreSQL they have a schema of their own."""
    from dbos._schemas.system_database import SystemSchema  # noqa: PLC0415 - only erasures ask, and it takes a second

    return frozenset(table.name for table in SystemSchema.metadata_obj.tables.values()) | {_TABLE}
