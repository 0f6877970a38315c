"""Processes beside each other: started at once, under one name, of two versions, and in too little memory."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import ROOT, PostgresServer
from tests.crash.faults import BACKLOG, Record, at_work, check, count, marks, only_with_all
from tests.crash.station import LIMIT_S, Node, Station
from tests.stages.deliver.receiver import Receiver
from tests.waiting import wait_until

TOO_LITTLE = 300 << 20
DEAD_AFTER_S = 60.0
"""``work.dead_after_s``, as it comes."""
MARGIN_S = 30.0
LIMITS = ("memory.limit_in_bytes", "memory.max")
GROUPS = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")

pytestmark = [*marks, pytest.mark.peers, only_with_all]


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Settings of a node on an empty PostgreSQL."""
    with PostgresServer() as server:
        yield {"MIQA_STORE__DATABASE_URL": server.url}


def test_three_roles_that_start_at_once_on_an_empty_database(
    tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record, environment: dict[str, str]
) -> None:
    began = time.monotonic()
    station = at_work(tmp_path, samples, webhook, environment, roles=("receive", "work", "web"))
    record_property("first_report_s", round(time.monotonic() - began, 1))
    check(station, record_property, judged=True)


def test_two_workers_that_start_at_once_on_an_empty_database(
    tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record, environment: dict[str, str]
) -> None:
    station = Station(tmp_path, samples, webhook, environment, roles=("receive", "work", "web"))
    with closing(_another_worker(station, environment)) as another:
        station.limit_backlog(BACKLOG)
        wait_until(another.is_ready, LIMIT_S, "the other worker is ready")
        wait_until(station.node.is_ready, LIMIT_S, "the first one is, too")
        station.readiness.start()
        check(station, record_property, judged=True)


def test_a_machine_that_is_lost_for_ever_while_it_judges(
    tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record, environment: dict[str, str]
) -> None:
    """Its jobs go to the other worker once it has been silent for ``work.dead_after_s``; fresh images do not wait."""
    station = at_work(tmp_path, samples, webhook, environment, roles=("receive", "work", "web"))
    with closing(_another_worker(station, environment)) as another:
        wait_until(another.is_ready, LIMIT_S, "the other worker is ready")
        station.readiness.is_ready = another.is_ready
        station.next_answer()
        began, promised = time.monotonic(), set(station.scanner.answered)
        station.node.lose("work")
        record_property("recovery_s", round(station.next_report_s(), 1))
        wait_until(lambda: promised <= set(station.pacs.reports), LIMIT_S, "what it was judging has a report")
        taken_over_s = time.monotonic() - began
        record_property("taken_over_s", round(taken_over_s, 1))
        assert taken_over_s < DEAD_AFTER_S + MARGIN_S
        count(station, record_property)
        assert station.readiness.unready_s() == 0.0


def _another_worker(station: Station, environment: Mapping[str, str]) -> Node:
    """A second process that judges, of the same data, and with a name of its own."""
    return Node(station.folder, station.pacs.port, {**environment, "MIQA_NODE__NAME": "another"}, ("work",))


def test_a_second_process_of_the_same_name(
    tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record, environment: dict[str, str]
) -> None:
    station = at_work(tmp_path, samples, webhook, environment)
    (tmp_path / "other" / "data").mkdir(parents=True)
    other = Node(tmp_path / "other", station.pacs.port, environment)
    assert other.process.wait(timeout=120) != 0
    assert "Another process already works as" in (tmp_path / "other" / "node.log").read_text("utf-8")
    check(station, record_property, judged=True)


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """A control group whose memory can be limited; the file that sets the limit differs by version."""
    for parent in GROUPS:
        group = parent / f"miqa-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if any((group / name).exists() for name in LIMITS):
            yield group
            _emptied(group)
            return
        group.rmdir()
    pytest.skip("no control group for memory can be made here")


def _limit(group: Path, size: str) -> None:
    [file] = [group / name for name in LIMITS if (group / name).exists()]
    file.write_text(size)


def _emptied(group: Path) -> None:
    for process in (group / "cgroup.procs").read_text().split():
        (group.parent / "cgroup.procs").write_text(process)
    group.rmdir()


def test_a_node_with_too_little_memory(
    tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record, memory_group: Path
) -> None:
    """The kernel kills it; the service manager starts it again and again; then it gets what it needs."""
    station = at_work(tmp_path, samples, webhook)
    _limit(memory_group, str(TOO_LITTLE))
    deaths = 0
    station.node.kill()
    station.node.start()
    end = time.monotonic() + 240.0
    while deaths < 2 and time.monotonic() < end:
        (memory_group / "cgroup.procs").write_text(str(station.node.process.pid))
        wait_until(lambda: station.node.process.poll() is not None, LIMIT_S, "the kernel kills the node")
        deaths += 1
        station.node.start()
    record_property("killed_by_the_kernel", deaths)
    assert deaths == 2
    check(station, record_property)


def test_two_versions_beside_each_other(
    tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record
) -> None:
    """The earlier one is the parent of the commit that changed the schema last; the present one takes its place."""
    commit = _last_of_another_schema()
    if commit is None:
        pytest.skip("this checkout has no history")
    tree = tmp_path / "earlier"
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(tree, filter="data")
    with PostgresServer() as server:
        environment = {"MIQA_STORE__DATABASE_URL": server.url, "MIQA_NODE__NAME": "earlier", "PYTHONPATH": str(tree)}
        environment["PYTHONSAFEPATH"] = "1"  # else its fork server takes the package of the working directory
        station = at_work(tmp_path, samples, webhook, environment)
        record_property("earlier", commit)
        later = Node(tmp_path, station.pacs.port, environment | {"MIQA_NODE__NAME": "later", "PYTHONPATH": ""})
        wait_until(later.is_ready, LIMIT_S, "the present version is ready")
        earlier, station.node = station.node, later
        station.readiness.is_ready = later.is_ready
        for _ in range(5):  # the earlier one still receives, both judge
            station.next_report_s()
        earlier.kill()
        station.scanner.port = later.dicom_port
        check(station, record_property, judged=True)


def _last_of_another_schema() -> str | None:
    folders = ("migrations/versions", "miqa_node/features/*/migrations")
    log = ["git", "log", "-1", "--format=%H^", "--diff-filter=A", "--", *folders]
    commit = subprocess.run(log, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()
    command = ["git", "rev-parse", "--verify", "--quiet", commit or "HEAD^"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stdout.strip() or None
