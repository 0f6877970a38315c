"""``miqa-node audit`` on the database of a node."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.keys.signing import KEY_FILE, Signer
from miqa_node.features.audit import rows as chain
from miqa_node.interfaces.cli.app import app
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}")
    database.migrate()
    with database.begin() as transaction:
        for number in (1, 2, 3):
            entry = AuditEntry(AuditEvent.STUDY_SEEN, datetime.now(UTC), "ada", study=f"1.2.{number}")
            records.add(transaction, entry)
        chain.seal(transaction, Signer.open(tmp_path / KEY_FILE), "miqa-1", datetime.now(UTC))
    database.close()
    return tmp_path


def run(folder: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["audit", *words, "--data-dir", str(folder)])
    return done.exit_code, done.stdout


def rewrite(folder: Path, *statements: str) -> None:
    database = Database(f"sqlite:///{folder / 'miqa.sqlite'}")
    with database.begin() as transaction:
        for trigger in ("audit_records_kept", "audit_records_there"):
            transaction.execute(sa.text(f"DROP TRIGGER {trigger}"))
        for statement in statements:
            transaction.execute(sa.text(statement))
        if chain.waits(transaction):
            chain.seal(transaction, Signer.open(folder / KEY_FILE), "miqa-1", datetime.now(UTC))
    database.close()


def test_show_filters_and_is_recorded_itself(folder: Path) -> None:
    code, printed = run(folder, "show", "--study", "1.2.2", "--json")
    assert (code, [json.loads(line)["number"] for line in printed.splitlines()]) == (Exit.OK, [2])
    assert "study seen" in run(folder, "show", "--by", "ada", "--limit", "1")[1]
    assert run(folder, "show", "--event", "audit trail seen", "--json")[1].count("\n") == 2


def test_verify_names_a_changed_record(folder: Path) -> None:
    assert run(folder, "verify") == (Exit.OK, "unbroken: records 1 to 3; not sealed yet: 0\n")
    rewrite(folder, "UPDATE audit_records SET actor = 'eve' WHERE number = 2")
    code, printed = run(folder, "verify")
    assert code == Exit.FAILED
    assert printed.startswith("record 2 of ")


def test_an_export_proves_what_a_new_chain_with_the_same_key_hides(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "trail.jsonl"
    assert run(folder, "export", str(out))[0] == Exit.OK
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [line.get("number", "head") for line in lines] == [1, 2, 3, "head"]
    assert run(folder, "verify", "--against", str(out))[0] == Exit.OK
    rewrite(
        folder,
        "DELETE FROM audit_records WHERE number = 3 OR number IS NULL",
        "DELETE FROM audit_marks",
        "UPDATE audit_records SET number = NULL, sha256 = NULL, actor = 'eve'",
    )
    assert run(folder, "verify")[0] == Exit.OK
    code, printed = run(folder, "verify", "--against", str(out))
    assert (code, printed.count("differs from trail.jsonl")) == (Exit.FAILED, 3)
