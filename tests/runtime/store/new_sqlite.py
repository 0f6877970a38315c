"""Writes the statements that make a new SQLite database, from one that all migrations have made.

    python -m tests.runtime.store.new_sqlite

Run it after a new migration.
"""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store import schema

HEAD = "-- Made by python -m tests.runtime.store.new_sqlite: all migrations in one. Do not edit."


def statements() -> str:
    """Tables, indexes, views, triggers and first rows."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        schema.run_migrations(connection)
        made = connection.exec_driver_sql(
            # Tables that were changed get their indexes back in any order.
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
            "ORDER BY type = 'trigger', type = 'view', type = 'index', CASE type WHEN 'index' THEN name END, rowid"
        ).scalars()
        parts = [f"{_in_order(sql)};" for sql in made]
        for table in sa.inspect(connection).get_table_names():
            rows = connection.exec_driver_sql(f'SELECT * FROM "{table}"').all()
            parts += [f"INSERT INTO {table} VALUES ({', '.join(map(_literal, row))});" for row in rows]
    engine.dispose()
    return "\n".join([HEAD, *parts]) + "\n"


def _in_order(sql: str) -> str:
    """The statement with its constraints in order of their names; tables that were changed have them in any."""
    lines = [line.rstrip() for line in sql.splitlines()]
    places = [number for number, line in enumerate(lines) if line.startswith("\tCONSTRAINT")]
    constraints = sorted(lines[place].rstrip(",") for place in places)
    for place, constraint in zip(places, constraints, strict=True):
        lines[place] = constraint + ("," if lines[place].endswith(",") else "")
    return "\n".join(lines)


def _literal(value: object) -> str:
    return str(value) if isinstance(value, int) else f"'{value}'"


if __name__ == "__main__":
    for old in schema.new_sqlite().parent.glob("*.sqlite.sql"):
        old.unlink()
    schema.new_sqlite().write_text(statements(), "utf-8")
