"""Erasures end with a proof, or with the names of what was not reached, and come back after a restoration."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.data import get_testdata_file

from miqa_node.core.settings import Settings, load_settings
from miqa_node.errors import SettingsError
from miqa_node.features.backup.work import back_up, restore
from miqa_node.features.retention.rows import erasure
from miqa_node.features.retention.rows.erasure import ErasureRecord
from miqa_node.features.retention.rows.unknown_tables import unknown_tables
from miqa_node.features.retention.work import proofs
from miqa_node.features.retention.work.erasures import ErasuresAgain, finish
from miqa_node.features.retention.work.watched import erase_watched
from miqa_node.interfaces.cli.app import run
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.work.queue import migrate_queue
from tests.features.retention.rows.test_erasure import everything
from tests.features.retention.rows.test_retention import Shelf, shelf_of_a_node
from tests.runtime.store.making import NOW

CT = Path(str(get_testdata_file("CT_small.dcm")))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with shelf_of_a_node(tmp_path / "data") as shelf:
        yield shelf


def settings_of(shelf: Shelf, watch: str = "") -> Settings:
    return load_settings(node={"data_dir": shelf.folder}, watch={"folder": watch})


def erased(shelf: Shelf, patient_id: str = "ID1") -> ErasureRecord:
    with shelf.database.begin() as transaction:
        return erasure.erase(transaction, patient_id, "request", "ada", NOW)


def test_a_table_or_column_that_the_program_does_not_know_makes_it_erase_and_prove_nothing(
    shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = shelf.decide(1)
    with shelf.database.begin() as transaction:
        transaction.execute(sa.text("CREATE TABLE stickies (text TEXT)"))
        transaction.execute(sa.text("ALTER TABLE patients ADD COLUMN nickname TEXT"))
    proof, where = tmp_path / "proof.json", ["--data-dir", str(shelf.folder)]
    words = ["erase", "patient", "ID1", "--yes", "--reason", "r", "--as", "ada", "--out", str(proof), *where]
    assert run(words) == Exit.UNPROVED
    shown = capsys.readouterr()
    assert "know it: stickies" in shown.err
    assert "know it: patients.nickname" in shown.err
    assert (shelf.has(of), proof.exists(), "'ID1'" in everything(shelf.database)) == ([False], False, False)
    [file] = (shelf.folder / proofs.FOLDER).iterdir()
    assert run(["erase", "verify", str(file), *where]) == Exit.FAILED, "what began is no proof"
    (tmp_path / "miqa.toml").write_text('[retention]\nforeign_tables = ["stickies", "patients.nickname"]\n')
    assert run(["erase", "proof", "1", "--out", str(proof), *where, "--config", str(tmp_path / "miqa.toml")]) == 0
    document = json.loads(proof.read_text())["document"]
    assert (document["what"], len(document["not_reached"])) == (erasure.PROOF, 4)


def test_the_queue_and_all_that_migrations_make_are_known(database: Database) -> None:
    migrate_queue(database)
    assert unknown_tables(database, ()) == []


def test_an_erasure_that_a_restored_database_does_not_have_is_done_again_before_the_node_serves(
    shelf: Shelf, tmp_path: Path
) -> None:
    own, other = shelf.decide(1), shelf.decide(2)
    back_up(shelf.database, shelf.objects, shelf.folder, tmp_path / "backup")
    settings, record = settings_of(shelf), erased(shelf)
    finish(settings, shelf.database, shelf.objects, record)
    new = tmp_path / "new"
    new.mkdir()
    objects = open_objects("", new / "objects", 0, 1 << 20)
    restore(tmp_path / "backup", new, objects, with_database=True)
    for name in (proofs.FOLDER, "signing.key"):  # what the operator kept of the old machine
        copy = shutil.copytree if (shelf.folder / name).is_dir() else shutil.copy
        copy(shelf.folder / name, new / name)
    restored = Shelf(Database(f"sqlite:///{new / 'miqa.sqlite'}"), objects, new)
    assert "'ID1'" in everything(restored.database)
    again = ErasuresAgain(settings_of(restored), restored.database, objects)
    again.start()
    rows = everything(restored.database)
    assert (restored.has(own, other), "'ID1'" in rows, "'ID2'" in rows) == ([False, True], False, True)
    with restored.database.begin() as transaction:
        [same] = erasure.select(transaction)
    assert (same.salt, same.patient_sha256, same.images) == (record.salt, record.patient_sha256, record.images)
    count = rows.count("patient erased")
    again.start()
    assert everything(restored.database).count("patient erased") == count, "once"
    restored.database.close()


def test_an_erasure_of_an_earlier_version_is_completed_once(shelf: Shelf) -> None:
    of = shelf.decide(1)
    erased(shelf)
    header = {"header": {"series_description": "Mrs X"}}
    values = {"assessed_at": NOW, "model_name": "", "model_version": "", "model_sha256": ""}
    with shelf.database.begin() as transaction:
        transaction.execute(sa.insert(t.assessments).values(digest=of, document=header, **values))
    ErasuresAgain(settings_of(shelf), shelf.database, shelf.objects).start()
    assert ("Mrs X" in everything(shelf.database), shelf.has(of)) == (False, [False])
    rows = everything(shelf.database)
    ErasuresAgain(settings_of(shelf), shelf.database, shelf.objects).start()
    assert everything(shelf.database) == rows


def test_a_file_among_the_proofs_that_the_node_did_not_sign_keeps_it_from_serving(shelf: Shelf) -> None:
    shelf.decide(1)
    record = erased(shelf)
    finish(settings_of(shelf), shelf.database, shelf.objects, record)
    [file] = (shelf.folder / proofs.FOLDER).iterdir()
    file.write_text(file.read_text().replace('"ada"', '"bob"'))
    with pytest.raises(SettingsError, match="no proof that this node signed"):
        ErasuresAgain(settings_of(shelf), shelf.database, shelf.objects).start()


def test_what_came_back_behind_an_erasure_goes_with_a_second_one(shelf: Shelf) -> None:
    of = shelf.decide(1)
    record = erased(shelf)
    with shelf.database.begin() as transaction:
        transaction.execute(
            sa.insert(t.assessments).values(
                digest=of, document=left_behind("Mrs X"), assessed_at=NOW,
                model_name="", model_version="", model_sha256="",
            )
        )  # fmt: skip
        transaction.execute(sa.update(t.studies).values(patient_name="Mrs X"))
    assert erased(shelf) == record
    assert "Mrs X" not in everything(shelf.database)
    with shelf.database.begin() as transaction:
        [document] = transaction.execute(sa.select(t.assessments.c.document)).scalars()
    assert document == left_behind(""), "keys and words of fixed lists stay"


def left_behind(text: str) -> dict[str, object]:
    """What a stored assessment may have of a patient."""
    caption = {"writer": "tiny-1.0.0", "sentences": [f"It says {text}."] if text else []}
    return {"header": {"series_description": text, "modality": "CR"}, "caption": caption}


def test_of_a_watched_folder_the_patient_s_files_go_those_that_wait_are_named_and_strange_ones_listed(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.decide(1)
    record = erased(shelf)
    watch = tmp_path / "watch"
    put(watch / "done" / "Mrs X" / "1.dcm", "ID1")
    put(watch / "failed" / "Mrs X" / "2.dcm", "ID1")
    (watch / "failed" / "Mrs X" / "2.dcm.txt").write_text("A700 full\n")
    put(watch / "done" / "other.dcm", "ID2")
    put(watch / "done" / "another.dcm", "ID1", IssuerOfPatientID="ELSEWHERE")
    put(watch / "waits.dcm", "ID1")
    put(watch / "waits too.dcm", "ID2")
    (watch / "Mrs X").mkdir()
    (watch / "failed" / "letter.pdf").write_bytes(b"about somebody")
    (watch / "failed" / "index").write_bytes(b"of a disc: ID1-9999")
    settings = settings_of(shelf, str(watch))
    files = erase_watched(settings, record, "ID1-9999")
    assert (files.removed, files.waiting) == (3, ("waits.dcm",))
    assert files.unread == ("done/another.dcm", "failed/letter.pdf")
    rest = sorted(str(path.relative_to(watch)) for path in watch.rglob("*"))
    others = ["done", "done/another.dcm", "done/other.dcm", "failed", "failed/letter.pdf", "waits too.dcm", "waits.dcm"]
    assert rest == others
    assert erase_watched(settings_of(shelf), record).removed == 0, "without a watched folder there is nothing"


def put(path: Path, patient_id: str, **elements: str) -> None:
    ds = pydicom.dcmread(CT)
    ds.PatientID = patient_id
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path)
