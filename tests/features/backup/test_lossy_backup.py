"""``restore --verify`` of a backup that lacks what the node had lost says so, and is not content."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.features.backup import work as backup
from miqa_node.interfaces.cli.app import run
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.store.object_keys import original_key
from tests.features.retention.rows.test_retention import Shelf


@pytest.mark.parametrize(("harm", "number"), [("lost", 1), ("damaged", 1), ("lost", 3)])
def test_a_lossy_backup_is_not_complete(
    shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: str, number: int
) -> None:
    folder = tmp_path / "backup"
    keys = [original_key(shelf.decide(one)) for one in range(5)]
    for key in keys[:number]:
        file = shelf.folder / "objects" / key
        file.unlink() if harm == "lost" else file.write_bytes(b"x")
    backup.back_up(shelf.database, shelf.objects, shelf.folder, folder)

    assert run(["restore", str(folder), "--verify"]) == Exit.FAILED
    text = capsys.readouterr().out
    assert all(f"not in the backup, because the node had {harm} {key}" in text for key in keys[:number])
    lacks = "1 object" if number == 1 else f"{number} objects"
    assert f"The backup is not complete: it lacks {lacks}. What it has is unchanged." in text
    assert "complete and unchanged" not in text


def test_a_whole_one_is(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shelf.decide(1)
    backup.back_up(shelf.database, shelf.objects, shelf.folder, tmp_path / "backup")
    assert run(["restore", str(tmp_path / "backup"), "--verify"]) == Exit.OK
    assert "The backup is complete and unchanged." in capsys.readouterr().out
