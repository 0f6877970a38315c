"""What one image costs, as counts that no machine changes: a later change must not give back what was gained.

The limits leave some room above what was counted when they were set (docs/explanation/capacity.md).
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from cProfile import Profile
from functools import partial
from pathlib import Path
from pstats import Stats

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from benchmarks.capacity import TRANSACTIONS
from benchmarks.receive import make_files
from demo.samples import make_samples
from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.node import Node
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.tables import series
from miqa_node.runtime.work.queue import IMAGE_QUEUE, DurableQueue
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.deliver.destinations import parse_flag
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.part10 import FileOrigin, FileTransfer
from tests.node.test_node import Pacs, settings_in, store
from tests.parts import build_pipeline
from tests.stages.report import making
from tests.waiting import grown, wait_until

pytestmark = pytest.mark.usefixtures("folders_of_a_node")

SLICE_STATEMENTS, SLICE_SYNCS = 4, 2
"""Of a received CT slice: patient and study, instance, series, audit record; its file and the folder of its name.
The database syncs once more for each transaction, which slices of several associations share."""
SLICE_CALLS = 1_200
"""Function calls of a received CT slice: 1,050 when this was set."""
REPORT_CALLS = 20_000
"""Function calls of a report about three findings: with content items as data sets it took 340,000."""
RECEIVE_STATEMENTS = 7
JUDGE_STATEMENTS, JUDGE_TRANSACTIONS = 33, 4
"""The conclusion looks for other images of the exposure itself, and so does the row of the exposure; one statement asks
whether somebody confirmed usual ranges of the machine, one writes how the patient of a chest was positioned, and one
what its room learns from it."""
LOOK_STATEMENTS = 8
"""Of the thread that looks for jobs, for one image in an idle node: one for a look, four more for taking the job."""
IMAGE_THREADS = ("dbos-executor", f"queue-worker-{IMAGE_QUEUE}", "lane-", "audit")
"""Threads that write because of an image, beside the one that receives it."""
SYNCS = 12


class Counts:
    """SQL statements and commits by thread, as SQLite is asked for them."""

    def __init__(self, engine: sa.Engine) -> None:
        self.statements: Counter[str] = Counter()
        self.commits: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        """Transactions that may have changed something."""
        self.receiving: set[str] = set()
        self._changing: set[str] = set()
        sa.event.listen(engine, "checkout", lambda driver, *_more: driver.set_trace_callback(self._statement))
        sa.event.listen(engine, "commit", lambda _connection: self.commits.update([threading.current_thread().name]))

    def _statement(self, statement: str) -> None:
        name = threading.current_thread().name
        if statement.startswith("--"):  # what a trigger does
            return
        if statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            self.changes[name] += statement.startswith("COMMIT") and name in self._changing
            self._changing.discard(name)
            return
        self.statements[name] += 1
        if not statement.startswith(("SELECT", "PRAGMA")):
            self._changing.add(name)
        if statement.startswith("INSERT INTO instances"):
            self.receiving.add(name)

    def received(self) -> int:
        return sum(self.statements[name] for name in [*self.receiving])

    def judging(self, counter: Counter[str]) -> int:
        return sum(count for name, count in [*counter.items()] if name.startswith("dbos-executor"))


def counted_syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The files synced from now on, by number."""
    synced: list[int] = []
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, partial(_noted, synced, getattr(os, call)))
    return synced


def _noted(synced: list[int], plain: Callable[[int], None], fd: int) -> None:
    synced.append(fd)
    plain(fd)


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    pacs = Pacs()
    yield pacs
    pacs.server.shutdown()


def is_idle(counts: Counts) -> bool:
    """Whether no image is received or judged for a second."""
    return grown(lambda: counts.judging(counts.statements) + counts.received(), 1.0) == 0


def test_function_calls_of_a_report(tmp_path: Path) -> None:
    source = making.write(making.small(), tmp_path / "source.dcm")
    making.flagged(source, kinds={SR})  # what is read once
    profile = Profile()
    profile.runcall(making.flagged, source, kinds={SR})
    calls: int = Stats(profile).total_calls  # type: ignore[attr-defined]  # documented, but not in the stubs
    assert calls <= REPORT_CALLS, calls


class Receiver:
    """What takes in objects, without a network: a real disk, a real database."""

    def __init__(self, folder: Path, pool: WorkerPool) -> None:
        self.database = Database(f"sqlite:///{folder / 'miqa.sqlite'}")
        self.database.migrate()
        queue = DurableQueue(self.database, lambda: "v1")
        objects = DiskObjects(folder / "objects")
        self.pipeline = build_pipeline(self.database, objects, queue, pool, Policy("v1", ()), lambda _kind: [])
        self.intake = Intake(folder / "incoming", self.pipeline.receive, lambda: None, 1 << 30)

    def take(self, file: Path) -> None:
        transfer = FileTransfer(self.intake, FileOrigin("CT1", "MIQA", "127.0.0.1"))
        transfer.write(file.read_bytes())
        assert transfer.finish().status == 0x0000
        transfer.end()


@pytest.fixture
def receiver(tmp_path: Path, pool: WorkerPool) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path, pool)
    yield receiver
    receiver.database.close()


def test_statements_syncs_and_function_calls_of_received_slices(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = make_files(tmp_path / "source", "CT 0.5 MB", 11)
    receiver.take(first)  # compiles statements, makes folders
    counts, synced = Counts(receiver.database.engine), counted_syncs(monkeypatch)
    profile = Profile()
    with capture_logs():  # a node writes no lines of this level
        for file in others:
            profile.runcall(receiver.take, file)
    calls: int = Stats(profile).total_calls  # type: ignore[attr-defined]  # documented, but not in the stubs
    assert counts.statements.total() == SLICE_STATEMENTS * len(others)
    assert counts.commits.total() == len(others)
    assert len(synced) == SLICE_SYNCS * len(others)
    assert calls <= SLICE_CALLS * len(others), calls / len(others)


def test_slices_of_four_associations_share_transactions(receiver: Receiver, tmp_path: Path) -> None:
    files = make_files(tmp_path / "source", "CT 0.5 MB", 4)
    counts = Counts(receiver.database.engine)
    waiting = receiver.pipeline._arrivals._commits._waiting
    with ThreadPoolExecutor(4) as pool:
        with receiver.database.begin() as transaction:  # a busy disk: nobody else can write
            transaction.execute(sa.delete(series))
            answers = [pool.submit(receiver.take, file) for file in files]
            wait_until(lambda: len(waiting) == 3)
            counts.statements.clear()
        for one in answers:
            one.result(20)
    first = counts.statements.total() - SLICE_STATEMENTS * len(files)
    assert 1 <= first <= 4, "the first inserts the rows of its patient, with a name, of its study and of its series"
    assert counts.commits.total() == 1 + 2, "that of the test, the first slice's, and one for all others"


@pytest.mark.more
def test_statements_transactions_and_syncs_of_a_flagged_image(
    tmp_path: Path, pacs: Pacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = make_samples()
    chest, flagged = samples[0], next(one for one in samples if one.simulated == FindingName.MOTION_BLUR)
    files = [tmp_path / "first.dcm", tmp_path / "second.dcm"]
    for file, sample in zip(files, (chest, flagged), strict=True):
        file.write_bytes(sample.data)
    synced = counted_syncs(monkeypatch)
    with Node(settings_in(tmp_path / "node"), [parse_flag(f"PACS=PACS@127.0.0.1:{pacs.port}")]) as node:
        store(node.dicom_port, files[0])
        wait_until(lambda: len(pacs.objects) >= 1)
        start = Counts(node.database.engine)
        wait_until(lambda: is_idle(start), what="what follows the first image is done")
        counts, before = Counts(node.database.engine), len(synced)

        store(node.dicom_port, files[1])
        wait_until(lambda: {"SR", "SEG", "KO"} <= {ds.Modality for ds in pacs.objects})
        wait_until(lambda: counts.judging(counts.commits) > 0)
        wait_until(lambda: is_idle(counts), what="what follows the report is done")

    assert sum(counts.statements[name] for name in counts.receiving) <= RECEIVE_STATEMENTS
    assert sum(counts.changes[name] for name in counts.receiving) == 1
    assert counts.judging(counts.statements) <= JUDGE_STATEMENTS
    assert counts.judging(counts.commits) <= JUDGE_TRANSACTIONS
    assert counts.statements[f"queue-worker-{IMAGE_QUEUE}"] <= LOOK_STATEMENTS
    assert len(synced) - before <= SYNCS
    of_the_image = {*counts.receiving, *(name for name in counts.changes if name.startswith(IMAGE_THREADS))}
    assert 6 <= sum(counts.changes[name] for name in of_the_image) <= TRANSACTIONS
