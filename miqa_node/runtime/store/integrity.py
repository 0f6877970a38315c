"""Damaged pages of the database: whether a statement met some, and the database's own check of all of them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ResourcesError

DAMAGED = "The database is damaged: {words}. {restore}"
RESTORE = "Stop the node and restore a backup (docs/how-to/backup.md)."
REMEMBERED_S = 600.0
"""Damage counts for so long after the last statement that met it: an index may have been built anew."""
MOST_LINES = 20

_SQLITE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_POSTGRESQL = {"XX001", "XX002", "58030", "58P01"}
"""Data or index corrupted, error of the disk, a file of a table is missing."""
_PROGRESS_STEPS = 100_000


def words_of_damage(error: BaseException | None) -> str:
    """The driver's words if they say that pages are damaged, else empty."""
    is_damage = isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE
    if not is_damage and getattr(error, "sqlstate", None) not in _POSTGRESQL:
        return ""
    return (str(error).splitlines() or [""])[0]


class PageDamage:
    """Hears of every failed statement of an engine, the queue's included."""

    def __init__(self, engine: sa.Engine) -> None:
        self._words, self._met_at = "", 0.0
        sa.event.listen(engine, "handle_error", self._hear)

    def check(self) -> None:
        """ResourcesError if a statement met damaged pages lately."""
        if self._words and time.monotonic() - self._met_at < REMEMBERED_S:
            raise ResourcesError(DAMAGED, words=self._words, restore=Phrase(RESTORE))

    def _hear(self, context: sa.engine.ExceptionContext) -> None:
        if words := words_of_damage(context.original_exception):
            self._words, self._met_at = words, time.monotonic()


def damaged_pages(engine: sa.Engine, limit_s: float, *, whole: bool = False) -> Iterator[str]:
    """What the database's own check finds; it ends after ``limit_s`` with what was found until then.

    SQLite compares indexes with their tables only if ``whole``. PostgreSQL reads every row, and the indexes if its
    extension ``amcheck`` is installed.
    """
    until = time.monotonic() + limit_s
    check = _sqlite if engine.dialect.name == "sqlite" else _postgresql
    try:
        yield from check(engine, until, whole=whole)
    except sa.exc.DatabaseError as error:
        if not (words := words_of_damage(error.orig)):
            raise
        yield words


def _sqlite(engine: sa.Engine, until: float, *, whole: bool) -> Iterator[str]:
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(lambda: time.monotonic() > until, _PROGRESS_STEPS)
        try:
            pragma = "integrity_check" if whole else "quick_check"
            for row in connection.exec_driver_sql(f"PRAGMA {pragma}({MOST_LINES})"):
                if row[0] != "ok":
                    yield from str(row[0])[:2000].splitlines()
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) != sqlite3.SQLITE_INTERRUPT:
                raise
        finally:
            driver.set_progress_handler(None, 0)


_TABLES = """SELECT c.oid, c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""
_INDEXES = """SELECT i.indexrelid, i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE a.amname = 'btree' AND i.indisvalid AND c.relpersistence = 'p' AND n.nspname NOT LIKE 'pg_%'"""
_HAS_AMCHECK = "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'"


def _postgresql(engine: sa.Engine, until: float, *, whole: bool) -> Iterator[str]:  # noqa: ARG001 - one check for both
    with engine.connect() as connection:
        # Of each row as text: parts of long values lie on pages of their own.
        statements = [
            (name, f"SELECT sum(length(t::text)) FROM {name} t")  # noqa: S608 - names as PostgreSQL quotes them
            for _, name in connection.exec_driver_sql(_TABLES)
        ]
        if connection.exec_driver_sql(_HAS_AMCHECK).scalar_one():
            indexes = connection.exec_driver_sql(_INDEXES)
            statements += [(name, f"SELECT bt_index_check({int(oid)}::regclass)") for oid, name in indexes]
    for name, statement in statements:
        left_ms = int(1000 * (until - time.monotonic()))
        if left_ms <= 0:
            return
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {left_ms}")
                connection.exec_driver_sql("SET LOCAL enable_indexscan = off")
                connection.exec_driver_sql(statement)
        except sa.exc.DatabaseError as error:
            if words := words_of_damage(error.orig):
                yield f"{name}: {words}"
            elif getattr(error.orig, "sqlstate", "") != "57014":  # no time is left
                raise
