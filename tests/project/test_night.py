"""What the gate leaves out runs by night: a record and a page say when, and the gate is red where that is long ago."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tools import night
from tools.night import Part


def test_page_and_record_agree() -> None:
    assert night.parts().keys() <= night.PARTS.keys()
    assert night.published(night.parts()) in night.PAGE.read_text("utf-8")


def test_every_folder_of_tests_is_in_a_run() -> None:
    named = {name for folders in night.SLICES.values() for name in folders.split()}
    stages = {name for name in named if name.startswith("tests/stages/")}
    for folder in (*Path("tests").iterdir(), *Path("tests/stages").iterdir()):
        if folder.is_dir() and any(folder.rglob("test_*.py")) and folder.name != "stages":
            assert str(folder) in named
    assert stages


@pytest.fixture
def small_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A night of two parts, one of two runs, with a record and a page of its own."""
    for name in ("RECORD", "PAGE"):
        copy = tmp_path / getattr(night, name).name
        copy.write_text(getattr(night, name).read_text("utf-8"), "utf-8")
        monkeypatch.setattr(night, name, copy)
    monkeypatch.setattr(night, "STATE", tmp_path / "state")
    ticks = f"echo >> {tmp_path}/ticks"
    runs = {"one": ticks, "two": f"test -e {tmp_path}/sound"}
    monkeypatch.setattr(night, "PARTS", {"tests": Part("tests", 3, lambda: runs), "soak": Part("soak", 6, dict)})
    night.keep({})
    return tmp_path


def test_a_part_goes_on_where_it_ended(small_night: Path) -> None:
    assert night.run("tests") == "failed: two"
    assert night.published({"tests": night.parts()["tests"]}) in night.PAGE.read_text("utf-8")
    (small_night / "sound").touch()
    assert night.run("tests") == "passed"
    assert (small_night / "ticks").read_text() == "\n", "what passed did not run again"
    assert night.last_full_run().startswith(night.parts()["tests"]["commit"])


def test_each_part_has_a_list_of_its_own_of_what_failed(
    tmp_path: Path, small_night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a part whose failure another part has seen pass goes on with nothing, and fails for ever."""
    (tmp_path / "test_one.py").write_text("import pathlib\ndef test_it(): assert pathlib.Path('sound').exists()\n")
    command = f"cd {tmp_path} && {sys.executable} -m pytest -q --rootdir . test_one.py"
    parts = {name: Part(name, 3, lambda: {"all": command}) for name in ("tests", "python")}
    monkeypatch.setattr(night, "PARTS", parts)
    monkeypatch.setattr(night, "pack", lambda _of: None)
    assert night.run("tests") == "failed: all"
    (small_night / "sound").touch()
    assert [night.run("python"), night.run("tests")] == ["passed", "passed"]


@pytest.mark.parametrize(
    ("age", "word", "red"),
    [(0, "", False), (199, "", False), (200, "WARNING: ", False), (299, "WARNING: ", False), (300, "TOO OLD: ", True)],
)
@pytest.mark.usefixtures("small_night")
def test_the_gate_tells_ages(
    age: int, word: str, red: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(night, "PARTS", {"tests": Part("tests", 300, dict)})
    monkeypatch.setattr(night, "commits_since", lambda _of: age)
    assert night.tell_ages() == red
    line = capsys.readouterr().out
    assert line.startswith(f"{word}tests: ")
    assert ("make night PARTS=tests" in line) == bool(word)


@pytest.mark.usefixtures("small_night")
def test_a_short_history_only_warns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(night, "commits_since", lambda _of: None)
    night.keep({"soak": {"at": "2026-01-02T00:00:00+00:00", "commit": "abc", "seconds": 60, "outcome": "passed"}})
    assert night.tell_ages() == 0
    assert "soak: ran 2026-01-02" in capsys.readouterr().out


def test_the_record_counts_from_a_commit() -> None:
    assert json.loads(night.RECORD.read_text("utf-8"))["began"]
