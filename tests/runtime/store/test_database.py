"""Migration, readiness and durability settings of the database."""

from __future__ import annotations

import secrets
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from miqa_node.errors import ResourcesError, SettingsError
from miqa_node.runtime.store import late_indexes, schema
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import all_tables


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
def test_migrations_lead_to_the_tables_in_the_code(database: Database) -> None:
    opts = {"include_name": _ours, "include_object": lambda _one, name, kind, *_more: _ours(name, kind, None)}
    with database.begin() as transaction:
        differences = compare_metadata(MigrationContext.configure(transaction, opts=opts), all_tables())
    assert differences == []


def test_names_of_migrations_are_their_revisions_in_order() -> None:
    scripts = ScriptDirectory.from_config(schema.alembic_config())
    assert schema.revisions() == tuple(script.revision for script in reversed(list(scripts.walk_revisions())))


def test_every_late_index_is_there(database: Database) -> None:
    described = {index.name for table in all_tables().tables.values() for index in table.indexes}
    names = "SELECT name FROM sqlite_master" if database.is_sqlite else "SELECT indexname FROM pg_indexes"
    with database.begin() as transaction:
        indexes = set(transaction.execute(sa.text(names)).scalars())
    assert indexes >= (described & set(late_indexes.INDEXES) if database.is_sqlite else set(late_indexes.INDEXES))


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    """Not tables of other programs, nor indexes that alembic cannot compare: of expressions, or of PostgreSQL only."""
    return name in all_tables().tables if kind == "table" else kind != "index" or name not in late_indexes.INDEXES


def test_an_old_program_on_a_newer_schema_says_so_in_one_sentence(database_url: str) -> None:
    database = Database(database_url)
    database.migrate()
    with database.begin() as transaction:
        transaction.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        transaction.execute(sa.text("UPDATE compatibility SET oldest_schema = '9999'"))
    with pytest.raises(SettingsError, match="schema 9999 of a newer miqa-node"):
        database.migrate()
    database.close()


def test_a_new_file_that_another_process_writes_to_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "miqa.sqlite"
    writer = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, writer.execute, ["COMMIT"])
    release.start()
    database = Database(f"sqlite:///{file}")
    with database.begin() as transaction:
        assert transaction.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    release.join()
    database.close()
    writer.close()


def test_sqlite_survives_a_power_cut(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite'}")
    with database.begin() as transaction:
        assert transaction.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert transaction.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL
    database.close()


def test_a_database_that_is_not_there_is_a_lack_of_resources() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(ResourcesError), database.begin() as transaction:
        transaction.execute(sa.text("SELECT 1"))
    database.close()


@pytest.mark.parametrize("kind", ["not there", "damaged"])
def test_a_database_that_cannot_be_migrated_is_a_lack_of_resources(tmp_path: Path, kind: str) -> None:
    (file := tmp_path / "miqa.sqlite").write_bytes(b"no database" * 100)
    url = f"sqlite:///{file}" if kind == "damaged" else "postgresql://nobody@127.0.0.1:1/none"
    database = Database(url)
    with pytest.raises(ResourcesError, match="The database did not answer"):
        database.migrate()
    database.close()


def test_a_damaged_database_is_a_lack_of_resources_too(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"no database at all" * 1000)
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite'}")
    with pytest.raises(ResourcesError, match="not a database"), database.begin() as transaction:
        transaction.execute(sa.text("SELECT 1 FROM studies"))
    database.close()


def test_more_users_than_connections_are_a_lack_of_resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miqa_node.runtime.store.database.POOL_TIMEOUT_S", 0.05)
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite'}", pool_size=1)
    with database.begin(), database.begin(), pytest.raises(ResourcesError), database.begin():
        pass
    database.close()


def test_what_the_site_writes_into_the_address_of_the_database_wins() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none?connect_timeout=3")
    _, arguments = database.engine.dialect.create_connect_args(database.url)
    assert str(arguments["connect_timeout"]) == "3"
    assert arguments["tcp_user_timeout"]
    database.close()


def test_a_connection_that_became_read_only_is_opened_anew(tmp_path: Path) -> None:
    """SQLite opens a file for reading alone when its disk fails at that moment, and leaves it so."""
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}", pool_size=1)
    with database.begin() as transaction:
        transaction.exec_driver_sql("CREATE TABLE t (a INTEGER)")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(ResourcesError), database.begin() as transaction:
        transaction.exec_driver_sql("INSERT INTO t VALUES (1)")
    with database.begin() as transaction:
        transaction.exec_driver_sql("INSERT INTO t VALUES (1)")
    database.close()


def test_a_database_that_can_only_be_read_is_not_ready(database_url: str) -> None:
    """As a standby, or a PostgreSQL whose disk is full."""
    database = Database(database_url, pool_size=1)
    database.migrate()
    database.check_writing()
    with database.engine.connect() as connection:
        only_read = "PRAGMA query_only = ON" if database.is_sqlite else "SET default_transaction_read_only = on"
        connection.exec_driver_sql(only_read)
        connection.commit()
    database.check()
    with pytest.raises(ResourcesError):
        database.check_writing()
    database.close()


def test_a_connection_that_met_a_full_disk_is_opened_anew(tmp_path: Path) -> None:
    """The queue's library repeats only what failed together with its connection, and gives a job up otherwise."""
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}", pool_size=1)
    with database.begin() as transaction:
        transaction.exec_driver_sql("CREATE TABLE t (a BLOB)")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # no more than there are; of this connection alone
    with pytest.raises(ResourcesError, match="disk is full"), database.begin() as transaction:
        transaction.exec_driver_sql("INSERT INTO t VALUES (zeroblob(100000))")
    with database.begin() as transaction:
        transaction.exec_driver_sql("INSERT INTO t VALUES (zeroblob(100000))")
    database.close()


@pytest.mark.more
def test_a_value_that_is_too_large_for_an_index_is_none(postgres_url: str) -> None:
    """Its sender would get 0xA700 and send it again for ever."""
    database = Database(postgres_url)
    with database.begin() as transaction:
        transaction.execute(sa.text("CREATE TABLE texts (text TEXT)"))
        transaction.execute(sa.text("CREATE INDEX ix_texts ON texts (text)"))
    with pytest.raises(sa.exc.OperationalError, match="maximum"), database.begin() as transaction:
        transaction.execute(sa.text("INSERT INTO texts VALUES (:text)"), {"text": secrets.token_hex(9000)})
    database.close()


@pytest.mark.more
def test_a_database_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miqa_node.runtime.store.database.CONNECT_TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database(f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none")
        with pytest.raises(ResourcesError), database.begin() as transaction:
            transaction.execute(sa.text("SELECT 1"))
        database.close()


@pytest.mark.more
def test_a_file_with_tables_of_others_gets_the_migrations(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}")
    with database.begin() as transaction:
        transaction.execute(sa.text("CREATE TABLE of_the_site (number INTEGER)"))
    database.migrate()
    database.check()
    database.close()


@pytest.mark.more
def test_processes_may_migrate_at_the_same_time(
    database_url: str, migrate_from_nothing: Callable[[Database], None]
) -> None:
    databases = [Database(database_url) for _ in range(3)]
    errors: list[Exception] = []

    def migrate(database: Database) -> None:
        try:
            migrate_from_nothing(database)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=migrate, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.close()
    assert errors == []


@pytest.mark.more
def test_a_schema_that_is_up_to_date_needs_no_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'miqa.sqlite'}"
    database = Database(url)
    database.migrate()
    database.close()
    program = (
        "import sys; from miqa_node.runtime.store.database import Database\n"
        f"database = Database({url!r}); database.migrate(); database.check(); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.more
def test_an_unmigrated_database_is_not_ready_and_says_what_to_do(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(ResourcesError, match="miqa-node migrate"):
        database.check()
    database.migrate()
    database.check()
    database.close()
