"""The database: SQLite in one file by default, PostgreSQL by URL; transactions keep it consistent."""

from __future__ import annotations

import math
import sqlite3
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import BusyError, ResourcesError
from miqa_node.runtime.store import late_indexes, schema
from miqa_node.runtime.store.integrity import PageDamage
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import all_tables, compatibility
from miqa_node.runtime.store.wake_up_files import WakeUpFiles

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

Transaction = sa.Connection
"""An open transaction; the end of the ``with`` block commits its changes, an exception rolls them back."""

BUSY_TIMEOUT_MS = 30_000
"""How long a writer waits for SQLite's single write lock."""

BUSY_RETRY_S = 0.05

POOL_TIMEOUT_S = 30.0
"""Time-out for a connection while all are in use."""

BUSY_S = 10.0
"""A database that committed a transaction so recently is there; a check that waits for it waits behind others."""

CONNECT_TIMEOUT_S = 10
"""Time-out for connecting to PostgreSQL."""

DEAD_PEER_MS = 30_000
"""Time after which a PostgreSQL without acknowledgements counts as gone: a machine without power closes no
connections."""

TOPICS = ("jobs", "reassessments", "recoveries", "deliveries", "arrivals")
"""Topics of :func:`announce`. Recoveries are jobs that a process lost, or that died with it; an arrival is that of the
first instance of a series, or of the last of those announced."""
JOBS, REASSESSMENTS, RECOVERIES, DELIVERIES, ARRIVALS = TOPICS
CHANNEL = "miqa"
"""PostgreSQL channel of the announcements."""

_ANNOUNCED = "announced"
_PROGRAM_LIMIT = "54"
"""Class of SQLSTATE for values that are too large, such as for an index; psycopg counts them as operational errors."""


class Database:
    """Connections to one database; safe to share between threads."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if not self.is_sqlite:
            self.url = self.url.set(drivername="postgresql+psycopg")
            self.url = self.url.update_query_dict({**_patience(), **self.url.query})
        self.engine = self._open(pool_size)
        self._damage, self._committed_at = PageDamage(self.engine), float("-inf")
        self.source = uuid.uuid4().hex
        """Names the announcements of this process to others."""
        self.wake_ups = WakeUpFiles(Path(self.url.database)) if self.is_sqlite and self.url.database else None
        self._hearing: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "handle_error", _drop_broken)

    @classmethod
    def in_memory(cls) -> Self:
        """An empty in-memory database with all tables and one connection; closing it deletes it."""
        database = cls("sqlite://")
        with closing(database.engine.raw_connection()) as connection:
            connection.driver_connection.deserialize(_empty_tables())  # type: ignore[union-attr]  # of sqlite3
        return database

    def _open(self, pool_size: int) -> sa.Engine:
        if self.is_sqlite and not self.url.database:
            return sa.create_engine(self.url, poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False})
        return sa.create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=POOL_TIMEOUT_S,
            pool_use_lifo=True,  # the connection used last still has in its cache what it has just written
            pool_pre_ping=not self.is_sqlite,
        )

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """Open a transaction: committed at the end of the block, rolled back by an exception.

        Raises
        ------
        ResourcesError
            The database cannot be reached, is damaged, or is locked or in use for longer than its time-out.
        """
        try:
            with self.engine.begin() as connection:
                connection.info.pop(_ANNOUNCED, None)
                yield connection
                announced: set[str] = connection.info.pop(_ANNOUNCED, set())
                if announced and not self.is_sqlite:
                    _notify(connection, [f"{self.source} {topic}" for topic in sorted(announced)])
        except sa.exc.TimeoutError as error:
            raise BusyError("All connections to the database are in use (store.pool_size).") from error
        except (sa.exc.DatabaseError, sa.exc.InterfaceError) as error:
            is_too_large = str(getattr(error.orig, "sqlstate", "")).startswith(_PROGRAM_LIMIT)
            if is_too_large or not unanswered(error):
                raise  # a fault of the node, which waiting does not cure
            raise (BusyError if _is_locked(error) else ResourcesError)(unanswered(error)) from error
        self._committed_at = time.monotonic()
        for topic in announced:
            self.hear(topic)
            if self.wake_ups is not None:
                self.wake_ups.announce(topic)

    def on_commit(self, topic: str, hear: Callable[[], None]) -> None:
        """Call ``hear`` after each commit that announced the topic.

        Those of other processes are heard while a ``CommitListener`` runs. Some may be
        missed, so whoever waits must poll from time to time.
        """
        self._hearing[topic].append(hear)

    def hear(self, topic: str) -> None:
        """A commit announced the topic."""
        for hear in self._hearing[topic]:
            hear()

    def migrate(self) -> None:
        """Bring the schema to the newest version; safe to call at every start and by several processes at once."""
        self._migrate_tables()
        if not self.is_sqlite:
            late_indexes.build(self.engine)

    def _migrate_tables(self) -> None:
        with self.begin() as connection:
            begin_writing(connection)
            if not self.is_sqlite:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7205177)")
            schema.bring_up_to_date(connection)

    def check(self) -> None:
        """Raise ResourcesError unless the database answers and its schema is compatible with this program."""
        with self.begin() as transaction:
            schema.check(transaction)

    def check_writing(self) -> None:
        """The same, and a change must be committed: a full or failing disk, or a standby, can still be read."""
        self._damage.check()
        try:
            self.check()
            with self.begin() as transaction:
                transaction.execute(sa.update(compatibility).values(oldest_schema=compatibility.c.oldest_schema))
        except BusyError:
            if not self.is_busy():
                raise

    def is_busy(self) -> bool:
        """Whether transactions of this process are committed: whoever waits for the database waits behind them."""
        return time.monotonic() - self._committed_at < BUSY_S

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def begin_writing(transaction: Transaction) -> None:
    """What the transaction reads from now on is true until its end, where a change of it may follow.

    SQLite's driver opens a transaction only before a change of data, so what is read before it is read outside of it:
    this takes the only lock at once. On PostgreSQL statements lock the rows that they read (FOR UPDATE).
    """
    if transaction.dialect.name == "sqlite" and not transaction.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
        transaction.exec_driver_sql("BEGIN IMMEDIATE")


def announce(transaction: Transaction, topic: str) -> None:
    """Notify listeners of the topic, in all processes, once the transaction is committed."""
    transaction.info.setdefault(_ANNOUNCED, set()).add(topic)


def insert_or_ignore(transaction: Transaction, table: sa.Table, values: dict[str, Any]) -> bool:
    """Insert one row unless a unique key is taken; returns whether it was inserted."""
    return _insert_or_ignore(table).run(transaction, values) is not None


@cache
def _insert_or_ignore(table: sa.Table) -> DriverStatement:
    return DriverStatement(lambda dialect: insert_unless_taken(dialect, table))


def insert_unless_taken(dialect: str, table: sa.Table) -> sa.sql.dml.ReturningInsert[Any]:
    """An insert that returns the primary key of a row whose unique keys are not taken."""
    return insert_of(dialect, table).on_conflict_do_nothing().returning(*table.primary_key.columns)


def insert_missing(transaction: Transaction, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows whose unique keys are not taken, in one statement."""
    if rows:
        transaction.execute(insert_into(transaction, table).values(list(rows)).on_conflict_do_nothing())


def insert_into(transaction: Transaction, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An insert in the database's dialect, which supports conflict clauses."""
    return insert_of(transaction.dialect.name, table)


def insert_of(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """The same by the dialect's name, for a statement that is prepared."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - a third of what SQLAlchemy itself loads

    return postgresql.insert(table)


@cache
def _empty_tables() -> bytes:
    """A SQLite database with all tables, as a file's bytes: copying it is faster than creating tables."""
    database = Database("sqlite://")
    all_tables().create_all(database.engine)
    with closing(database.engine.raw_connection()) as connection:
        copied: bytes = connection.driver_connection.serialize()  # type: ignore[union-attr]  # of sqlite3
    database.close()
    return copied


def _notify(connection: sa.Connection, messages: Sequence[str]) -> None:
    """PostgreSQL delivers the messages to listening processes if and when the transaction is committed."""
    calls = [sa.func.pg_notify(CHANNEL, message) for message in messages]
    connection.execute(sa.select(*calls))


def _patience() -> dict[str, str]:
    """Time-out parameters of libpq; those in the URL take precedence."""
    return {
        "connect_timeout": str(CONNECT_TIMEOUT_S),
        "tcp_user_timeout": str(DEAD_PEER_MS),
        "keepalives_idle": str(DEAD_PEER_MS // 1000),
    }


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # IMMEDIATE: a transaction takes the write lock before its first change and never has to be retried half way.
    connection.isolation_level = "IMMEDIATE"
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous=FULL")  # a committed transaction survives a power cut
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # what is changed or erased is overwritten; most builds do not
    # SQLite has these two only if built with its math functions.
    connection.create_function("floor", 1, lambda value: None if value is None else math.floor(value))
    connection.create_function("ln", 1, lambda value: math.log(value) if value and value > 0 else None)
    # SQLite's own lower() knows ASCII only. No index may use it: other programs would order such an index otherwise.
    connection.create_function("lower", 1, lambda value: value and str(value).casefold(), deterministic=True)
    if sqlite3.sqlite_version_info < (3, 42):
        # The queue's own tables ask for unixepoch('subsec'), which older versions answer with NULL.
        connection.create_function("unixepoch", 1, lambda _modifier: time.time())


_BROKEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL}


def _drop_broken(context: sa.engine.ExceptionContext) -> None:
    """Drop connections after a disk failure: a file opened during the failure stays read-only until reopened.

    The queue's library, too, repeats only what failed together with its connection; else the job ends with an error.
    """
    error = context.original_exception
    if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _BROKEN:
        context.is_disconnect = True
        execution = context.execution_context
        cursor = None if execution is None else execution.cursor
        if cursor is not None:  # it would hold the file open until garbage is collected
            cursor.close()


def _use_write_ahead_log(connection: Any) -> None:
    """Switch a new file to WAL. SQLite's own time-out does not apply here while another process is writing."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000.0
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(BUSY_RETRY_S)
        else:
            return


def _is_locked(error: Exception) -> bool:
    """Whether others use the database, and nothing is wrong with it."""
    driver_error = getattr(error, "orig", None)
    is_locked = getattr(driver_error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return is_locked or getattr(driver_error, "sqlstate", None) in {"55P03", "53300"}


def unanswered(error: Exception) -> str:
    """The driver's own first line in a sentence, as parameters may hold patient data; empty for another error."""
    if not isinstance(error, sa.exc.DatabaseError | sa.exc.InterfaceError):
        return ""
    if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError | sa.exc.ProgrammingError):
        return ""
    words = str(error.orig).splitlines()[0] if error.orig else type(error).__name__
    return Phrase("The database did not answer: {words}", words=words)
