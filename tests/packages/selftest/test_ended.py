"""A self-test that is ended leaves no node behind, however it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from miqa_node.core.files.held_folder import sweep
from tests.waiting import wait_until

pytestmark = pytest.mark.more


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_its_node_ends_with_it_and_its_folder_goes(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "miqa_node.interfaces.cli", "selftest", "--out", str(tmp_path / "record")]
    folders = tmp_path / "temporary"
    folders.mkdir()
    environment = {**os.environ, "TMPDIR": str(folders)}
    testing = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    own = psutil.Process(testing.pid)
    wait_until(lambda: list(folders.glob("miqa-selftest-*/node/node.log")))
    processes = own.children(recursive=True)
    assert processes
    testing.send_signal(number)
    testing.wait(120)
    for process in processes:
        wait_until(lambda process=process: not process.is_running() or process.status() == "zombie")  # type: ignore[misc]
    sweep(folders)  # as the next node does
    assert not list(folders.glob("miqa-selftest-*"))
