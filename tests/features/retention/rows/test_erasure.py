"""A patient is erased: nothing that names the patient is left, the counts are, and the proof cannot be changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.domain.search_keys import COLUMNS
from miqa_node.core.keys.signing import Signer, verify
from miqa_node.errors import ConflictError, NotFoundError, SettingsError, SignatureError
from miqa_node.features.retention.rows import erasure, holds, patient_choice
from miqa_node.runtime.store import result_index
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import preview_key
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.stages.units.rows import instances
from tests.features.retention.rows.test_retention import Shelf
from tests.runtime.store.making import NOW


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(database, open_objects("", tmp_path / "objects", 0, 1 << 20), tmp_path)


def everything(database: Database) -> str:
    """All rows of all tables as text."""
    with database.begin() as transaction:
        return json.dumps(
            [str(row) for table in t.all_tables().sorted_tables for row in transaction.execute(sa.select(table))]
        )


def test_nothing_that_names_the_patient_is_left_and_the_counts_are(shelf: Shelf) -> None:
    own, other = shelf.decide(1), shelf.decide(2)
    result = shelf.report(own, sent=False)
    with shelf.database.begin() as transaction:
        before = instances.count(transaction)
        values = {"study_instance_uid": "1.2.5.1", "at": NOW, "action": "claim", "actor": "ada", "comment": "ID1!"}
        transaction.execute(sa.insert(t.worklist_events).values(values))
        transaction.execute(sa.update(t.results).values(patient_id="ID1"))
        record = erasure.erase(transaction, "ID1", "request", "ada", NOW)
    erasure.delete_files(shelf.database, shelf.objects, record, NOW)
    assert (record.images, record.results, record.studies) == ((own,), (result.sop_instance_uid,), 1)
    assert shelf.has(own, other) == [False, True]
    assert [shelf.objects.exists(key) for key in (preview_key(own), result.object_key)] == [False, False]
    rows = everything(shelf.database)
    assert [text for text in ("'ID1'", "ACC1'", "ID1!") if text in rows] == []
    assert "'ID2'" in rows
    with shelf.database.begin() as transaction:
        assert instances.count(transaction) == before
        states = transaction.execute(sa.select(t.deliveries.c.state)).scalars().all()
        assert erasure.erase(transaction, "ID1", "again", "ada", NOW) == record, "it is done once more"
        with pytest.raises(NotFoundError):
            erasure.erase(transaction, "ID3", "again", "ada", NOW)
    assert states == ["CANCELLED"]
    document = record.document("miqa-1")
    assert (erasure.names(document, "ID1"), erasure.names(document, "ID2")) == (True, False)
    assert "ID1" not in json.dumps(document)


def test_what_forbids_an_erasure(shelf: Shelf) -> None:
    of = shelf.decide(1)
    with shelf.database.begin() as transaction:
        with pytest.raises(ConflictError, match="reason"):
            erasure.erase(transaction, "ID1", " ", "ada", NOW)
        with pytest.raises(NotFoundError):
            erasure.erase(transaction, "", "why", "ada", NOW)
        hold = holds.put(transaction, "1.2.5.1", "", "court", "ada", NOW)
        with pytest.raises(ConflictError, match="legal hold"):
            erasure.erase(transaction, "ID1", "why", "ada", NOW)
        holds.clear(transaction, hold.hold_id, "over", "ada", NOW)
    shelf.arrive(2, study_number=1)
    with shelf.database.begin() as transaction, pytest.raises(ConflictError, match="1 image of the patient"):
        erasure.erase(transaction, "ID1", "why", "ada", NOW)
    assert shelf.has(of) == [True]


def test_an_interrupted_erasure_is_finished_and_images_that_come_again_are_noticed(shelf: Shelf) -> None:
    of = shelf.decide(1)
    with shelf.database.begin() as transaction:
        number = erasure.erase(transaction, "ID1", "request", "ada", NOW).erasure_id
    assert shelf.has(of) == [True]  # killed here
    with shelf.database.begin() as transaction:
        record = erasure.load(transaction, number)
        assert erasure.select(transaction) == [record]
    erasure.delete_files(shelf.database, shelf.objects, record, datetime.now(UTC))
    assert shelf.has(of) == [False]
    shelf.arrive(1)
    with pytest.raises(ConflictError, match="sent after the erasure"):
        erasure.delete_files(shelf.database, shelf.objects, record, datetime.now(UTC))
    with shelf.database.begin() as transaction:
        assert [one.studies for one in patient_choice.choose(transaction, "ID1")] == [1]


def test_a_signature_holds_for_one_document_and_one_key(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    signer = Signer.open(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Signer.open(path).public_key == signer.public_key
    signed = json.loads(json.dumps(signer.sign({"what": "ü", "n": 1})))
    assert verify(signed, signer.public_key) == {"what": "ü", "n": 1}
    other = Signer.open(tmp_path / "other.key")
    changed = {**signed, "document": {"what": "ü", "n": 2}}
    for document, key in ((changed, signer.public_key), (signed, other.public_key), ({}, signer.public_key)):
        with pytest.raises(SignatureError):
            verify(document, key)
    with pytest.raises(SignatureError, match="public key"):
        verify(signed, "no key")
    path.write_text("no key")
    with pytest.raises(SettingsError, match="signing key"):
        Signer.open(path)


def test_the_command_erases_and_proves(
    tmp_path: Path,
) -> None:  # on SQLite in a data directory
    from miqa_node.interfaces.cli.app import run

    folder = tmp_path / "data"
    folder.mkdir()
    database = Database(f"sqlite:///{folder / 'miqa.sqlite'}")
    database.migrate()
    shelf = Shelf(database, open_objects("", folder / "objects", 0, 1 << 20), tmp_path)
    of = shelf.decide(1)
    proof, where = tmp_path / "proof.json", ["--data-dir", str(folder)]
    assert run(["erase", "patient", "ID1", *where]) == 0
    assert shelf.has(of) == [True]
    assert run(["erase", "patient", "ID1", "--yes", "--reason", "r", "--as", "ada", "--out", str(proof), *where]) == 0
    assert shelf.has(of) == [False]
    assert run(["erase", "verify", str(proof), "--patient", "ID1", *where]) == 0
    assert run(["erase", "verify", str(proof), "--patient", "ID2", *where]) == 1
    proof.write_text(proof.read_text().replace('"ada"', '"bob"'))
    assert run(["erase", "verify", str(proof), *where]) == 1
    assert run(["erase", "proof", "1", *where]) == 0
    database.close()


@pytest.mark.parametrize("complete", [result_index.complete, result_index.complete_sources])
def test_a_header_that_is_read_during_the_erasure_names_the_patient_nowhere(
    shelf: Shelf, complete: Callable[[Database, ObjectStore, float], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.report(shelf.decide(1), sent=True)

    def read_while_erased(_objects: ObjectStore, _key: str, *, own: bool) -> dict[str, str]:
        with shelf.database.begin() as transaction:
            erasure.erase(transaction, "ID1", "request", "ada", NOW)
        return dict.fromkeys(COLUMNS, "ID1")

    monkeypatch.setattr(result_index, "_read", read_while_erased)
    assert complete(shelf.database, shelf.objects, 60.0)
    assert "'ID1'" not in everything(shelf.database)
