"""Damaged tables of the database × what each part of the node says: tables of docs/explanation/reliability.md."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.conftest import POSTGRES_BIN, PostgresServer
from tests.crash.faults import marks, only_with_matrix
from tests.crash.matrix import PATIENCE_S, MatrixNode, Row, StoredImage, compare_with_page, plain, table

pytestmark = [*marks, pytest.mark.peers]

COLUMNS = ("C-STORE", "readiness", "doctor", "fsck", "backup", "commitment", "reassess")
TABLES = ("instances", "dispositions", "results", "deliveries", "studies", "workflow_status")
GARBAGE = b"\xa5" * 200
"""As a disk returns that has other bytes than were written."""


class SqliteDatabase:
    """A file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "data" / "miqa.sqlite"
        self.environment: dict[str, str] = {}

    def backup(self, node: MatrixNode) -> str:
        """What ``backup.md`` asks for."""
        return node.answer_of("backup", str(node.folder / "backup"))

    def damage(self, name: str) -> None:
        """Overwrite the root page of a table."""
        with closing(sqlite3.connect(self._file, timeout=60)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            [(page,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchall()
            [(size,)] = connection.execute("PRAGMA page_size").fetchall()
        with self._file.open("r+b") as opened:
            opened.seek((page - 1) * size)
            opened.write(GARBAGE)


class PostgresqlDatabase:
    """A server."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.environment = {"MIQA_STORE__DATABASE_URL": server.url}

    def backup(self, node: MatrixNode) -> str:
        """What ``backup.md`` asks for: the dump first."""
        dump = [str(POSTGRES_BIN / "pg_dump"), "--format=custom", f"--file={node.folder / 'dump'}", self._server.url]
        done = subprocess.run(dump, capture_output=True, text=True, check=False)
        assert done.returncode or not node.answer_of("backup", str(node.folder / "backup")).startswith("exit code 0")
        [line] = [line for line in done.stderr.splitlines() if "invalid page" in line] or [""]
        return f"pg_dump: exit code {done.returncode}, {plain(line)}"

    def damage(self, name: str) -> None:
        """Overwrite the first page of a table, and let nothing of it remain in the server's memory."""
        file = self._server.file_of(name)
        self._server.stop()
        with file.open("r+b") as opened:
            opened.write(GARBAGE)
        self._server.start()


Damaged = SqliteDatabase | PostgresqlDatabase


def _database(kind: str, folder: Path, stack: ExitStack) -> Damaged:
    """A new one for each table."""
    folder.mkdir()
    return SqliteDatabase(folder) if kind == "sqlite" else PostgresqlDatabase(stack.enter_context(PostgresServer()))


@only_with_matrix
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_damage_to_tables(kind: str, tmp_path: Path, samples: Path) -> None:
    rows: dict[str, Row] = {}
    for name in TABLES:
        with ExitStack() as stack:
            database = _database(kind, tmp_path / name, stack)
            node = MatrixNode(tmp_path / name, samples, database.environment)
            stack.callback(node.close)
            node.open_archive()
            [image] = node.take(1)
            database.damage(name)
            rows[f"`{name}`"] = _ask(node, image, database)
    compare_with_page(f"tables of {kind}", table("damaged table", COLUMNS, rows))


def _ask(node: MatrixNode, image: StoredImage, database: Damaged) -> Row:
    status = node.send(node.new_image())
    row = {"C-STORE": "none" if status is None else f"0x{status:04X}", "readiness": node.readiness_after()}
    row["doctor"] = node.doctor()
    row |= {"fsck": node.answer_of("fsck"), "backup": database.backup(node)}
    row |= {"reassess": node.answer_of("reassess", image.uid), "commitment": node.commitment(image, PATIENCE_S)}
    assert row["readiness"].startswith("503"), row
    assert row["doctor"] != "ok", row
    assert not row["fsck"].startswith("exit code 0"), row
    assert "exit code 0" not in row["backup"], row
    return row
