"""Children with limits: what goes wrong in one image stays in that image."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

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
from tests.waiting import LIMIT_S, wait_until

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def settings(max_pixels: int = 64_000_000, **changes: object) -> Settings:
    return load_settings(work={"processes": 1, **changes}, imaging={"max_pixels": max_pixels})


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(settings()) as pool:
        yield pool


def test_pixels_arrive_as_they_were_decoded(pool: WorkerPool, samples: Path) -> None:
    path = samples / "RG3_UNCR.dcm"
    image, here = pool.decode(path), decode_frame(path, 0, 10**9)
    assert np.array_equal(image.stored, here.stored)
    assert np.array_equal(image.display, here.display)
    assert np.array_equal(image.stored, pydicom.dcmread(path).pixel_array)
    assert image.display.dtype == np.uint16
    assert (image.steps, image.decoder) == (here.steps, here.decoder)
    assert image.steps[0] == image.decoder == f"pydicom {pydicom.__version__}"
    assert image.stored_range == (0, 1023)


def test_colour_arrives_beside_its_luminance(pool: WorkerPool, samples: Path) -> None:
    path = PYDICOM_FILES / "SC_rgb_rle.dcm"
    image, here = pool.decode(path), decode_frame(path, 0, 10**9)
    assert image.colour is not None
    assert image.colour.shape == (*image.shape, 3)
    assert here.colour is not None
    assert np.array_equal(image.colour, here.colour)
    assert np.array_equal(image.display, here.display)
    assert image.valid is None
    assert pool.decode(samples / "MR2_UNCR.dcm").colour is None


def test_padding_arrives_as_a_mask(pool: WorkerPool) -> None:
    path = PYDICOM_FILES / "CT_small.dcm"
    ds = pydicom.dcmread(path)
    image = pool.decode(path)
    padded = ds.pixel_array == int(ds.PixelPaddingValue)
    assert (image.valid is not None) == bool(padded.any())
    if image.valid is not None:
        assert np.array_equal(image.valid, ~padded)
        assert not image.display[padded].any()


def test_mapped_pixels_outlive_their_file_and_each_other(pool: WorkerPool, samples: Path) -> None:
    first = pool.decode(samples / "RG3_UNCR.dcm")
    total = int(first.display.sum(dtype=np.int64))
    for _ in range(3):
        pool.decode(samples / "MR2_UNCR.dcm")
    assert int(first.display.sum(dtype=np.int64)) == total
    first.display[0, 0] = 7  # callers may work in place
    assert first.display[0, 0] == 7


def test_decoding_leaves_no_file_and_no_descriptor_behind(pool: WorkerPool, samples: Path) -> None:
    pool.decode(samples / "MR2_UNCR.dcm")
    process = psutil.Process()
    before = process.num_fds()
    for _ in range(5):
        pool.decode(samples / "MR2_UNCR.dcm")
        with pytest.raises(DecodeError):
            pool.decode(PYDICOM_FILES / "MR_truncated.dcm")
    assert process.num_fds() <= before + 1


def test_a_missing_file_is_not_the_fault_of_the_image(pool: WorkerPool, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pool.decode(tmp_path / "gone.dcm")


def test_threads_share_the_pool(samples: Path) -> None:
    names = ["MR2_UNCR.dcm", "RG3_UNCR.dcm", "MR2_J2KR.dcm", "693_UNCR.dcm"] * 3
    with WorkerPool(settings(processes=2)) as pool, ThreadPoolExecutor(4) as threads:
        images = list(threads.map(lambda name: pool.decode(samples / name), names))
    for name, image in zip(names, images, strict=True):
        assert np.array_equal(image.stored, pydicom.dcmread(samples / name.replace("J2KR", "UNCR")).pixel_array)


def test_an_image_that_takes_too_long_is_given_up_and_the_next_one_decodes(samples: Path) -> None:
    with WorkerPool(settings(timeout_s=0.15)) as pool:
        decodes_a_small_image(pool, samples)
        with pytest.raises(DecodeLimitError, match=r"0\.15 s.*work.timeout_s"):
            pool.decode(samples / "RG1_J2KR.dcm")
        decodes_a_small_image(pool, samples)


def test_a_warm_decoder_has_a_child_before_the_first_image(samples: Path) -> None:
    others = _decoding_children(os.getpid())
    with WorkerPool(settings(processes=2)) as pool:
        pool.warm()
        wait_until(lambda: len(pool._children._idle) == 1)
        children = _decoding_children(os.getpid()) - others
        assert len(children) == 1
        decodes_a_small_image(pool, samples)
        assert _decoding_children(os.getpid()) - others == children


def test_a_decoder_that_is_closed_while_it_warms_leaves_no_children() -> None:
    others = _decoding_children(os.getpid())
    for _ in range(3):
        pool = WorkerPool(settings())
        pool.warm()
        pool.close()
        assert _decoding_children(os.getpid()) == others


def test_a_crashing_child_costs_one_image(samples: Path, tmp_path: Path) -> None:
    endless = tmp_path / "endless"  # a child reads it until it crashes, however late the signal comes
    os.mkfifo(endless)
    with WorkerPool(settings()) as pool, ThreadPoolExecutor(1) as threads:
        decodes_a_small_image(pool, samples)
        task = threads.submit(pool.run, Path.read_bytes, endless)
        with wait_until(lambda: _writers(endless))[0]:
            _kill_children(signal.SIGSEGV)
            with pytest.raises(DecodeLimitError, match="died"):
                task.result(LIMIT_S)
        decodes_a_small_image(pool, samples)


def _writers(fifo: Path) -> list[IO[bytes]]:
    """The other end of what a child reads; none until it reads."""
    with contextlib.suppress(OSError):
        return [os.fdopen(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK), "wb")]
    return []


def decodes_a_small_image(pool: WorkerPool, samples: Path) -> None:
    assert pool.decode(samples / "693_UNCR.dcm").shape == (512, 512)


def _decoding_children(pid: int) -> set[int]:
    """Children of the fork server: the processes that decode, and no others of this run, such as PostgreSQL's."""
    return {
        child.pid
        for server in psutil.Process(pid).children()
        for child in _children_of_fork_server(server)
        if child.is_running()
    }


def _children_of_fork_server(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children() if "forkserver" in " ".join(process.cmdline()) else []
    return []


def _kill_children(number: signal.Signals) -> None:
    for child in _decoding_children(os.getpid()):
        with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(child, number)


def _pids(pool: WorkerPool) -> set[int]:
    return {child.process.pid for child in list(pool._children._children)}


def test_an_idle_child_that_is_killed_costs_nothing(samples: Path) -> None:
    with WorkerPool(settings()) as pool:
        for _ in range(3):
            decodes_a_small_image(pool, samples)
            killed = set(_decoding_children(os.getpid()))
            _kill_children(signal.SIGKILL)
            wait_until(lambda killed=killed: not killed & _pids(pool))  # type: ignore[misc]
        decodes_a_small_image(pool, samples)


def lose_its_helper() -> None:
    os._exit(HELPER_LOST)


def test_an_image_that_ends_the_inference_process_each_time_is_given_up_with_that_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "PAUSES_AFTER_KILL_S", (0.0, 0.0))
    with WorkerPool(settings()) as pool, pytest.raises(DecodeLimitError, match="inference process ended each time"):
        pool.run(lose_its_helper)


def test_a_step_of_the_clock_kills_no_decoding(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    with WorkerPool(settings()) as pool, ThreadPoolExecutor(1) as threads:
        decodes_a_small_image(pool, samples)
        image = threads.submit(pool.decode, samples / "RG1_J2KR.dcm")
        wait_until(lambda: pool._children._busy)
        monkeypatch.setattr(time, "time", lambda: now() + 7200.0)
        assert image.result(LIMIT_S).shape == (1955, 1841)


def test_a_decoder_without_memory_for_its_children_is_not_ready() -> None:
    with (
        WorkerPool(settings(memory_bytes=1 << 20)) as pool,
        pytest.raises(ResourcesError, match="No image can be decoded"),
    ):
        pool.check()


def test_readiness_decodes_and_heals_by_itself(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "CHECK_LIMIT_S", 1.0)
    monkeypatch.setattr(pool_module, "CHECK_INTERVAL_S", 0.0)
    with WorkerPool(settings()) as pool:
        decodes_a_small_image(pool, samples)
        pool.check()
        (child,) = _pids(pool)  # this one's, not those of the fixture
        server = psutil.Process(child).parent()
        assert server is not None
        server.suspend()  # nothing can be started
        try:
            os.kill(child, signal.SIGKILL)
            wait_until(lambda: not _is_ready(pool))
        finally:
            server.resume()
        wait_until(lambda: _is_ready(pool))
        decodes_a_small_image(pool, samples)


def test_frames_are_encoded_in_the_children(pool: WorkerPool) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    with ThreadPoolExecutor(2) as threads:
        frames = list(threads.map(lambda _: pool.encode(picture, JPEG2000Lossless), range(20)))
    assert set(frames) == {encode_frame(picture, JPEG2000Lossless)}
    with pytest.raises(NotImplementedError):  # an error of the encoder reaches the caller, and the children go on
        pool.encode(picture, "1.2.3")
    assert pool.encode(picture[..., 0], RLELossless) == encode_frame(picture[..., 0], RLELossless)


def _is_ready(pool: WorkerPool) -> bool:
    try:
        pool.check()
    except ResourcesError:
        return False
    return True


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
def test_an_image_whose_child_is_killed_from_outside_is_decoded_again(samples: Path) -> None:
    with WorkerPool(settings()) as pool, ThreadPoolExecutor(1) as threads:
        decodes_a_small_image(pool, samples)
        image = threads.submit(pool.decode, samples / "RG1_J2KR.dcm")
        wait_until(lambda: pool._children._busy)
        _kill_children(signal.SIGKILL)
        assert image.result(LIMIT_S).shape == (1955, 1841)


@pytest.mark.more
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
