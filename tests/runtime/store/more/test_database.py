"""Migration, readiness and durability settings of the database."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.errors import ResourcesError
from miqa_node.runtime.store.database import Database


def test_a_value_that_is_too_large_for_an_index_is_none(postgres_url: str) -> None:
    """Its sender would get 0xA700 and send it again for ever."""
    database = Database(postgres_url)
    with database.begin() as transaction:
        transaction.execute(sa.text("CREATE TABLE texts (text TEXT)"))
        transaction.execute(sa.text("CREATE INDEX ix_texts ON texts (text)"))
    with pytest.raises(sa.exc.OperationalError, match="maximum"), database.begin() as transaction:
        transaction.execute(sa.text("INSERT INTO texts VALUES (:text)"), {"text": secrets.token_hex(9000)})
    database.close()


def test_a_database_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miqa_node.runtime.store.database.CONNECT_TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database(f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none")
        with pytest.raises(ResourcesError), database.begin() as transaction:
            transaction.execute(sa.text("SELECT 1"))
        database.close()


def test_a_file_with_tables_of_others_gets_the_migrations(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}")
    with database.begin() as transaction:
        transaction.execute(sa.text("CREATE TABLE of_the_site (number INTEGER)"))
    database.migrate()
    database.check()
    database.close()


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


def test_an_unmigrated_database_is_not_ready_and_says_what_to_do(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(ResourcesError, match="miqa-node migrate"):
        database.check()
    database.migrate()
    database.check()
    database.close()
