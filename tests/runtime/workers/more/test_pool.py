# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Children with limits: what goes wrong in one image stays in that image."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, RLELossless

from miqa_node.core.settings import Settings, load_settings
from miqa_node.dicom.pixels.encode import encode_frame
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.errors import DecodeError, DecodeLimitError, ResourcesError
from miqa_node.runtime.workers import pool as pool_module
from miqa_node.runtime.workers.children import HELPER_LOST
from miqa_node.runtime.workers.pool import WorkerPool
from tests.runtime.workers.test_pool import _decoding_children, _kill_children, decodes_a_small_image, pool, settings
from tests.waiting import wait_until


def test_an_image_that_needs_too_much_memory_is_given_up(tmp_path: Path, samples: Path) -> None:
    ds = pydicom.dcmread(samples / "MR2_UNCR.dcm")
    ds.Rows, ds.Columns = 30000, 30000
    ds.PixelData = b""
    path = tmp_path / "large.dcm"
    ds.save_as(path)
    whole = path.read_bytes()
    at = whole.rindex(b"\xe0\x7f\x10\x00")
    size = 30000 * 30000 * 2
    with path.open("wb") as file:  # a sparse file: 1.8 GB of zeros that take no room
        file.write(whole[: at + 8] + size.to_bytes(4, "little"))
        file.truncate(at + 12 + size)
    with WorkerPool(settings(memory_bytes=2 << 30, max_pixels=10**9)) as pool:
        with pytest.raises(DecodeLimitError, match="memory_bytes"):
            pool.decode(path)
        decodes_a_small_image(pool, samples)
    with WorkerPool(settings()) as pool, pytest.raises(DecodeError, match="max_pixels"):
        pool.decode(path)


def test_children_end_with_a_node_that_is_killed(samples: Path, tmp_path: Path) -> None:
    script = tmp_path / "node.py"
    script.write_text(
        "import sys, threading\nfrom pathlib import Path\n"
        "from miqa_node.runtime.workers.pool import WorkerPool\nfrom miqa_node.core.settings import load_settings\n"
        "if __name__ == '__main__':\n"
        "    pool = WorkerPool(load_settings())\n"
        f"    pool.decode(Path({str(samples / 'MR2_UNCR.dcm')!r}))\n"
        "    print('up', flush=True)\n    threading.Event().wait(60)\n"
    )
    node = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert node.stdout is not None
    assert node.stdout.readline() == "up\n"
    children = psutil.Process(node.pid).children(recursive=True)
    assert children
    node.kill()
    node.wait()
    node.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_a_fork_server_that_is_killed_is_started_again(samples: Path) -> None:
    with WorkerPool(settings()) as pool:
        decodes_a_small_image(pool, samples)
        children = _decoding_children(os.getpid())
        # Looked up before anything is killed: an orphan's parent is the first process of the machine.
        servers = {psutil.Process(child).parent() for child in children}
        for server in servers:
            assert server is not None
            server.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        decodes_a_small_image(pool, samples)


def test_an_image_whose_child_is_killed_from_outside_is_decoded_again(samples: Path) -> None:
    with WorkerPool(settings()) as pool, ThreadPoolExecutor(1) as threads:
        decodes_a_small_image(pool, samples)
        image = threads.submit(pool.decode, samples / "RG1_J2KR.dcm")
        wait_until(lambda: pool._children._busy)
        _kill_children(signal.SIGKILL)
        assert image.result(30).shape == (1955, 1841)


def test_two_threads_may_encode_jpeg_2000(tmp_path: Path) -> None:
    script = tmp_path / "encode.py"
    script.write_text(
        "import numpy as np, threading\nfrom pydicom.dataset import Dataset\n"
        "from miqa_node.stages.report.made import ReportSettings\n"
        "from miqa_node.stages.report.pixels import add_encapsulated\n"
        "picture = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)\n"
        "def work():\n"
        "    for _ in range(60):\n"
        "        add_encapsulated(Dataset(), [picture], '1.2.840.10008.1.2.4.90', ReportSettings().encode)\n"
        "threads = [threading.Thread(target=work) for _ in range(2)]\n"
        "[t.start() for t in threads]\n[t.join() for t in threads]\n"
    )
    assert subprocess.run([sys.executable, script], check=False, timeout=300).returncode == 0
