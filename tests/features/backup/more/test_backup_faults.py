"""What a backup says of objects that the node lost, and that no attempt harms the backup before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.features.backup import work as backup
from miqa_node.features.backup.rows import Fault
from miqa_node.interfaces.cli.app import run
from miqa_node.runtime.store import damages
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.object_keys import original_key, preview_key
from miqa_node.runtime.store.verification import Soundness
from miqa_node.runtime.work.queue import migrate_queue
from tests.features.backup.test_backup import check
from tests.features.backup.test_backup_faults import back_up, restored
from tests.features.retention.rows.test_retention import Shelf

HARMS: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "flipped": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
}


@pytest.mark.parametrize("in_last_backup", [True, False])
def test_what_the_node_lost_is_said_and_does_not_replace_a_good_copy(
    shelf: Shelf, tmp_path: Path, in_last_backup: bool
) -> None:
    """Each harm to an original, to a result and to a preview, of another image each."""
    folder, good = tmp_path / "backup", {}
    for number, harm in enumerate(HARMS):
        of = shelf.decide(100 + number)
        report = shelf.report(shelf.decide(200 + number), sent=True).object_key
        good[original_key(of), harm] = good[report, harm] = good[preview_key(shelf.decide(300 + number)), harm] = b""
    with shelf.database.begin() as transaction:
        transaction.execute(sa.update(t.results).values(size_bytes=6, sha256=hashlib.sha256(b"report").hexdigest()))
    good = {(key, harm): shelf.objects.get(key) for key, harm in good}
    if in_last_backup:
        back_up(shelf, folder)
    for key, harm in good:
        HARMS[harm](shelf.folder / "objects" / key)
    other = shelf.decide(400)  # arrives meanwhile

    made = back_up(shelf, folder)
    # Of a preview without a copy nobody knows how it was.
    plain = [(key, harm) for key, harm in good if in_last_backup or "previews" not in key or harm == "emptied"]
    lost, damaged = ([key for key, harm in plain if (harm == "deleted") == gone] for gone in (True, False))
    words = " (the backup has a good copy)" if in_last_backup else ""
    assert sorted(made.lost) == sorted(f"{key}{words}" for key in lost)
    assert sorted(made.damaged) == sorted(f"{key}{words}" for key in damaged)
    again = back_up(shelf, folder)
    assert (again.lost, again.damaged, again.copied) == (made.lost, made.damaged, 0)
    assert list(backup.check_backup(folder)) == []
    lacks = [f"lost {key}" for key in lost] + [f"damaged {key}" for key in damaged]
    assert sorted(backup.lacking(folder)) == ([] if in_last_backup else sorted(lacks))
    with shelf.database.begin() as transaction:
        states = damages.among(transaction, [key for key, _ in good])
    assert states == {
        key: Soundness.LOST if key in lost else Soundness.DAMAGED for key, _ in plain if "previews" not in key
    }

    elsewhere = restored(folder, tmp_path / "elsewhere")
    assert elsewhere.has(other) == [True]
    if in_last_backup:
        assert {key: elsewhere.objects.get(key) for key, _ in good} == {key: data for (key, _), data in good.items()}
        assert check(elsewhere) == []
    else:  # none of them is called removed
        faults = {(one.fault, one.what) for one in check(elsewhere)}
        assert {what for fault, what in faults if fault is Fault.ORIGINAL_LOST} == {
            Path(key).stem for key in lost if "instances" in key
        }
    elsewhere.database.close()


def test_the_commands_say_what_is_lost(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    migrate_queue(shelf.database)
    of, where = shelf.decide(1), ["--data-dir", str(shelf.folder)]
    shelf.decide(2)
    folder = str(tmp_path / "backup")
    (shelf.folder / "objects" / original_key(of)).unlink()
    assert run(["backup", folder, *where]) == 1
    assert f"lost {original_key(of)}\n" in capsys.readouterr().out
    assert run(["backup", folder, "--json", *where]) == 1
    assert json.loads(capsys.readouterr().out)["lost"] == [original_key(of)]
    assert run(["restore", folder, "--verify"]) == 1
    assert f"not in the backup, because the node had lost {original_key(of)}" in capsys.readouterr().out
    assert run(["restore", folder, "--data-dir", str(tmp_path / "elsewhere")]) == 0
    assert f"not restored, because the node had lost {original_key(of)}" in capsys.readouterr().out
    assert run(["fsck", "--data-dir", str(tmp_path / "elsewhere")]) == 1
