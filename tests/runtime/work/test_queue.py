"""Durable jobs on SQLite and PostgreSQL: promised inside a transaction, done in order, handed over by the dead."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import WorkSettings, load_settings
from miqa_node.errors import ResourcesError, SettingsError
from miqa_node.parts import Schedule
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import executors
from miqa_node.runtime.work import executors as executors_store
from miqa_node.runtime.work import recovery
from miqa_node.runtime.work.queue import ASSESS_JOB, DurableQueue, Worker, migrate_queue
from miqa_node.runtime.work.recovery import RollCall
from miqa_node.runtime.work.regular import RegularWork
from tests.waiting import LIMIT_S, delay, grown, stays, wait_until

SETTINGS: WorkSettings = load_settings(work={"poll_interval_s": 0.05, "max_attempts": 2}).work


@pytest.fixture
def queue(database: Database) -> DurableQueue:
    migrate_queue(database)
    return DurableQueue(database, lambda: "model-1:policy-1")


class Recorder:
    """A stage that writes down what it did."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def judge(self, digest: InstanceDigest) -> None:
        self.done.append(digest)


def no_work(_digest: InstanceDigest) -> None:
    """For a worker without jobs."""


@pytest.fixture
def started(database: Database, queue: DurableQueue, tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder()
    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(recorder.judge)
    yield recorder
    worker.stop()


def promise(database: Database, queue: DurableQueue, digest: str) -> None:
    with database.begin() as transaction:
        queue.enqueue_assess(transaction, InstanceDigest(digest))


def test_jobs_run_in_order_and_once(database: Database, queue: DurableQueue, started: Recorder) -> None:
    promise(database, queue, "a")
    promise(database, queue, "a")
    wait_until(lambda: "a" in started.done)
    promise(database, queue, "a")
    promise(database, queue, "b")
    wait_until(lambda: "b" in started.done)
    assert started.done == ["a", "b"]


def test_a_rolled_back_promise_is_no_job(database: Database, queue: DurableQueue, started: Recorder) -> None:
    with pytest.raises(RuntimeError), database.begin() as transaction:
        queue.enqueue_assess(transaction, InstanceDigest("lost"))
        raise RuntimeError
    promise(database, queue, "kept")
    wait_until(lambda: "kept" in started.done)
    assert started.done == ["kept"]


def test_one_name_works_once_on_a_machine(database: Database, started: Recorder, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="already works"):
        Worker(database, "w1", SETTINGS, tmp_path).start(no_work)


def test_beats_go_on_while_the_queue_waits_for_its_database(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, go_on = threading.Event(), threading.Event()

    def wait_for_database(**_: object) -> list[object]:
        waits.set()
        go_on.wait(60)
        return []

    monkeypatch.setattr("miqa_node.runtime.work.recovery.DBOS.list_workflows", wait_for_database)
    monkeypatch.setattr("miqa_node.runtime.work.recovery.STOP_S", 0.1)
    settings = SETTINGS.model_copy(update={"heartbeat_interval_s": 0.05})
    roll_call = RollCall(database, "w1", settings)
    roll_call.start()

    def beat_at() -> datetime:
        with database.begin() as transaction:
            at: datetime = transaction.execute(sa.select(executors.c.heartbeat_at)).scalar_one()
            return at

    assert waits.wait(LIMIT_S)
    before = beat_at()
    wait_until(lambda: beat_at() > before)
    roll_call.stop()  # neither does the end of the process wait for ever
    go_on.set()


def test_a_roll_call_that_never_began_can_be_stopped(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'none' / 'x'}")
    roll_call = RollCall(database, "w1", SETTINGS)
    with pytest.raises(ResourcesError):
        roll_call.start()
    roll_call.stop()
    database.close()


def test_regular_work_outlives_what_nobody_expected() -> None:
    class Flaky(RegularWork):
        looks = 0

        def look(self) -> None:
            self.looks += 1
            if self.looks == 1:
                raise KeyError("unexpected")

    flaky = Flaky("flaky", 0.02, "waits")
    flaky.start()
    wait_until(lambda: flaky.looks > 2)
    flaky.stop()


@pytest.mark.more
def test_a_failing_step_is_tried_again(database: Database, queue: DurableQueue, tmp_path: Path) -> None:
    tries: list[float] = []
    done = threading.Event()

    def flaky(_: InstanceDigest) -> None:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise OSError("disk")
        done.set()

    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(flaky)
    promise(database, queue, "a")
    assert done.wait(LIMIT_S)
    worker.stop()
    assert len(tries) == 3


@pytest.mark.more
def test_a_step_without_disk_or_database_waits_as_long_as_it_takes(
    database: Database, queue: DurableQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miqa_node.runtime.work.stages.RETRY_INTERVAL_S", 0.02)
    tries: list[str] = []
    done = threading.Event()

    def full(digest: InstanceDigest) -> None:
        tries.append(digest)
        if len(tries) < 4 * SETTINGS.max_attempts:
            raise ResourcesError("no database") if len(tries) % 2 else OSError(errno.ENOSPC, "full")
        done.set()

    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(full)
    promise(database, queue, "a")
    with capture_logs() as lines:
        try:
            assert done.wait(LIMIT_S)
        finally:
            worker.stop()
    assert {line["reason"] for line in lines if line["event"].startswith("a stage waits")} == {
        "ResourcesError: no database",
        f"OSError: [Errno {errno.ENOSPC}] full",
    }


@pytest.mark.more
def test_what_waits_at_the_end_is_done_after_the_next_start(
    database: Database, queue: DurableQueue, tmp_path: Path
) -> None:
    waits, done = threading.Event(), threading.Event()

    def full(_: InstanceDigest) -> None:
        waits.set()
        raise ResourcesError("no database")

    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(full)
    promise(database, queue, "a")
    assert waits.wait(LIMIT_S)
    start = time.monotonic()
    worker.stop()
    assert time.monotonic() - start < 60
    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(lambda _: done.set())
    try:
        assert done.wait(LIMIT_S)
    finally:
        worker.stop()


@pytest.mark.more
def test_what_fails_because_the_process_ends_is_no_failure(
    database: Database, queue: DurableQueue, tmp_path: Path
) -> None:
    """Decoders and models may be gone before a long job is: it is neither given up nor in error."""
    works, done = threading.Event(), threading.Event()
    given_up: list[str] = []
    worker = Worker(database, "w1", SETTINGS, tmp_path)

    def long(digest: InstanceDigest) -> None:
        works.set()
        assert worker._stopping.wait(LIMIT_S)
        raise RuntimeError("the pool is not active")

    worker.start(long, give_up=given_up.append)
    promise(database, queue, "a")
    assert works.wait(LIMIT_S)
    worker.stop()
    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(lambda _: done.set())
    try:
        assert done.wait(LIMIT_S)
    finally:
        worker.stop()
    assert given_up == []


@pytest.mark.more
def test_what_can_never_be_finished_is_given_up_visibly(
    database: Database, queue: DurableQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miqa_node.runtime.work.stages.RETRY_INTERVAL_S", 0.02)
    tries: list[str] = []
    given_up: list[str] = []

    def broken(digest: InstanceDigest) -> None:
        tries.append(digest)
        raise ValueError(digest)

    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(broken, give_up=given_up.append)
    promise(database, queue, "a")
    try:
        wait_until(lambda: bool(given_up))
    finally:
        worker.stop()
    assert tries == ["a"] * (SETTINGS.max_attempts + 2)
    assert given_up == ["a"]


@pytest.mark.more
def test_a_job_whose_outcome_could_not_be_written_is_not_forgotten(tmp_path: Path) -> None:
    """A full disk under SQLite: the outcome is written once there is room, or the job is done again."""
    database = Database(f"sqlite:///{tmp_path / 'miqa.sqlite'}", pool_size=4)
    database.migrate()
    migrate_queue(database)
    queue = DurableQueue(database, lambda: "1")
    runs, full, go_on = 0, threading.Event(), threading.Event()

    def judge(_: InstanceDigest) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            full.set()
            assert go_on.wait(LIMIT_S)

    settings = SETTINGS.model_copy(update={"heartbeat_interval_s": 0.2})
    worker = Worker(database, "w1", settings, tmp_path)
    roll_call = RollCall(database, "w1", settings, worker.running)
    worker.start(judge)
    promise(database, queue, "a")
    assert full.wait(LIMIT_S)
    with fullness():
        go_on.set()
        stays(lambda: _statuses(database) != ["SUCCESS"], for_s=1.0, what="a full disk ends no job")
    roll_call.start()
    try:
        wait_until(lambda: _statuses(database) == ["SUCCESS"])
        assert runs in (1, 2)
    finally:
        roll_call.stop()
        worker.stop()
        database.close()


def _statuses(database: Database) -> list[str]:
    with database.begin() as transaction:
        return list(transaction.execute(sa.text("SELECT status FROM workflow_status")).scalars())


@contextmanager
def fullness() -> Iterator[None]:
    """What a full disk does to a database: no file of this process may grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.more
def test_a_process_that_leaves_work_behind_is_not_forgotten(
    database: Database, queue: DurableQueue, tmp_path: Path
) -> None:
    """A clean end may run out of time with a long job: its successors must still see whose it was."""
    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(no_work)
    roll_call = RollCall(database, "w1", SETTINGS)
    try:
        roll_call.start()
        roll_call.stop()
        with database.begin() as transaction:
            names = set(transaction.execute(sa.select(executors.c.name)).scalars())
    finally:
        worker.stop()
    assert names == {"w1"}


@pytest.mark.more
def test_after_an_outage_the_others_are_given_time_to_beat(
    database: Database, queue: DurableQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS.model_copy(update={"heartbeat_interval_s": 0.05, "dead_after_s": 1.0})
    worker = Worker(database, "w1", settings, tmp_path)
    worker.start(no_work)
    roll_call = RollCall(database, "w1", settings)
    roll_call.start()
    try:
        real = executors_store.beat
        failed = threading.Event()
        failures: list[float] = []

        def away(*_: object) -> None:
            failures.append(time.monotonic())
            failed.set()
            raise ResourcesError("away")

        monkeypatch.setattr(executors_store, "beat", away)
        assert failed.wait(LIMIT_S)
        long_ago = datetime.now(UTC) - timedelta(seconds=60)
        with database.begin() as transaction:
            transaction.execute(sa.insert(executors).values(name="w2", started_at=long_ago, heartbeat_at=long_ago))
        monkeypatch.setattr(executors_store, "beat", real)

        def names() -> set[str]:
            with database.begin() as transaction:
                return set(transaction.execute(sa.select(executors.c.name)).scalars())

        wait_until(lambda: "w2" not in names())  # silent for long enough by now
        assert time.monotonic() - failures[-1] >= settings.dead_after_s
    finally:
        roll_call.stop()
        worker.stop()


CHILD = """
import os, sys, threading
from pathlib import Path
from miqa_node.core.settings import load_settings
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.queue import Worker
database = Database(sys.argv[1])
settings = load_settings(work={"poll_interval_s": 0.05, "processes": 3}).work
def hang(digest):
    os.write(1, digest.encode() + b"\\n")  # one write, so that the lines of three threads stay lines
    threading.Event().wait(600)
Worker(database, "dead", settings, Path(sys.argv[2])).start(hang)
threading.Event().wait(600)
"""


@pytest.mark.more
def test_jobs_of_a_killed_process_are_taken_over_by_another(
    database: Database, queue: DurableQueue, tmp_path: Path
) -> None:
    for digest in "abc":
        promise(database, queue, digest)
    url = database.url.render_as_string(hide_password=False)
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, url, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
    ) as child:
        try:
            assert child.stdout is not None
            assert sorted(child.stdout.readline().strip() for _ in range(3)) == ["a", "b", "c"]
        finally:
            child.kill()
    recorder = Recorder()
    worker = Worker(database, "alive", SETTINGS, tmp_path)
    worker.start(recorder.judge)
    roll_call = RollCall(database, "alive", SETTINGS)
    roll_call.start()
    try:
        with database.begin() as transaction:
            long_ago = datetime.now(UTC) - timedelta(seconds=SETTINGS.dead_after_s + 1)
            transaction.execute(sa.update(executors).where(executors.c.name == "dead").values(heartbeat_at=long_ago))
        assert roll_call.take_over() == 3
        assert roll_call.take_over() == 0
        wait_until(lambda: len(recorder.done) == 3)
    finally:
        roll_call.stop()
        worker.stop()
    assert sorted(recorder.done) == ["a", "b", "c"]


@pytest.mark.more
def test_scheduled_work_is_done_at_its_time_until_it_is_taken_off_the_schedule(
    database: Database, queue: DurableQueue, tmp_path: Path
) -> None:
    due: list[datetime] = []
    failed: list[datetime] = []

    def run(due_at: datetime) -> None:
        if not failed:
            failed.append(due_at)
            raise OSError("once")
        due.append(due_at)

    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(no_work, (Schedule("monthly", "* * * * * *", run),))
    try:
        wait_until(lambda: len(due) >= 2)
    finally:
        worker.stop()
    assert failed[0] in due  # tried again
    assert len(set(due)) == len(due)
    assert all(abs((at.astimezone(UTC) - datetime.now(UTC)).total_seconds()) < 60 for at in due)
    worker = Worker(database, "w1", SETTINGS, tmp_path)
    worker.start(no_work, (Schedule("monthly", "", run),))
    try:
        # what was missed before may still be made up for
        wait_until(lambda: grown(lambda: len(due), 2.5) == 0, what="it rests until the month is over")
    finally:
        worker.stop()


@pytest.mark.more
def test_images_that_arrive_during_a_reassessment_are_judged_first(
    database: Database, queue: DurableQueue, tmp_path: Path
) -> None:
    done: list[str] = []
    settings = SETTINGS.model_copy(update={"processes": 1})

    def judge(digest: InstanceDigest) -> None:
        done.append(str(digest))
        if digest == InstanceDigest("again0"):
            for number in range(6):
                promise(database, queue, f"fresh{number}")
        delay(0.05)

    with database.begin() as transaction:
        for number in range(4):
            queue.enqueue_reassess(transaction, InstanceDigest(f"again{number}"), 1)
    worker = Worker(database, "w1", settings, tmp_path)
    worker.start(judge)
    wait_until(lambda: len(done) == 10)
    worker.stop()
    fresh = [place for place, digest in enumerate(done) if digest.startswith("fresh")]
    assert done[0] == "again0"
    assert max(fresh) <= 7, "while fresh images waited at most the one that had begun was judged again"


@pytest.mark.more
def test_no_more_images_are_judged_again_than_the_limit_of_a_minute(
    database: Database, queue: DurableQueue, tmp_path: Path
) -> None:
    done: list[str] = []
    settings = SETTINGS.model_copy(update={"reassess_per_minute": 3})
    with database.begin() as transaction:
        for number in range(6):
            queue.enqueue_reassess(transaction, InstanceDigest(f"again{number}"), 1)
    worker = Worker(database, "w1", settings, tmp_path)
    worker.start(lambda digest: done.append(str(digest)))
    wait_until(lambda: len(done) == 3)
    promise(database, queue, "fresh")
    wait_until(lambda: "fresh" in done)  # the limit is not theirs
    first = done[:3]
    stays(lambda: sorted(done) == sorted([*first, "fresh"]), for_s=3.0)
    worker.stop()


@pytest.mark.more
def test_jobs_that_are_done_or_were_given_up_are_forgotten_after_their_time(
    database: Database, queue: DurableQueue, started: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def jobs() -> list[str]:
        return [job.workflow_id for job in queue._client.list_workflows(name=ASSESS_JOB)]

    def clean(days: int, now: Callable[[], datetime | None] = lambda: datetime.now(UTC)) -> None:
        monkeypatch.setattr(recovery, "JOBS_KEPT", timedelta(days=days))
        roll_call = RollCall(database, "w1", SETTINGS, trusted_now=now)
        roll_call._cleaned_at -= timedelta(hours=2)  # it is done each hour
        roll_call._clean()

    promise(database, queue, "a")
    with database.begin() as transaction:
        queue.enqueue_reassess(transaction, InstanceDigest("b"), 1)
    wait_until(lambda: {"a", "b"} <= set(started.done))
    wait_until(lambda: not queue.active())
    clean(30)
    assert len(jobs()) == 2, "they are not old yet"
    clean(-1, lambda: None)
    assert len(jobs()) == 2, "the clock may be wrong"
    clean(-1)
    assert jobs() == []
