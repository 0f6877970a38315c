"""A worker process has given up what judging does not need, and judges as before."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import UID, HTJ2KLossless, JPEG2000Lossless

from miqa_node.core.domain.delivery import SEG, SR
from miqa_node.core.settings import Settings, load_settings
from miqa_node.isolation import sandbox
from miqa_node.isolation.workers import ImageWorkers
from miqa_node.libraries import onnx_vjp
from miqa_node.stages.report.make import make_objects
from tests.node.test_isolation import instance_of, settings, workers_of
from tests.stages.assess.text.writing import LINES, picture
from tests.stages.assess.text.writing import write as write_text
from tests.stages.report.flagged import judged_series

pytestmark = pytest.mark.skipif(
    not (sys.platform == "linux" and sandbox.landlock_version() >= 4), reason="needs Linux with Landlock 4 or newer"
)
JPEG_XL_LOSSLESS = "1.2.840.10008.1.2.4.110"


@pytest.fixture(scope="module")
def node_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = settings(tmp_path_factory.mktemp("node"))
    made.objects_dir.mkdir()
    (made.node.data_dir / "miqa.sqlite").write_bytes(b"the database")
    return made


@pytest.fixture(scope="module")
def workers(node_settings: Settings) -> Iterator[ImageWorkers]:
    made = workers_of(node_settings)
    yield made
    made.pool.close()


def read(path: str) -> int:
    return len(Path(path).read_bytes())


def write(path: str) -> None:
    Path(path).write_text("changed", "utf-8")


def append(path: str) -> None:
    with Path(path).open("ab") as file:
        file.write(b"more")


def connect(kind: int) -> None:
    socket.socket(kind)


def start_program() -> None:
    subprocess.run(["/bin/true"], check=True)


def become_program() -> None:
    os.execv("/bin/true", ["/bin/true"])


def look_into_parent() -> None:
    Path(f"/proc/{os.getppid()}/environ").read_bytes()


def stop_node(number: int) -> None:
    os.kill(number, 0)


def test_it_can_be_switched_off_and_says_why_it_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    off = settings(tmp_path, sandbox=False)
    assert sandbox.described(off) == "none: work.sandbox is off; worker processes have the rights of the node"
    sandbox.confine(off)
    socket.socket().close()
    monkeypatch.setattr(sandbox, "landlock_version", lambda: 0)
    monkeypatch.setattr(sandbox, "_processor", lambda: None)
    assert "neither Landlock nor seccomp" in sandbox.described(load_settings())


def test_the_folder_of_the_data_is_not_opened_by_the_path_of_the_software(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    inside = load_settings(node={"data_dir": tmp_path / "node/data"})
    paths = sandbox.readable(inside)
    assert tmp_path.resolve() not in paths
    assert not any(inside.node.data_dir.resolve() == path for path in paths)
    assert Path(sandbox.__file__).parents[1] in paths


def test_the_libraries_of_the_node_are_software_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with ``make run``: the data lie in the checkout, so the path of the software does not open it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    paths = sandbox.readable(load_settings(node={"data_dir": tmp_path / "node"}))
    library = Path(onnx_vjp.__file__).resolve()
    assert any(library.is_relative_to(path) for path in paths)


def test_captions_over_the_network_keep_the_network() -> None:
    online = load_settings(caption={"backend": "http", "url": "http://127.0.0.1:9/v1", "token": "x"})
    assert sandbox.described(online).endswith("captions may use the network")


@pytest.mark.more
def test_what_a_worker_does_not_need_is_refused(workers: ImageWorkers, node_settings: Settings) -> None:
    data = node_settings.node.data_dir
    attempts: list[tuple[Callable[..., object], tuple[object, ...]]] = [
        (read, ("/etc/shadow",)),
        (read, (str(data / "miqa.sqlite"),)),
        (append, (str(data / "miqa.sqlite"),)),
        (write, (str(data / "miqa.sqlite"),)),
        (write, (str(node_settings.objects_dir / "new"),)),
        (write, ("/tmp/of-a-worker",)),
        (connect, (socket.AF_INET,)),
        (connect, (socket.AF_INET6,)),
        (connect, (socket.AF_UNIX,)),
        (start_program, ()),
        (become_program, ()),
        (look_into_parent, ()),
        (stop_node, (os.getpid(),)),
    ]
    for attempt, arguments in attempts:
        with pytest.raises(PermissionError):
            pytest.fail(f"{attempt.__name__} {arguments}: {workers.pool.run(attempt, *arguments)}")
    assert (data / "miqa.sqlite").read_bytes() == b"the database"


@pytest.mark.more
def test_it_judges_what_is_stored(workers: ImageWorkers, node_settings: Settings, samples: Path) -> None:
    stored = node_settings.objects_dir / "one.dcm"
    shutil.copy(samples / "RG3_UNCR.dcm", stored)
    assert workers.pool.run(read, str(stored)) == stored.stat().st_size
    assert workers.judge(instance_of(stored), stored, 0).result.assessment.measurements
    assert workers.pool.decode(stored).shape == (1760, 1760)
    assert workers.look(stored, ("DX", "CHEST", "PA")).radiograph.shape == (1760, 1760)
    workers.check()
    workers.check_canary()
    workers.pool.check()


ENCODED: dict[str, Callable[[Any], bytes | bytearray]] = {
    JPEG2000Lossless: partial(imagecodecs.jpeg2k_encode, level=0, reversible=True, codecformat="j2k"),
    HTJ2KLossless: partial(imagecodecs.htj2k_encode, reversible=True),
    JPEG_XL_LOSSLESS: partial(imagecodecs.jpegxl_encode, lossless=True),
}


@pytest.mark.more
@pytest.mark.parametrize("syntax", ENCODED)
def test_every_codec_works_in_it(workers: ImageWorkers, node_settings: Settings, samples: Path, syntax: str) -> None:
    """The codecs that use threads or memory of their own decode to the same values behind Landlock and seccomp."""
    ds = pydicom.dcmread(samples / "RG3_UNCR.dcm")
    pixels = ds.pixel_array
    ds.PixelData = encapsulate([bytes(ENCODED[syntax](pixels))])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    stored = node_settings.objects_dir / f"{syntax}.dcm"
    ds.save_as(stored)
    assert np.array_equal(workers.pool.decode(stored).stored, pixels)


@pytest.mark.more
def test_text_in_pixels_is_read_there(workers: ImageWorkers, node_settings: Settings) -> None:
    """The recogniser's models are files of its wheel: where no network is, it needs none."""
    pytest.importorskip("rapidocr", reason="the extra [text] is not installed")
    path = write_text(node_settings.objects_dir / "text.dcm", picture(*LINES))
    assessment = workers.judge(instance_of(path), path, 0).result.assessment
    assert sorted(line.kind for line in assessment.text) == ["date", "name", "number"]


@pytest.mark.more
def test_the_objects_of_a_marked_series_are_the_same_there(workers: ImageWorkers, node_settings: Settings) -> None:
    """highdicom and SimpleITK are loaded by a process that may start no program and write no file."""
    pytest.importorskip("highdicom")
    series = judged_series(node_settings.objects_dir / "series", "CT")
    there = workers.pool.run(make_objects, *series, None, {SEG, SR})
    assert [one.data for one in there] == [one.data for one in make_objects(*series, kinds={SEG, SR})]
    assert b"cubic centimeter" in there[1].data
