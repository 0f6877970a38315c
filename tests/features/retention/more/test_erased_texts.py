# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Every text says what erasure does with it, and a marker in each text about a patient is gone afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.features.backup.work import back_up
from miqa_node.features.retention.rows import erasure
from miqa_node.features.retention.rows.erasing import unmarked
from miqa_node.interfaces.cli.app import run
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.store.tables.column_marks import ABOUT, EMPTIED, ERASE, KEEP, REFERRED, about, kept
from miqa_node.runtime.work.queue import migrate_queue
from tests.features.retention.rows.test_erasure import everything
from tests.features.retention.rows.test_retention import Shelf
from tests.features.retention.test_erased_texts import (
    ID,
    MARK,
    _counts,
    _kind,
    _least,
    _plant,
    _text,
    erase,
    plant,
    shelf,
)
from tests.runtime.store.making import NOW
from tests.runtime.store.test_migrations import migrate


def test_what_is_copied_afterwards_has_none_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Backups, exports of labels, analysis and audit trail, and the database's own pages after its checkpoint."""
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(Database(f"sqlite:///{folder / 'miqa.sqlite'}")) as database:
        database.migrate()
        migrate_queue(database)
        shelf = Shelf(database, open_objects("", folder / "objects", 0, 1 << 20), folder)
        plant(shelf)
        assert copies(shelf, tmp_path / "before", capsys), "they hold it while the patient is there"
        erase(shelf)
        assert copies(shelf, tmp_path / "after", capsys) == []
    assert [path.name for path in folder.rglob("*") if path.is_file() and MARK.encode() in path.read_bytes()] == []


def copies(shelf: Shelf, out: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What holds the marker of a backup and the exports that are made now."""
    out.mkdir()
    back_up(shelf.database, shelf.objects, shelf.folder, out / "backup")
    where = ("--data-dir", str(shelf.folder))
    text = ""
    for words in (
        ("labels", "export", str(out / "labels"), "--images", "none"),
        ("analysis", "export", "images", "--out", str(out / "images.csv")),
        ("analysis", "export", "labels", "--out", str(out / "labels.csv")),
        ("audit", "export", str(out / "audit.jsonl")),
    ):
        code = run([*words, *where])
        shown = capsys.readouterr()
        assert code == 0, (words, shown.err)
        text += shown.out
    files = [str(path) for path in out.rglob("*") if path.is_file() and MARK.encode() in path.read_bytes()]
    return [*files, *(["what a command said"] if MARK in text else [])]
