"""Damaged pages of the database: found by its own check, told by readiness, and gone past by fsck."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.errors import BusyError, ResourcesError
from miqa_node.features.backup.rows import Check, Fault
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.integrity import damaged_pages
from miqa_node.runtime.work.queue import migrate_queue


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a new database, with the tables of the queue."""
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}")
    database.migrate()
    migrate_queue(database)
    database.close()
    return tmp_path / "miqa.sqlite"


def damage(path: Path, name: str) -> None:
    """Overwrite the pages of a table or index, as a failing disk does."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [size] = connection.execute("PRAGMA page_size").fetchone()
        [root] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(bytes(b"\xa5" * size))


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{path}", pool_size=1)
    yield database
    database.close()


def test_a_sound_database_has_no_damaged_pages(database: Database) -> None:
    assert list(damaged_pages(database.engine, 30.0)) == []
    assert list(damaged_pages(database.engine, 30.0, whole=True)) == []
    database.check_writing()


@pytest.mark.parametrize("name", ["destination_checks", "instances", "dispositions", "workflow_status"])
def test_damaged_pages_are_found(path: Path, database: Database, name: str) -> None:
    damage(path, name)
    assert list(damaged_pages(database.engine, 30.0))


def test_a_node_whose_statement_met_damage_is_not_ready(path: Path, database: Database) -> None:
    damage(path, "destination_checks")
    database.check_writing()
    with pytest.raises(ResourcesError), database.begin() as transaction:
        transaction.execute(sa.select(tables.destination_checks)).all()
    with pytest.raises(ResourcesError, match=r"The database is damaged: .*restore a backup"):
        database.check_writing()


def test_a_database_that_others_write_to_is_busy_and_not_absent(path: Path) -> None:
    database = Database(f"sqlite:///{path}", pool_size=2)
    sa.event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=100"))
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError), database.begin() as transaction:
            transaction.execute(sa.delete(tables.destination_checks))
        database.check()  # it answers
        database.check_writing()
        other.execute("ROLLBACK")
    other.close()
    database.close()


def test_a_database_in_which_nothing_is_committed_is_not_ready(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(f"sqlite:///{path}", pool_size=2)
    sa.event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=100"))
    monkeypatch.setattr("miqa_node.runtime.store.database.BUSY_S", -1.0)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError):
            database.check_writing()
        other.execute("ROLLBACK")
    other.close()
    database.close()


@pytest.mark.more
@pytest.mark.parametrize("name", ["instances", "results", "deliveries", "workflow_status"])
def test_fsck_goes_past_damage_and_repairs_nothing(path: Path, database: Database, tmp_path: Path, name: str) -> None:
    damage(path, name)
    objects = DiskObjects(tmp_path / "objects")
    orphan = tmp_path / "objects" / "results" / "ab" / f"{'1.2'}.dcm"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    shutil.copystat(__file__, orphan)
    jobs: list[InstanceDigest] = []
    check = Check(
        database, objects, frozenset, frozenset(), lambda _transaction, digest: jobs.append(digest), datetime.now(UTC)
    )
    lines = [one for one in check.run(repair=True) if one.fault is Fault.DATABASE]
    assert any("restore a backup" in one.what for one in lines)
    assert (jobs, orphan.exists()) == ([], True)
