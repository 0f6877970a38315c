"""What a feature wrote before its line was taken out is migrated, erased, forgotten and backed up as before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.features.backup.work import back_up
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store import upkeep
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.store.tables.column_marks import SITE, forgotten
from tests.features.retention.rows.test_retention import Shelf
from tests.features.retention.test_erased_texts import MARK, _rows_of, erase, plant
from tests.runtime.store.making import NOW
from tests.runtime.store.test_tables_of_features import no_lines

__all__ = ["no_lines"]


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(database, open_objects("", tmp_path / "objects", 0, 1 << 20), tmp_path)


def test_they_are_erased(no_lines: None, shelf: Shelf) -> None:
    plant(shelf)
    assert MARK in _rows_of(shelf.database, t.all_tables().tables["usual_series"])
    erase(shelf)
    holding = [table.name for table in t.all_tables().sorted_tables if MARK in _rows_of(shelf.database, table)]
    assert holding == []
    with shelf.database.begin() as transaction:
        histories = t.all_tables().tables["usual_baselines"]
        assert transaction.execute(sa.select(histories)).all() == [], "nothing refers to them any more"


def test_their_objects_are_backed_up(no_lines: None, shelf: Shelf, tmp_path: Path) -> None:
    shelf.decide(1)
    shelf.objects.put("reports/2026-10.html", b"October")
    folder = tmp_path / "backup"
    assert back_up(shelf.database, shelf.objects, shelf.folder, folder).objects == 3
    [copy] = folder.rglob("2026-10.html")
    assert copy.read_bytes() == b"October"


def test_retention_forgets_the_rows_that_a_table_says(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sa.MetaData()
    notes = sa.Table(
        "of_a_feature", other, sa.Column("text", sa.Text, primary_key=True, info=SITE),
        sa.Column("at", t.UtcDateTime), sa.Column("done", sa.Boolean), info=forgotten("at", "done"),
    )  # fmt: skip
    monkeypatch.setattr(t, "all_tables", lambda: other)
    with shelf.database.begin() as transaction:
        other.create_all(transaction)
        rows = [("old", 9, True), ("new", 0, True), ("not done", 9, False)]
        for text, days, done in rows:
            transaction.execute(sa.insert(notes).values(text=text, at=NOW - timedelta(days=days), done=done))
        assert upkeep.forget_rows(transaction, NOW - timedelta(days=5)) == 1
        assert sorted(transaction.execute(sa.select(notes.c.text)).scalars()) == ["new", "not done"]
        other.drop_all(transaction)
