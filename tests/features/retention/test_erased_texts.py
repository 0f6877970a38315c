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
from miqa_node.runtime.store.tables.column_marks import ABOUT, EMPTIED, ERASE, JUDGED, KEEP, REFERRED, about, kept
from miqa_node.runtime.work.queue import migrate_queue
from tests.features.retention.rows.test_erasure import everything
from tests.features.retention.rows.test_retention import Shelf
from tests.runtime.store.making import NOW

MARK = "Zeromarker"
ID = f"{MARK}-1"


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(database, open_objects("", tmp_path / "objects", 0, 1 << 20), tmp_path)


def test_every_column_of_text_says_what_erasure_does_with_it() -> None:
    assert unmarked(t.all_tables()) == []


def test_a_forgotten_mark_is_found() -> None:
    other = sa.MetaData()
    key = sa.Column("digest", t.Digest, primary_key=True)
    sa.Table(
        "notes", other, key, sa.Column("comment", sa.Text), sa.Column("why", sa.JSON, info=kept(" ")),
        sa.Column("at", t.UtcDateTime), sa.Column("lost", sa.Text, info=EMPTIED),
    )  # fmt: skip
    assert unmarked(other) == ["notes.comment", "notes.why", "notes.lost"]
    other.tables["notes"].info |= about("digest")
    assert unmarked(other) == ["notes.comment", "notes.why"]
    other.tables["notes"].info |= REFERRED
    assert unmarked(other) == ["notes", "notes.comment", "notes.why"], "no table refers to it"


def test_a_marker_in_every_text_about_a_patient_is_gone(shelf: Shelf) -> None:
    plant(shelf)
    rows = everything(shelf.database)
    planted = {table.name for table in t.all_tables().sorted_tables if MARK in _rows_of(shelf.database, table)}
    assert {"phantom_series", "patient_conflicts", "legal_holds", "deliveries", "usual_series"} <= planted, rows
    erase(shelf)
    assert [table.name for table in t.all_tables().sorted_tables if MARK in _rows_of(shelf.database, table)] == []


def plant(shelf: Shelf) -> None:
    """The marker in every text about a patient."""
    of = shelf.decide(1)
    result = shelf.report(of, sent=True)
    links = {
        "digest": of, "of": of, "study_instance_uid": "1.2.5.1", "series_instance_uid": "1.2.4.1",
        "sop_instance_uid": result.sop_instance_uid, "event_id": "evt_1", "cleared_at": NOW, "concluded_at": NOW,
        "baseline": "scanner", "protocol": MARK, "pilot": "",
    }  # fmt: skip
    with shelf.database.begin() as transaction:
        for table in t.all_tables().sorted_tables:
            if ABOUT in table.info or table.name in ("usual_baselines", "pilots"):
                _plant(transaction, table, {} if table.name == "pilots" else links)


def erase(shelf: Shelf) -> None:
    """The patient, as a person does."""
    with shelf.database.begin() as transaction:
        record = erasure.erase(transaction, ID, "request", "ada", NOW)
    erasure.delete_files(shelf.database, shelf.objects, record, NOW)


def _plant(transaction: sa.Connection, table: sa.Table, links: Mapping[str, Any], *, insert: bool = False) -> None:
    """Write the marker into every text of the table that is not kept; into a new row if there is none."""
    texts = {
        column.name: _text(column) for column in table.columns if not str(column.info.get(ERASE, KEEP)).startswith(KEEP)
    }
    if not insert and transaction.execute(sa.select(sa.func.count()).select_from(table)).scalar_one():
        transaction.execute(sa.update(table).values(texts))
        return
    row = {column.name: _least(column) for column in table.columns if not column.nullable and not _counts(column)}
    columns = {name: value for name, value in links.items() if name in table.c and not _counts(table.c[name])}
    transaction.execute(sa.insert(table).values(row | texts | columns))


def _text(column: sa.Column[Any]) -> Any:
    if column.name == "authority":
        return ""
    if column.name == "patient_id" and column.table.name in ("patients", "studies", "legal_holds", "pilot_images"):
        return ID
    header = {"protocol_name": MARK, "body_part_examined": MARK}
    if isinstance(column.type, sa.JSON):
        return {"header": header} if column.info[ERASE] == JUDGED[ERASE] else header
    if column.info[ERASE] == JUDGED[ERASE]:
        return f"It cites {MARK}."
    return MARK[: column.type.length or None]  # type: ignore[attr-defined]


def _least(column: sa.Column[Any]) -> Any:
    return {datetime: NOW, date: NOW.date(), int: 1, float: 0.0, bool: False, str: "", dict: {}}[_kind(column)]


def _kind(column: sa.Column[Any]) -> type:
    return (
        datetime
        if isinstance(column.type, t.UtcDateTime)
        else dict
        if isinstance(column.type, sa.JSON)
        else column.type.python_type
    )


def _counts(column: sa.Column[Any]) -> bool:
    return column.primary_key and isinstance(column.type, sa.BigInteger) and not column.foreign_keys


def _rows_of(database: Database, table: sa.Table) -> str:
    with database.begin() as transaction:
        return str(transaction.execute(sa.select(table)).all())


@pytest.mark.more
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
