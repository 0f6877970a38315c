"""The watched folder: whole files only, each received once, set aside with a reason, or left while there is no room."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.settings import WatchSettings, load_settings
from miqa_node.errors import ResourcesError, SettingsError
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.sources.folder import FolderWatch
from tests.waiting import stays, wait_until


class Desk:
    """A watched folder and what came through it."""

    def __init__(self, tmp_path: Path, max_bytes: int = 100_000_000, **changes: object) -> None:
        self.folder = tmp_path / "watched"
        self.folder.mkdir()
        self.received: list[ReceivedObject] = []
        self.files: list[bytes] = []
        self.full = False
        intake = Intake(tmp_path / "incoming", self._keep, lambda: None, max_bytes)
        self.settings: WatchSettings = load_settings(
            watch={"folder": str(self.folder), "interval_s": 0.05, "settle_s": 1.0, **changes}
        ).watch
        self.watch = FolderWatch(self.settings, intake, "MIQA")
        for name in ("done", "failed"):
            (self.folder / name).mkdir()

    def _keep(self, received: ReceivedObject) -> None:
        if self.full:
            raise ResourcesError("The disk is full.")
        self.received.append(received)
        self.files.append(Path(received.path).read_bytes())

    def put(self, name: str, source: str = "CT_small.dcm", age_s: float = 60.0) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(get_testdata_file(source)), path)
        os.utime(path, (time.time() - age_s,) * 2)
        return path

    def tree(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_file_is_taken_once_it_has_not_changed_and_keeps_its_place(desk: Desk) -> None:
    original = desk.put("cd/a.dcm").read_bytes()
    assert desk.watch.look() == 0  # seen for the first time
    assert desk.watch.look() == 1
    assert desk.tree() == ["done/cd/a.dcm"]
    (received,) = desk.received
    assert received.calling_ae_title == "FOLDER"
    assert desk.files[0].endswith(original[-30_000:])  # the data set as it came
    assert desk.watch.look() == 0


def test_a_file_that_grows_or_is_new_or_has_a_name_of_something_unfinished_waits(desk: Desk) -> None:
    growing = desk.put("growing.dcm")
    desk.put("new.dcm", age_s=0.0)
    for name in (".hidden.dcm", "x.part", "y.TMP", "z.filepart"):
        desk.put(name)
    desk.watch.look()
    with growing.open("ab") as file:
        file.write(b"\0" * 10)
    os.utime(growing, (time.time() - 60,) * 2)
    assert desk.watch.look() == 0
    assert desk.received == []


def test_what_is_no_dicom_is_set_aside_with_a_reason_and_an_index_is_no_image(desk: Desk) -> None:
    path = desk.folder / "notes.docx"
    path.write_bytes(b"Dear colleague, " * 100)
    os.utime(path, (time.time() - 60,) * 2)
    desk.put("DICOMDIR")
    desk.watch.look()
    assert desk.watch.look() == 2
    assert desk.tree() == ["done/DICOMDIR", "failed/notes.docx", "failed/notes.docx.txt"]
    assert (desk.folder / "failed/notes.docx.txt").read_text().startswith("C000 Not a DICOM")


def test_without_room_everything_stays_and_is_taken_later(desk: Desk) -> None:
    desk.put("a.dcm")
    desk.full = True
    desk.watch.look()
    assert desk.watch.look() == 0
    assert desk.tree() == ["a.dcm"]
    desk.full = False
    desk.watch._intake._checked_at = float("-inf")
    desk.watch.look()
    assert desk.tree() == ["done/a.dcm"]


def test_files_of_every_encoding_and_without_header_come_in(desk: Desk) -> None:
    sources = [
        "image_dfl.dcm",
        "ExplVR_BigEnd.dcm",
        "JPEG2000.dcm",
        "ExplVR_LitEndNoMeta.dcm",
        "rtplan.dcm",
        "liver_1frame.dcm",
    ]
    for number, source in enumerate(sources):
        desk.put(f"{number}.dcm", source)
    desk.watch.look()
    assert desk.watch.look() == len(sources)
    assert [path for path in desk.tree() if path.startswith("failed")] == []
    for data in desk.files:
        assert data[128:132] == b"DICM"
    assert len({received.digest for received in desk.received}) == len(sources)


def test_two_files_of_one_name_are_both_kept_and_old_ones_go(desk: Desk) -> None:
    for _ in range(2):
        desk.put("a.dcm")
        desk.watch.look()
        desk.watch.look()
    assert desk.tree() == ["done/a.dcm", "done/a.dcm-1"]
    real = time.time
    try:
        time.time = lambda: real() + 8 * 86400
        desk.watch.look()
    finally:
        time.time = real
    assert desk.tree() == []


def test_only_one_of_two_processes_looks(tmp_path: Path) -> None:
    desk = Desk(tmp_path, settle_s=0.01)
    other = FolderWatch(desk.settings, desk.watch._intake, "MIQA")
    desk.watch.start()
    other.start()
    desk.put("a.dcm")
    wait_until(lambda: "done/a.dcm" in desk.tree())
    stays(lambda: len(desk.received) == 1, for_s=0.2)
    other.stop()
    desk.watch.stop()
    assert len(desk.received) == 1


def test_a_folder_that_is_not_there_is_said_at_the_start(tmp_path: Path, desk: Desk) -> None:
    shutil.rmtree(desk.folder)
    with pytest.raises(SettingsError, match=r"watch\.folder"):
        desk.watch.start()


def test_links_are_not_followed(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside.dcm"
    shutil.copy(str(get_testdata_file("CT_small.dcm")), outside)
    (desk.folder / "link.dcm").symlink_to(outside)
    desk.watch.look()
    assert desk.watch.look() == 0
    assert outside.exists()


def test_a_file_beyond_the_limit_is_set_aside_and_holds_nothing_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_bytes=20_000)
    desk.put("a-huge.dcm")
    desk.put("b.dcm", "rtplan.dcm")
    desk.watch.look()
    assert desk.watch.look() == 2
    assert desk.tree() == ["done/b.dcm", "failed/a-huge.dcm", "failed/a-huge.dcm.txt"]
    assert "max_object_bytes" in (desk.folder / "failed/a-huge.dcm.txt").read_text()


def test_a_file_that_may_not_be_read_waits_and_holds_nothing_back(desk: Desk) -> None:
    locked = desk.put("a.dcm")
    desk.put("b.dcm")
    with as_nobody(desk.folder.parent):
        locked.chmod(0)
        desk.watch.look()
        assert desk.watch.look() == 1
        assert desk.tree() == ["a.dcm", "done/b.dcm"]
        locked.chmod(0o644)
        assert desk.watch.look() == 1


def test_a_file_that_may_not_be_moved_is_taken_once_and_holds_nothing_back(desk: Desk) -> None:
    stuck = desk.put("cd/a.dcm")
    desk.put("d.dcm")
    with as_nobody(desk.folder.parent):
        stuck.parent.chmod(0o555)
        desk.watch.look()
        desk.watch.look()
        assert desk.watch.look() == 0
        assert desk.tree() == ["cd/a.dcm", "done/d.dcm"]
        assert len(desk.received) == 2
        stuck.parent.chmod(0o755)
        os.utime(stuck, (time.time() - 50,) * 2)  # somebody copied it anew
        desk.watch.look()
        assert desk.watch.look() == 1
        assert desk.tree() == ["done/cd/a.dcm", "done/d.dcm"]


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Give the folder to an account that permissions stop, and act as it; nothing to do where we are one."""
    if os.geteuid() != 0:
        yield
        return
    before = {parent: parent.stat().st_mode for parent in folder.parents if parent.stat().st_mode & 0o011 != 0o011}
    for parent, mode in before.items():
        parent.chmod(mode | 0o011)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, -1)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for parent, mode in before.items():
            parent.chmod(mode)


def test_a_file_with_a_time_in_the_future_is_taken_once_it_has_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, settle_s=60.0)
    desk.put("a.dcm", age_s=-86_400.0)
    desk.watch.look()
    assert desk.watch.look() == 0  # not watched for long enough
    later = time.monotonic() + 61.0
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert desk.watch.look() == 1


def test_a_transfer_syntax_that_is_none_leaves_nothing_open(desk: Desk, tmp_path: Path) -> None:
    for number, syntax in enumerate((b"1.2.840.\xff\xfe8.1", b"no transfer syntax", b"1." * 40)):
        data = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
        at = data.index(b"\x02\x00\x10\x00UI")
        length = int.from_bytes(data[at + 6 : at + 8], "little")
        padded = syntax + b"\0" * (len(syntax) % 2)
        element = data[at : at + 6] + len(padded).to_bytes(2, "little") + padded
        path = desk.folder / f"{number}.dcm"
        path.write_bytes(data[:at] + element + data[at + 8 + length :])
        os.utime(path, (time.time() - 60,) * 2)
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    desk.watch.look()
    assert desk.watch.look() == 3
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    assert list((tmp_path / "incoming").iterdir()) == []
    assert all("UID" in path.read_text() for path in (desk.folder / "failed").glob("*.txt"))
    assert len(list((desk.folder / "failed").glob("*.txt"))) == 3


def test_files_received_long_ago_go_only_if_the_clock_is_trusted(desk: Desk) -> None:
    (desk.folder / "done" / "old.dcm").write_bytes(b"")
    settings, intake = desk.settings.model_copy(update={"keep_done_days": -1}), desk.watch._intake
    FolderWatch(settings, intake, "MIQA", lambda: None).look()
    assert desk.tree() == ["done/old.dcm"]
    FolderWatch(settings, intake, "MIQA").look()
    assert desk.tree() == []
