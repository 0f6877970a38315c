"""Disks that are full, fail or are read-only: the sender is told, nothing is lost, and the node goes on by itself."""

from __future__ import annotations

import errno
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.faults import ALL, FAULT_S, Record, at_work, check, marks, only_with_all, shim, wait_for_refusal
from tests.unit.deliver.receiver import Receiver

SOME_PERCENT = 15

pytestmark = marks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data directory of its own file system."""
    folder = tmp_path / "data"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(
    small_disk: Path, tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record
) -> None:
    station = at_work(tmp_path, samples, webhook, {"MIQA_STORE__MIN_FREE_BYTES": "4000000"})
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while file.write(bytes(1 << 12)):
            pass
    wait_for_refusal(station, 3)
    ballast.unlink()
    check(station, record_property)


@pytest.fixture
def failing(tmp_path: Path) -> dict[str, str]:
    """Environment of a node whose writes below its data directory fail while the file ``flag`` exists."""
    return {
        "LD_PRELOAD": shim("failing_disk.c", tmp_path),
        "FAILING_FOLDER": str(tmp_path / "data"),
        "FAILING_FLAG": str(tmp_path / "flag"),
    }


@only_with_all
@pytest.mark.parametrize("error", ["EIO", "EROFS"])
def test_a_disk_that_fails(
    error: str, tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record, failing: dict[str, str]
) -> None:
    station = at_work(tmp_path, samples, webhook, failing)
    flag = tmp_path / "flag"
    flag.write_text(str(getattr(errno, error)))
    wait_for_refusal(station, 3)
    time.sleep(FAULT_S)
    flag.unlink()
    check(station, record_property)


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"] if ALL else ["ENOSPC"])
def test_a_disk_of_which_some_writes_fail(
    error: str, tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record, failing: dict[str, str]
) -> None:
    """Each kind of write meets the error sooner or later: of the object, the database, its journal, a folder."""
    station = at_work(tmp_path, samples, webhook, failing)
    flag = tmp_path / "flag"
    flag.write_text(f"{getattr(errno, error)} {SOME_PERCENT}")
    wait_for_refusal(station, 3)
    time.sleep(FAULT_S)
    flag.unlink()
    check(station, record_property)
