"""Faults around a working node, one after the other: it says what is wrong, loses nothing, and recovers by itself.

``make faults`` writes the recovery times to benchmarks/results/.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import PostgresServer, free_port
from tests.crash.station import LIMIT_S, SOUND, Pacs, Station
from tests.unit.deliver.receiver import Receiver, receiver
from tests.waiting import wait_until

OUT_OF_RESOURCES = 0xA700
FAULT_S = 3.0
ALL = os.environ.get("FAULTS") == "all"
"""As ``make faults`` says; else only the quick ones run."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings(
        "ignore:.*unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]
only_with_all = pytest.mark.skipif(not ALL, reason="runs with make faults")
Record = Callable[[str, object], None]


@pytest.fixture
def told() -> Iterator[Receiver]:
    with receiver() as told:
        yield told
    gc.collect()


def check(station: Station, record_property: Record) -> None:
    """After the fault: measure until a fresh image is reported, then compare what was promised with what came."""
    record_property("recovery_s", round(station.next_report_s(), 1))
    counts = station.finish()
    for name, value in counts.items():
        record_property(name, value)
    assert {name: counts[name] for name in SOUND} == SOUND


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


def test_a_full_disk(small_disk: Path, tmp_path: Path, samples: Path, told: Receiver, record_property: Record) -> None:
    station = Station(tmp_path, samples / "RG3_UNCR.dcm", told, {"MIQA_STORE__MIN_FREE_BYTES": "4000000"})
    station.next_report_s()
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while file.write(bytes(1 << 12)):
            pass
    wait_until(lambda: station.scanner.refused[OUT_OF_RESOURCES] > 2, LIMIT_S, "the sender is told")
    ballast.unlink()
    check(station, record_property)


@pytest.mark.parametrize("state", ["aborting", "away", "silent", "full"] if ALL else ["aborting"])
def test_a_destination_that_is(
    state: str, tmp_path: Path, samples: Path, told: Receiver, record_property: Record
) -> None:
    station = Station(tmp_path, samples / "RG3_UNCR.dcm", told, {"MIQA_DELIVER__DIMSE_TIMEOUT_S": "2"})
    station.next_report_s()
    before = station.pacs
    if state == "away":
        before.close()
    before.answer = {"silent": _silence, "aborting": _fail}.get(state, lambda: OUT_OF_RESOURCES)
    time.sleep(FAULT_S)
    during = [station.next_answer() for _ in range(3)]
    time.sleep(FAULT_S)
    assert not set(during) & set(before.reports)
    if state == "away":
        station.pacs = Pacs(before.port)
        station.pacs.files, station.pacs.reports, station.pacs.times = before.files, before.reports, before.times
    station.pacs.answer = lambda: 0x0000
    check(station, record_property)


def _silence() -> int:
    time.sleep(8.0)
    return OUT_OF_RESOURCES


def _fail() -> int:
    raise RuntimeError("as a broken archive does")


@only_with_all
def test_a_bucket_that_is_away(
    tmp_path: Path, samples: Path, told: Receiver, monkeypatch: pytest.MonkeyPatch, record_property: Record
) -> None:
    port = free_port()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    variables = {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "REGION": "us-east-1", "ENDPOINT": endpoint}
    for name, value in {**variables, "ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="faults")
    station = Station(tmp_path, samples / "RG3_UNCR.dcm", told, {"MIQA_STORE__OBJECTS_URL": "s3://faults/node"})
    station.next_report_s()
    server.stop()
    wait_until(lambda: station.scanner.refused[OUT_OF_RESOURCES] > 0, LIMIT_S, "the sender is told")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    check(station, record_property)
    server.stop()


@pytest.mark.peers
@pytest.mark.parametrize("how", ["killed", "stopped"] if ALL else ["killed"])
def test_a_postgresql_that_is(how: str, tmp_path: Path, samples: Path, told: Receiver, record_property: Record) -> None:
    with PostgresServer() as server:
        station = Station(tmp_path, samples / "RG3_UNCR.dcm", told, {"MIQA_STORE__DATABASE_URL": server.url})
        station.next_report_s()
        server.stop(kill=how == "killed")
        wait_until(lambda: station.scanner.refused[OUT_OF_RESOURCES] > 0, LIMIT_S, "the sender is told")
        server.start()
        check(station, record_property)
