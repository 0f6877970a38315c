"""Whose files they are: the data directory is the node's alone, and shared folders lead nowhere else."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest
from structlog.testing import capture_logs

from miqa_node.core.files.shared_folder import SharedFolder
from miqa_node.core.settings import load_settings
from miqa_node.errors import DeliveryError, SettingsError
from miqa_node.runtime.store.site_store import open_store
from miqa_node.runtime.work.migration import migrate
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.folder import FolderConfig, FolderDestination
from miqa_node.stages.receive.sources.folder import FolderWatch
from tests.stages.deliver.making import as_file, report
from tests.stages.receive.test_folder import Desk


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o000])
def test_the_data_directory_and_the_database_are_for_the_node_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        database, _ = open_store(load_settings(node={"data_dir": tmp_path / "new"}))
        migrate(database)
        database.close()
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == 0o700
    assert {path.name: mode(path) for path in (tmp_path / "new").glob("miqa.sqlite*")} == {"miqa.sqlite": 0o600}


def test_an_older_data_directory_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    (tmp_path / "miqa.sqlite").touch()
    (tmp_path / "miqa.sqlite").chmod(0o644)
    tmp_path.chmod(0o755)

    open_store(load_settings(node={"data_dir": tmp_path}))[0].close()

    assert (mode(tmp_path), mode(tmp_path / "miqa.sqlite")) == (0o700, 0o600)


def test_a_folder_of_others_stays_open_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    tmp_path.chmod(0o755)

    with capture_logs() as lines:
        open_store(load_settings(node={"data_dir": tmp_path}))[0].close()

    assert mode(tmp_path) == 0o755
    assert [line["event"] for line in lines] == ["others on this host may read it"]


def test_the_lock_of_a_watched_folder_empties_no_file_elsewhere(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    outside = tmp_path / "outside.txt"
    outside.write_text("theirs")
    (desk.folder / ".miqa-watch").symlink_to(outside)

    with pytest.raises(SettingsError, match=r"watch\.folder"):
        desk.watch.start()
    assert outside.read_text() == "theirs"


@pytest.mark.parametrize("kind", ["done", "failed"])
def test_a_link_in_place_of_done_or_failed_leads_nowhere(tmp_path: Path, kind: str) -> None:
    desk = Desk(tmp_path, keep_done_days=1)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "old.dcm").write_text("theirs")
    (desk.folder / kind).rmdir()
    (desk.folder / kind).symlink_to(outside)
    desk.put("a.dcm", source="CT_small.dcm" if kind == "done" else "README.txt")
    now = time.time()
    with pytest.MonkeyPatch.context() as patch, capture_logs():
        for days in (0, 0, 9):  # retention has come round, too
            patch.setattr(time, "time", lambda days=days: now + days * 86_400)
            with suppress(OSError):  # the link is an error, and logged by the watch
                desk.watch.look()

    assert [path.name for path in outside.iterdir()] == ["old.dcm"]
    with pytest.raises(SettingsError):
        FolderWatch(desk.settings, desk.watch._intake, "MIQA").start()


def test_a_reason_is_never_written_over_what_is_there(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    outside = tmp_path / "outside.txt"
    outside.write_text("theirs")
    (desk.folder / "failed/a.docx.txt").symlink_to(outside)
    path = desk.folder / "a.docx"
    path.write_bytes(b"Dear colleague, " * 100)
    os.utime(path, (time.time() - 60,) * 2)

    with capture_logs():
        desk.watch.look()
        desk.watch.look()

    assert outside.read_text() == "theirs"
    assert (desk.folder / "failed/a.docx").exists()


def test_files_that_become_links_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("theirs")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path / "secret")
    (tmp_path / "in/pipe").touch()
    (tmp_path / "in/pipe").unlink()
    os.mkfifo(tmp_path / "in/pipe")
    (tmp_path / "in/way").symlink_to(tmp_path)
    with SharedFolder(tmp_path / "in") as folder:
        assert list(folder.files()) == []
        for name in ("link", "way/secret", "pipe", "../secret"):
            with pytest.raises(OSError):
                folder.read(PurePosixPath(name))


def test_a_delivery_follows_no_link(tmp_path: Path) -> None:
    ds = report()
    outside = tmp_path / "outside.txt"
    outside.write_text("theirs")
    folder = tmp_path / "out"
    folder.mkdir()
    destination = FolderDestination(
        FolderConfig(name="f", folder=str(folder)), DeliveryContext(load_settings().deliver, "MIQA")
    )
    (folder / f"{ds.SOPInstanceUID}.dcm").symlink_to(outside)
    part = folder / f".{ds.SOPInstanceUID}.dcm.part"
    part.symlink_to(outside)

    with pytest.raises(DeliveryError):
        destination.send_one(ds.SOPClassUID, ds.SOPInstanceUID, as_file(ds)[2])
    (folder / f"{ds.SOPInstanceUID}.dcm").unlink()
    destination.send_one(ds.SOPClassUID, ds.SOPInstanceUID, as_file(ds)[2])

    assert outside.read_text() == "theirs"
    assert [path.name for path in folder.iterdir()] == [f"{ds.SOPInstanceUID}.dcm"]
