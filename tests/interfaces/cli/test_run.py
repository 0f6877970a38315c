"""A whole node, started and asked by its commands alone, with a receiving PACS beside it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt

from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.run_node import StopSignal
from miqa_node.stages.receive.contexts import VERIFICATION
from tests.interfaces.cli.conftest import Ran
from tests.waiting import LIMIT_S, delay, wait_until

UID = "1.2.826.0.1.3680043.8.498.1"
NODE = [sys.executable, "-c", "from miqa_node.interfaces.cli.app import main; main()"]


@dataclass
class Pacs:
    port: int
    modalities: list[str]


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    """A storage SCP that notes what it was sent."""
    modalities: list[str] = []

    def on_store(event: evt.Event) -> int:
        modalities.append(event.dataset.Modality)
        return 0x0000

    ae = AE("PACS")
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context(VERIFICATION)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
    assert server is not None
    yield Pacs(server.server_address[1], modalities)
    server.shutdown()


@dataclass
class Running:
    process: subprocess.Popen[str]
    dicom_port: int
    web: str


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a node whose whole state lies in a folder; it is killed at the end if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def make(*flags: object) -> Running:
        with (tmp_path / "node.log").open("w") as log:
            process = subprocess.Popen(
                [*NODE, "run", "--dicom-port", "0", "--web-port", "0", *map(str, flags)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "MIQA_DICOM__HOST": "127.0.0.1", "MIQA_WORK__PROCESSES": "1"},
            )
        started.append(process)
        assert process.stdout is not None
        dicom = re.fullmatch(r"DICOM ([A-Z_]+)@127\.0\.0\.1:(\d+)\n", process.stdout.readline())
        web = re.fullmatch(r"web +(http://localhost:\d+)/\n", process.stdout.readline())
        assert dicom, (tmp_path / "node.log").read_text()
        assert web
        return Running(process, int(dicom[2]), web[1])

    yield make
    for process in started:
        process.kill()
        process.wait(timeout=LIMIT_S)
        if process.stdout is not None:
            process.stdout.close()


def test_a_taken_port_names_its_setting(cli: Callable[..., Ran], data_dir: Path, signals_as_before: None) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        ran = cli("run", "--data-dir", data_dir, "--dicom-port", "0", "--web-port", holder.getsockname()[1])

    assert ran.code == Exit.USAGE
    assert "web.port" in ran.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_the_node_cleanly_and_a_second_one_at_once(
    number: signal.Signals, signals_as_before: None
) -> None:
    with StopSignal() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        stop.wait()
        assert stop.is_set()
        assert signal.getsignal(number) is signal.SIG_DFL
    stop.set()  # late, from another thread


def test_a_signal_that_another_thread_takes_ends_the_node(signals_as_before: None) -> None:
    awake = threading.Event()

    def take() -> None:
        delay(0.3)  # the main thread waits meanwhile
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        if not awake.wait(60.0):
            os.kill(os.getpid(), signal.SIGKILL)  # a main thread that sleeps for ever cannot fail a test

    taker = threading.Thread(target=take)
    with StopSignal() as stop:
        taker.start()
        stop.wait()
        awake.set()
        taker.join()

    assert stop.is_set()


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    """The handlers of the test run come back after the test."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    signal.set_wakeup_fd(-1)
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.more
def test_from_the_modality_to_the_pacs_and_the_worklist(
    cli: Callable[..., Ran], start: Callable[..., Running], pacs: Pacs, data_dir: Path, tmp_path: Path
) -> None:
    blank = write_blank_radiograph(tmp_path / "blank.dcm")
    (tmp_path / "page.dcm").write_text("<html>")
    node = start("--data-dir", data_dir, "--ae-title", "QUALITY", "--destination", f"pacs=PACS@127.0.0.1:{pacs.port}")

    sent = cli("send", blank, tmp_path / "page.dcm", "--to", f"QUALITY@127.0.0.1:{node.dicom_port}", "--json")
    assert sent.code == Exit.FAILED
    assert sent.lines[0] == {"file": str(blank), "sop_instance_uid": f"{UID}.3"}
    assert "error" in sent.lines[1]

    wait_until(lambda: {"SR", "KO"} <= set(pacs.modalities))
    (item,) = cli("worklist", "list", "--json", "--data-dir", data_dir).json["items"]
    assert item["study_instance_uid"] == f"{UID}.1"
    assert "All pixels have the same value or are padding." in item["images"][0]["reasons"]
    wait_until(lambda: "QUEUED" not in cli("explain", f"{UID}.3", "--data-dir", data_dir).out)
    (image,) = cli("explain", f"{UID}.3", "--json", "--data-dir", data_dir).json["instances"]
    assert {one["state"] for result in image["results"] for one in result["deliveries"]} == {"SENT"}

    page = fetch(node.web).decode()
    preview = re.search(r'src="(/previews/[0-9a-f]{64}\.png)"', page)
    assert preview, page
    assert fetch(node.web + preview[1]).startswith(b"\x89PNG")
    metrics = fetch(f"{node.web}/metrics").decode()
    assert 'miqa_cstore_received_total{status="0000"} 1.0' in metrics
    assert "miqa_worklist_open 1.0" in metrics

    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(timeout=LIMIT_S) == Exit.OK
    log = (tmp_path / "node.log").read_text()
    assert '"event": "image"' in log
    assert "Muster" not in log
    assert "P-4711" not in log


@pytest.mark.more
def test_doctor_asks_destinations_by_c_echo(cli: Callable[..., Ran], pacs: Pacs, data_dir: Path) -> None:
    here, nowhere = f"here=PACS@127.0.0.1:{pacs.port}", "nowhere=PACS@127.0.0.1:1"

    ran = cli("doctor", "--data-dir", data_dir, "--destination", here, "--destination", nowhere, "--json")

    checks = {check["check"]: check for check in ran.json["checks"]}
    assert ran.code == Exit.FAILED
    assert checks["destination here"]["ok"]
    assert not checks["destination nowhere"]["ok"]
    assert "MIQA" in checks["destination nowhere"]["mend"]


def write_blank_radiograph(path: Path) -> Path:
    """A chest radiograph that was never exposed; the patient's name must not turn up anywhere."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (f"{UID}.{n}" for n in (1, 2, 3))
    dataset.PatientName, dataset.PatientID = "Muster^Erika", "P-4711"
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "CR", "CHEST", "PA"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20261120"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "093000"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyID = ""
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.PatientOrientation = ["L", "F"]
    dataset.PixelSpacing = [0.2, 0.2]
    dataset.Rows = dataset.Columns = 128
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = np.full((128, 128), 5, np.uint16).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        content: bytes = answer.read()
    return content


@pytest.mark.more
def test_the_set_up_link_is_in_a_file_of_the_nodes_user_and_not_in_what_a_service_prints(
    start: Callable[..., Running], data_dir: Path, tmp_path: Path
) -> None:
    node = start("--data-dir", data_dir)
    assert node.process.stdout is not None
    node.process.stdout.readline()
    line = node.process.stdout.readline()

    file = data_dir / "set-up-link"
    assert line == f"set up the address in {file}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    link = file.read_text().strip()
    assert re.fullmatch(rf"http://localhost:{node.web.rpartition(':')[2]}/welcome/\S+", link)
    assert b"Set up this node" in fetch(link)
    assert link.rpartition("/")[2] not in (tmp_path / "node.log").read_text()
