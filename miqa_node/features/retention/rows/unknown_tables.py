"""Tables and columns of the database that this program does not know, so that no erasure can empty them.

A table of a feature whose folder was taken out is one, and what a newer version added to the database is.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.queue_schema import queue_tables

VERSIONS = "alembic_version"


def unknown_tables(database: Database, foreign: Collection[str]) -> list[str]:
    """Names of tables, and of columns as ``table.column``; ``foreign`` are those that the site says are not the node's.

    The queue's tables hold digests and names of steps only. PostgreSQL's other schemas are other programs'.
    """
    program = t.all_tables().tables
    ours = program.keys() | queue_tables() | {VERSIONS, *foreign}
    with database.begin() as transaction:
        inspector = sa.inspect(transaction)
        of_views = [] if database.is_sqlite else inspector.get_materialized_view_names()
        tables = sorted({*inspector.get_table_names(), *of_views})
        columns = inspector.get_multi_columns(filter_names=[name for name in tables if name in program])
    more = [
        f"{table}.{column['name']}"
        for (_, table), those in sorted(columns.items())
        for column in those
        if column["name"] not in program[table].c and f"{table}.{column['name']}" not in ours
    ]
    return [name for name in tables if name not in ours] + more
