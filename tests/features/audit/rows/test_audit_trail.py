"""The audit trail: what is recorded, that no byte changes unnoticed, and that erasing a patient leaves it whole."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.keys.signing import Signer
from miqa_node.features.accounts.rows import attempts
from miqa_node.features.accounts.rows.attempts import Client, SignInOutcome
from miqa_node.features.audit import rows as chain
from miqa_node.features.retention.rows import erasure
from miqa_node.runtime.people import accounts, sessions, users
from miqa_node.runtime.people.audit import marks, patients, records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.open(tmp_path / "signing.key")


def fill(database: Database, count: int = 5, first: int = 1) -> None:
    with database.begin() as transaction:
        for number in range(first, first + count):
            entry = AuditEntry(AuditEvent.STUDY_SEEN, NOW + timedelta(days=number), "ada", study=f"1.2.5.{number}")
            records.add(transaction, entry)


def seal(database: Database, signer: Signer) -> int:
    with database.begin() as transaction:
        return chain.seal(transaction, signer, "miqa-1", NOW)


def faults(database: Database, signer: Signer) -> tuple[str, ...]:
    return chain.check(database, {signer.public_key}).faults


def tamper(database: Database, statement: str) -> None:
    """What somebody does who owns the database."""
    with database.begin() as transaction:
        if database.is_sqlite:
            for trigger in ("audit_records_kept", "audit_records_there"):
                transaction.execute(sa.text(f"DROP TRIGGER IF EXISTS {trigger}"))
        else:
            transaction.execute(sa.text("ALTER TABLE audit_records DISABLE TRIGGER ALL"))
        transaction.execute(sa.text(statement))


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit_records SET actor = 'adb' WHERE number = 3", "record 3 of 2026-01-05T03:04:05.000000+00:00 was"),
        ("UPDATE audit_records SET study = '1.2.5.9' WHERE number = 3", "record 3 "),
        ("UPDATE audit_records SET detail = '{}.' WHERE number = 3", "record 3 "),
        ("UPDATE audit_records SET at = replace(at, 'T', '?') WHERE number = 3", "record 3 "),
        ("UPDATE audit_records SET sha256 = replace(sha256, substr(sha256, 1, 1), 'x') WHERE number = 3", "record 3 "),
        ("UPDATE audit_records SET failed = NOT failed WHERE number = 3", "record 3 "),
        ("DELETE FROM audit_records WHERE number = 3", "record 3 is missing"),
        ("DELETE FROM audit_records WHERE number IN (2, 3)", "records 2 to 3 are missing"),
        ("DELETE FROM audit_records WHERE number >= 4", "records 4 to 5 are missing at the end"),
        ("DELETE FROM audit_records", "records 1 to 5 are missing at the end"),
        ("DELETE FROM audit_marks", "the head of the audit trail is missing"),
        ("UPDATE audit_marks SET number = 4", "the head of the audit trail was changed"),
    ],
)
def test_whatever_is_changed_is_named(database: Database, signer: Signer, statement: str, fault: str) -> None:
    fill(database)
    assert seal(database, signer) == 5
    assert faults(database, signer) == ()
    tamper(database, statement)
    assert faults(database, signer)[0].startswith(fault)


def test_any_flipped_byte_of_any_text_is_named(tmp_path: Path, signer: Signer) -> None:
    file = tmp_path / "miqa.sqlite"
    database = Database(f"sqlite:///{file}")
    database.migrate()
    fill(database)
    seal(database, signer)
    tamper(database, "SELECT 1")
    connection = sqlite3.connect(file, isolation_level=None)
    for column in ("at", "event", "actor", "study", "detail", "sha256"):
        value = connection.execute(f"SELECT CAST({column} AS BLOB) FROM audit_records WHERE number = 2").fetchone()[0]
        for place, bit in ((0, 1), (len(value) - 1, 0x80)):
            changed = bytearray(value)
            changed[place] ^= bit
            update = f"UPDATE audit_records SET {column} = CAST(? AS TEXT) WHERE number = 2"
            connection.execute(update, (bytes(changed),))
            assert faults(database, signer)[0].startswith("record 2 of "), column
            connection.execute(update, (value,))
    assert faults(database, signer) == ()
    connection.close()
    database.close()


def test_sealed_records_cannot_be_changed_by_mistake(database: Database, signer: Signer) -> None:
    fill(database, 1)
    with pytest.raises(sa.exc.DBAPIError, match="cannot be changed"), database.engine.begin() as transaction:
        transaction.execute(sa.text("DELETE FROM audit_records"))
    seal(database, signer)
    for statement in ("DELETE FROM audit_records", "UPDATE audit_records SET actor = 'eve'"):
        with pytest.raises(sa.exc.DBAPIError, match="cannot be changed"), database.engine.begin() as transaction:
            transaction.execute(sa.text(statement))


def test_a_head_of_another_key_proves_nothing(database: Database, signer: Signer, tmp_path: Path) -> None:
    fill(database)
    seal(database, signer)
    tamper(database, "UPDATE audit_records SET number = NULL, sha256 = NULL")
    tamper(database, "DELETE FROM audit_marks")
    other = Signer.open(tmp_path / "other.key")
    seal(database, other)
    assert other.public_key in faults(database, signer)[0]
    assert chain.check(database, {signer.public_key, other.public_key}).faults == ()


def test_several_writers_and_sealers_make_one_chain(database: Database, signer: Signer) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 10):
            fill(database, 2, number)
            seal(database, signer)

    threads = [threading.Thread(target=work, args=(10 * one,)) for one in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = chain.check(database, {signer.public_key})
    assert (result.first, result.last, result.unsealed, result.faults) == (1, 80, 0, ())


def test_records_name_patients_by_pseudonyms_and_an_erasure_leaves_the_chain_whole(
    database: Database, signer: Signer
) -> None:
    with database.begin() as transaction:
        for number in (1, 2):
            instances.record(transaction, header(number, number), study(number), received(digest(number)), "k")
            verdict = Disposition(Verdict.ACCEPT, (), "2026-01", "chest")
            instances.save_disposition(transaction, digest(number), f"1.2.5.{number}", verdict, NOW)
            records.add(transaction, AuditEntry(AuditEvent.IMAGE_SEEN, NOW, "ada", digest=digest(number)))
    seal(database, signer)
    with database.begin() as transaction:
        [mine] = {one.patient for one in records.select(transaction, AuditFilter(patient_id="ID1"))}
        assert [one.study for one in records.after(transaction, 0, 9)] == ["1.2.5.1"] * 2 + ["1.2.5.2"] * 2
        assert records.patient_ids(transaction, [mine]) == {mine: "ID1"}
        records.add(transaction, AuditEntry(AuditEvent.STUDY_SEEN, NOW, "ada", study="1.2.5.1"))
        erasure.erase(transaction, "ID1", "request", "ada", NOW)
    seal(database, signer)
    assert faults(database, signer) == ()
    with database.begin() as transaction:
        assert records.patient_ids(transaction, [mine]) == {}
        assert records.select(transaction, AuditFilter(patient_id="ID1")) == []
        erased, record, *_ = records.select(transaction, AuditFilter())
        assert (erased.event, erased.actor, erased.patient) == (AuditEvent.ERASED, "ada", mine)
        assert record.patient == mine
        rows = [str(row) for row in transaction.execute(sa.select(t.audit_records))]
        assert not [row for row in rows if "ID1" in row or "Doe" in row]
        assert patients.pseudonyms(transaction, ["ID1"])["ID1"] != mine


def test_pruning_leaves_a_checkpoint_from_which_the_rest_can_be_checked(database: Database, signer: Signer) -> None:
    fill(database)
    seal(database, signer)
    with database.begin() as transaction:
        before = NOW + timedelta(days=3)
        assert chain.prune(transaction, signer, "miqa-1", before, NOW, sent="syslog x") == 0
        marks.lease(transaction, "syslog x", NOW, 1.0)
        marks.advance(transaction, "syslog x", 1)
        assert chain.prune(transaction, signer, "miqa-1", before, NOW, sent="syslog x") == 1
        assert chain.prune(transaction, signer, "miqa-1", before, NOW) == 1
    seal(database, signer)
    result = chain.check(database, {signer.public_key})
    assert (result.first, result.last, result.faults) == (3, 7, ())
    tamper(database, "UPDATE audit_records SET actor = 'eve' WHERE number = 3")
    assert faults(database, signer)[0].startswith("record 3 ")
    tamper(database, "UPDATE audit_marks SET sha256 = 'a' WHERE name = 'checkpoint'")
    assert faults(database, signer)[0].endswith("was changed")


def test_accounts_and_sign_ins_are_in_the_trail(database: Database) -> None:
    with database.begin() as transaction:
        accounts.add(transaction, "kim", Role.VIEWER, "the site's sign-on", NOW, subject="https://idp kim")
        accounts.follow_role(transaction, users.load(transaction, "kim"), Role.ADMIN, "the site's sign-on", NOW)
        attempts.note(
            transaction, "kim", Client("10.0.0.7", proxy={"proxy": "127.0.0.1"}), "oidc", SignInOutcome.SIGNED_IN, NOW
        )
        attempts.note(transaction, "", Client("10.0.0.8"), "password", SignInOutcome.REFUSED, NOW)
        secret = sessions.start(transaction, "kim", NOW, most=2)
        sessions.end(transaction, secret, NOW, "10.0.0.7")
        rows = records.select(transaction, AuditFilter())[::-1]
    assert [(one.event, one.actor, one.peer, one.failed) for one in rows] == [
        (AuditEvent.ACCOUNT_CHANGED, "the site's sign-on", "", False),
        (AuditEvent.ACCOUNT_CHANGED, "the site's sign-on", "", False),
        (AuditEvent.SIGNED_IN, "kim", "10.0.0.7", False),
        (AuditEvent.SIGN_IN_FAILED, "", "10.0.0.8", True),
        (AuditEvent.SIGNED_OUT, "kim", "10.0.0.7", False),
    ]
    assert json.loads(rows[1].detail) == {"account": "kim", "action": "role", "detail": "admin"}
    assert json.loads(rows[2].detail) == {"outcome": "signed in", "proxy": "127.0.0.1"}
    assert replace(rows[0], at="").number == 0
