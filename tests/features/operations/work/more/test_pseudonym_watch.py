"""Processes that share a database but not the key of pseudonyms are warned of, by each of them and by doctor."""

from __future__ import annotations

from pathlib import Path

from miqa_node.features.operations.command.doctor import examine
from miqa_node.runtime.store.database import Database
from tests.features.operations.work.test_pseudonym_watch import look, machine


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
