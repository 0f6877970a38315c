"""Indexes that PostgreSQL builds while a node works: a killed process leaves none that is broken for good."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from miqa_node.runtime.store import late_indexes
from miqa_node.runtime.store.database import Database
from tests.conftest import postgres_database
from tests.waiting import LIMIT_S, wait_until

pytestmark = [pytest.mark.more, pytest.mark.peers]

NAME = "ix_labels_drawn"
MIGRATE = (
    "import sys; from miqa_node.runtime.store.database import Database; Database(sys.argv[1], pool_size=2).migrate()"
)
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
BUILDERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONC%'"


@pytest.fixture
def url(postgres: str, migrated_postgres: str) -> Iterator[str]:
    """A migrated database without one of its late indexes."""
    with postgres_database(postgres, migrated_postgres) as url:
        with psycopg.connect(url) as connection:
            connection.execute(f"DROP INDEX {NAME}")
        yield url


def is_valid(connection: psycopg.Connection) -> bool | None:
    """None without the index."""
    row = connection.execute(VALID, [NAME]).fetchone()
    return bool(row[0]) if row else None


def migrate(url: str) -> None:
    database = Database(url, pool_size=2)
    database.migrate()
    database.close()


@contextmanager
def writer(url: str) -> Iterator[None]:
    """A transaction that writes labels, for whose end a new index has to wait."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE labels IN ROW EXCLUSIVE MODE")
        yield


@contextmanager
def half_built(url: str, admin: psycopg.Connection) -> Iterator[None]:
    """The index as it is while a transaction holds its builder up; the builder's process is killed at the end."""
    with writer(url):
        process = subprocess.Popen([sys.executable, "-c", MIGRATE, url])
        try:
            wait_until(lambda: is_valid(admin) is False, what="the building has begun")
            yield
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def test_what_a_killed_process_and_server_began_is_built_by_the_next_start(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        with half_built(url, admin):
            admin.execute(f"SELECT pg_terminate_backend(pid) FROM ({BUILDERS}) AS builders")
            wait_until(lambda: admin.execute(BUILDERS).fetchone() is None, what="the server's end of it is over")
        assert is_valid(admin) is False
        migrate(url)
        assert is_valid(admin) is True


def test_another_process_starts_while_one_builds_and_a_server_goes_on_without_it(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        with half_built(url, admin):
            start = time.monotonic()
            migrate(url)
            assert time.monotonic() - start < LIMIT_S, "it waited for the other"
            assert is_valid(admin) is False
        # The server completes it, or drops it once it sees that its client is gone; the next start mends that.
        wait_until(lambda: admin.execute(BUILDERS).fetchone() is None, what="the server's end of it is over")
        migrate(url)
        assert is_valid(admin) is True


def test_an_index_that_cannot_be_built_in_time_does_not_keep_a_node_from_its_work(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_indexes, "PATIENCE", "300ms")
    with psycopg.connect(url, autocommit=True) as admin:
        with writer(url):
            migrate(url)
            assert not is_valid(admin)
        migrate(url)
        assert is_valid(admin) is True
