"""Disks that are full, fail or are read-only: the sender is told, nothing is lost, and the node goes on by itself."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx2
import numpy as np
import pytest
from pynetdicom import AE, build_context

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.runtime.people import users
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.store.database import Database
from miqa_node.stages.receive.contexts import VERIFICATION
from tests.crash.faults import (
    ALL,
    FAULT_S,
    OUT_OF_RESOURCES,
    Record,
    at_work,
    check,
    count,
    marks,
    only_with_all,
    shim,
    wait_for_refusal,
)
from tests.crash.station import LIMIT_S, Station, events_about
from tests.small_disk import fill
from tests.small_disk import small_disk as mounted
from tests.stages.deliver.receiver import Receiver
from tests.waiting import delay, grown, wait_until
from tests.web.people import HASHED, PASSWORD

SOME_PERCENT = 15
CALM_S = 0.3
"""Without a write for this time, an image is on its way no more."""
LATER_STEP = 7
FLOOD_MIB = 48
SMALL = {"MIQA_STORE__MIN_FREE_BYTES": "4000000", "MIQA_RETENTION__ENABLED": "false"}
UNREPORTED = 10
"""Images that are accepted while no result can be written."""

pytestmark = marks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data directory of its own file system."""
    with mounted(tmp_path / "data", 96) as folder:
        yield folder


def test_a_full_disk(
    small_disk: Path, tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record
) -> None:
    station = at_work(tmp_path, samples, webhook, {"MIQA_STORE__MIN_FREE_BYTES": "4000000"})
    ballast = small_disk / "ballast"
    fill(ballast)
    wait_for_refusal(station, 3)
    ballast.unlink()
    check(station, record_property)


@pytest.mark.long
def test_a_flood_on_a_small_disk(tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record) -> None:
    """A sender that is faster than the node is refused early enough: what was accepted is judged, people sign in."""
    with mounted(tmp_path / "data", FLOOD_MIB) as folder:
        station = Station(tmp_path, samples, webhook, SMALL | {"MIQA_WORK__PROCESSES": "1"})
        station.next_report_s()
        with database_in(folder) as database, database.begin() as transaction:
            users.add(transaction, "ada", Role.ADMIN, datetime.now(UTC), password_hash=HASHED)
        most = Most(station)
        wait_until(most.is_over, LIMIT_S, "all that was accepted is reported, and the sender is still refused")
        record_property("waiting_at_most", most.waiting)
        record_property("free_kib", shutil.disk_usage(folder).free >> 10)
        station.scanner.held = True
        origin = f"http://localhost:{station.node.web_port}"
        form = {"name": "ada", "password": PASSWORD}
        assert httpx2.post(f"{origin}/sign-in", data=form, headers={"origin": origin}).status_code == 303
        with database_in(folder) as database, database.begin() as transaction:
            assert records.select(transaction, AuditFilter(event=AuditEvent.SIGNED_IN.value, actor="ada"))
        count(station, record_property)


def database_in(folder: Path) -> closing[Database]:
    """The node's own."""
    return closing(Database(f"sqlite:///{folder / 'miqa.sqlite'}"))


class Most:
    """How many images waited at most in a flood, and when it is over."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self.waiting = 0

    def is_over(self) -> bool:
        """Whether the node is idle, and refuses."""
        station, before = self._station, self._station.scanner.refused[OUT_OF_RESOURCES]
        self.waiting = max(self.waiting, station.waiting())
        if station.waiting():
            return False
        delay(1.0)  # the scanner tries again meanwhile
        return station.waiting() == 0 and station.scanner.refused[OUT_OF_RESOURCES] > before


def test_a_start_on_a_full_disk(
    small_disk: Path, tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record
) -> None:
    """The node listens, refuses, says why, stops when it is told to, and goes on by itself."""
    station = at_work(tmp_path, samples, webhook, SMALL)
    station.node.kill()
    ballast = small_disk / "ballast"
    fill(ballast)
    station.node.start()
    wait_for_refusal(station, 3)
    association = AE("SCANNER").associate("127.0.0.1", station.node.dicom_port, [build_context(VERIFICATION)])
    assert association.send_c_echo().Status == 0x0000
    association.release()
    answer = httpx2.get(f"http://127.0.0.1:{station.node.health_port}/readyz")
    assert (answer.status_code, "disk of the data directory is full" in answer.json()["reasons"][0]) == (503, True)
    assert httpx2.get(f"http://127.0.0.1:{station.node.web_port}/").status_code == 503
    station.node.process.terminate()
    assert station.node.process.wait(timeout=LIMIT_S) == 0
    station.node.start()
    wait_for_refusal(station, 3)
    ballast.unlink()
    check(station, record_property)


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment of a node whose writes below its data directory fail while the file ``flag`` exists."""
    yield {
        "LD_PRELOAD": shim(Path(__file__).with_name("failing_disk.c"), tmp_path),
        "FAILING_FOLDER": str(tmp_path / "data"),
        "FAILING_FLAG": str(tmp_path / "flag"),
    }
    (tmp_path / "flag").unlink(missing_ok=True)  # a node stops in order only when its disk works


@only_with_all
@pytest.mark.parametrize("error", ["EIO", "EROFS"])
def test_a_disk_that_fails(
    error: str, tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record, failing: dict[str, str]
) -> None:
    station = at_work(tmp_path, samples, webhook, failing)
    flag = tmp_path / "flag"
    flag.write_text(str(getattr(errno, error)))
    wait_for_refusal(station, 3)
    delay(FAULT_S)
    flag.unlink()
    check(station, record_property)


@pytest.mark.parametrize("error", ["EPERM", "EACCES", "EIO", "ESTALE", "EDQUOT", "ENOTCONN"] if ALL else ["EPERM"])
def test_results_that_cannot_be_written(
    error: str, tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record, failing: dict[str, str]
) -> None:
    """Images are accepted and wait, none is blamed, the node says so, and all are reported once results are written."""
    failing["FAILING_FOLDER"] = str(tmp_path / "data" / "objects" / "results")
    station = at_work(tmp_path, samples, webhook, failing)
    flag, began = tmp_path / "flag", time.monotonic()
    flag.write_text(str(getattr(errno, error)))
    station.limit_backlog(2 * UNREPORTED)
    wait_until(lambda: station.waiting() >= UNREPORTED, LIMIT_S, "images are accepted")
    wait_until(lambda: station.readiness.first_no_s(began) is not None, LIMIT_S, "the node is not ready")
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
    delay(FAULT_S)
    flag.unlink()
    check(station, record_property)


class SharedNumbers:
    """Shared with the node: its writing calls so far, the number of one that fails, and the error of that one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(3 * 8))

    def __getitem__(self, place: int) -> int:
        return int(np.fromfile(self.path, np.int64)[place])

    def __setitem__(self, place: int, number: int) -> None:
        with self.path.open("r+b") as stream:
            stream.seek(8 * place)
            stream.write(np.int64(number).tobytes())


@pytest.fixture
def calls(tmp_path: Path, failing: dict[str, str]) -> SharedNumbers:
    """Those of a node that starts later."""
    numbers = SharedNumbers(tmp_path / "count")
    failing["FAILING_COUNT"] = str(numbers.path)
    return numbers


@only_with_all
def test_a_disk_on_which_one_write_of_each_image_fails(
    tmp_path: Path,
    samples: Path,
    webhook: Receiver,
    record_property: Record,
    failing: dict[str, str],
    calls: SharedNumbers,
) -> None:
    """Of the first image the first call fails, of the second one the second, until each of receiving one has failed;
    then every LATER_STEP-th, to the last of its way."""
    station = at_work(tmp_path, samples, webhook, failing)
    station.readiness.stop()  # it causes writes of its own
    station.scanner.may_send = lambda: False
    wait_until(lambda: station.waiting() == 0 and grown(lambda: calls[0], CALM_S) == 0, LIMIT_S, "the node is idle")
    calls[2] = errno.ENOSPC
    number, failed = 1, 0
    while (until := _one_image(station, calls, fails=number)).end >= number:
        number += 1 if number <= until.answer else LATER_STEP
        failed += 1
    record_property("failed_calls", failed)
    record_property("last_call", number)
    assert set(station.scanner.refused) == {OUT_OF_RESOURCES}
    count(station, record_property)


class CallsUntil(NamedTuple):
    """How many calls there were until an image was answered with success, and until its results were out."""

    answer: int
    end: int


def _one_image(station: Station, calls: SharedNumbers, fails: int) -> CallsUntil:
    """Send one image while the call with this number fails, and wait until all of its results are out."""
    one_more = len(station.scanner.answered) + 1
    calls[0], calls[1] = 0, fails
    station.scanner.may_send = lambda: len(station.scanner.answered) < one_more
    wait_until(lambda: len(station.scanner.answered) == one_more, LIMIT_S, "the image is taken")
    answer = calls[0]
    uid = station.scanner.answered[-1]
    wait_until(lambda: uid in station.pacs.reports and uid in events_about(station.told), LIMIT_S, "it is reported")
    wait_until(lambda: grown(lambda: calls[0], CALM_S) == 0, LIMIT_S, "the node writes nothing for a moment")
    return CallsUntil(answer, calls[0])
