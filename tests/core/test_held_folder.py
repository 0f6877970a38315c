"""Temporary folders of killed processes are removed at the next start; those of running ones and of others stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from miqa_node.core.files.held_folder import hold, sweep

OWNER = """
import sys, threading
from pathlib import Path
from multiprocessing import util
from miqa_node.core.process import start_fork_server
start_fork_server()
print(util.get_temp_dir(), flush=True)
threading.Event().wait(600)
"""


def test_the_folder_of_a_killed_fork_server_is_swept_and_that_of_a_running_one_stays() -> None:
    with tempfile.TemporaryDirectory() as name:  # a socket lies in it, whose path may have 107 characters
        temporary = Path(name)
        with subprocess.Popen(
            [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": name}
        ) as owner:
            try:
                assert owner.stdout is not None
                folder = Path(owner.stdout.readline().strip())
                assert folder.parent == temporary
                assert sweep(temporary) == 0
                assert folder.is_dir()
            finally:
                owner.send_signal(signal.SIGKILL)

        assert folder.is_dir()  # as it always was after kill -9
        assert sweep(temporary) == 1
        assert not folder.exists()


def test_a_folder_of_somebody_else_or_without_a_lock_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pymp-unknown", "pymp-other", "another"):
        (tmp_path / name).mkdir()
    (tmp_path / "pymp-other" / "owner").touch()
    (tmp_path / "another" / "owner").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "owner").touch()
    (tmp_path / "pymp-link").symlink_to(tmp_path / "elsewhere")
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    assert sweep(tmp_path) == 0
    monkeypatch.undo()

    assert sweep(tmp_path) == 1

    assert {path.name for path in tmp_path.iterdir()} == {"pymp-unknown", "another", "elsewhere", "pymp-link"}


def test_a_folder_is_held_once(tmp_path: Path) -> None:
    folder = tmp_path / "pymp-mine"
    folder.mkdir()
    hold(folder)
    hold(folder)
    assert [path.name for path in folder.iterdir()] == ["owner"]
    assert sweep(tmp_path) == 0


def test_what_cannot_be_held_is_no_error(tmp_path: Path) -> None:
    hold(tmp_path / "missing")
