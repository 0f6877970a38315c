"""Processes that share a database but not the key of pseudonyms are warned of, by each of them and by doctor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from miqa_node.core.settings import Settings, load_settings
from miqa_node.features.operations.command.doctor import examine
from miqa_node.features.operations.work.pseudonym_watch import PseudonymWatch
from miqa_node.runtime.people import pseudonym_keys
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import pseudonym_keys as table
from tests.waiting import wait_until


def machine(tmp_path: Path, name: str, secret: str = "") -> Settings:
    (tmp_path / name).mkdir(exist_ok=True)
    return load_settings(node={"name": name, "data_dir": tmp_path / name}, analysis={"pseudonym_key": secret})


def look(database: Database, settings: Settings) -> list[str]:
    """What the process of a machine warns of."""
    with capture_logs() as lines:
        PseudonymWatch(database, settings).look()
    return [line["keys"] for line in lines]


def test_a_machine_with_a_key_of_its_own_is_warned_of_until_it_has_that_of_the_others(
    database: Database, tmp_path: Path
) -> None:
    first, second = machine(tmp_path, "work-1"), machine(tmp_path, "work-2")
    assert look(database, first) == []
    (keys,) = look(database, second)
    assert str(tmp_path / "work-1") in keys
    assert str(tmp_path / "work-2") in keys
    assert (tmp_path / "work-2" / "pseudonym.key").read_text().strip() not in keys
    with database.begin() as transaction:
        (alarm,) = pseudonym_keys.alarms(transaction, datetime.now(UTC))
    assert "analysis.pseudonym_key" in alarm.text

    (tmp_path / "work-2" / "pseudonym.key").write_bytes((tmp_path / "work-1" / "pseudonym.key").read_bytes())
    assert look(database, second) == []


def test_one_secret_in_the_settings_is_one_key(database: Database, tmp_path: Path) -> None:
    for name in ("work-1", "work-2"):
        assert look(database, machine(tmp_path, name, "a long secret")) == []


def test_a_machine_that_is_gone_is_forgotten(database: Database, tmp_path: Path) -> None:
    look(database, machine(tmp_path, "old"))
    with database.begin() as transaction:
        transaction.execute(sa.update(table).values(used_at=datetime.now(UTC) - timedelta(days=3)))
    assert look(database, machine(tmp_path, "new")) == []


def test_it_is_said_at_the_start(database: Database, tmp_path: Path) -> None:
    watch = PseudonymWatch(database, machine(tmp_path, "work-1"))
    watch.start()

    def noted() -> bool:
        with database.begin() as transaction:
            return bool(pseudonym_keys.in_use(transaction, datetime.now(UTC)))

    try:
        assert wait_until(noted)
    finally:
        watch.stop()


@pytest.mark.more
def test_doctor_compares_the_key_of_its_machine_and_makes_none(database_url: str, tmp_path: Path) -> None:
    database = Database(database_url)
    database.migrate()
    look(database, machine(tmp_path, "work-1"))
    here = tmp_path / "here"
    here.mkdir()
    config = tmp_path / "miqa.toml"
    config.write_text(f'[node]\nname = "here"\ndata_dir = "{here}"\n[store]\ndatabase_url = "{database_url}"\n')

    def check() -> tuple[bool, str]:
        keys = {one.check: one for one in examine(config, None, [])}["pseudonyms"]
        return keys.ok, f"{keys.detail} {keys.mend}"

    assert check() == (True, "no key yet: the first start makes one ")
    assert not (here / "pseudonym.key").exists()
    (here / "pseudonym.key").write_text("ab" * 32)
    ok, says = check()
    assert not ok
    assert "work-1" in says
    assert "analysis.pseudonym_key" in says
    database.close()
