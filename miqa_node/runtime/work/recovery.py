"""Jobs of dead processes: heartbeats show which processes are alive; the roll call resumes the jobs of silent ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

import structlog
from dbos import DBOS

from miqa_node.core.domain.delivery import LONGEST_REPORT_PAUSE_S
from miqa_node.core.observe import metrics
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.settings import Settings, WorkSettings
from miqa_node.errors import ResourcesError
from miqa_node.runtime.store.database import RECOVERIES, Database, announce
from miqa_node.runtime.work import clock, executors
from miqa_node.runtime.work.clock_trust import TrustedNow, plain_now
from miqa_node.runtime.work.lease import NameLease
from miqa_node.runtime.work.queue import ASSESS_JOB, EARLIER_QUEUE, IMAGE_QUEUE, RECOVERY_QUEUE

log = structlog.get_logger(__name__)

JOBS_KEPT = timedelta(days=30)
CLEANING_INTERVAL = timedelta(hours=1)
CLEANING_BATCH = 1000
HEART_STUCK_AFTER_S = 300.0
LOOK_S = 1.0
"""How often the clock is looked at, which costs no statement."""
STOP_S = 5.0
"""Longest wait for the queue at the end of the process."""

LONGEST_PAUSE_S = 3600.0


def longest_pause_s(settings: Settings) -> float:
    """The longest normal wait: between two attempts, for a lease, or until a study has passed."""
    deliver = settings.deliver
    sending_s = deliver.connection_timeout_s + 2 * deliver.dimse_timeout_s
    return max(
        deliver.backoff_max_s,
        deliver.commitment_timeout_s,
        sending_s,
        settings.work.study_quiet_s,
        LONGEST_REPORT_PAUSE_S,
    )


class WallClock:
    """Compares the wall clock, which people and time servers set, with the monotonic clock."""

    def __init__(self) -> None:
        self._ahead_s: float | None = None
        self._again_at: list[float] = []

    def look(self) -> None:
        """See a clock that is ahead: one that is set back before the next repair is looked for would stay unseen."""
        if self._ahead_s is not None:
            self._ahead_s = max(self._ahead_s, time.time() - time.monotonic())

    def may_have_been_set_back(self) -> bool:
        """Whether the wall clock was set back since :meth:`noted`, or lately, or nothing is known yet."""
        if self._ahead_s is None:
            return True
        self.look()
        now_s = time.monotonic()
        if time.time() - now_s < self._ahead_s - clock.SLACK.total_seconds():
            self._again_at = [now_s + after_s for after_s in clock.AGAIN_AFTER_S]
            return True
        return any(at <= now_s for at in self._again_at)

    def noted(self) -> None:
        """Record that work was adjusted to the current clock."""
        now_s = time.monotonic()
        self._ahead_s = time.time() - now_s
        self._again_at = [at for at in self._again_at if at > now_s]


class RollCall:
    """One thread sends heartbeats for this process; another looks for silent processes and finished jobs.

    There are two because, without a database, queries of the queue wait longer than a heartbeat may be late.
    ``running`` returns the identifiers of the jobs that this process is running.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        settings: WorkSettings,
        running: Callable[[], AbstractSet[str]] | None = None,
        longest_pause_s: float = LONGEST_PAUSE_S,
        trusted_now: TrustedNow = plain_now,
    ) -> None:
        """``longest_pause_s``: see :func:`miqa_node.runtime.work.clock.mend`."""
        self._trusted_now = trusted_now
        self._database = database
        self._name = name
        self._settings = settings
        self._lease = NameLease(database, name, settings)
        self._running = running
        self._longest_pause = timedelta(seconds=longest_pause_s)
        self._clock = WallClock()
        self._left: AbstractSet[str] = frozenset()
        self._heart = SteadyThread("heartbeat", self._go_on_beating, HEART_STUCK_AFTER_S)
        self._thread = SteadyThread("roll-call", self._run, None)  # may wait for a missing database indefinitely
        self._loops = (self._heart, self._thread)
        self.threads = (*self._loops, self._lease)
        self._trusts_from = float("-inf")
        self._cleaned_at = datetime.now(UTC)

    def start(self) -> None:
        """Start; the first heartbeat is sent before this returns."""
        self._lease.renew()
        self._heart.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop. Another process, or the next start, resumes unfinished jobs."""
        for thread in self._loops:
            thread.stopping.set()
        for thread in self._loops:
            thread.stop(STOP_S)

    def _go_on_beating(self) -> None:
        while self._heart.goes_on(self._settings.heartbeat_interval_s):
            try:
                self._lease.renew()
            except Exception as error:  # noqa: BLE001 - a process that stops beating loses its jobs to the others
                # No process could send heartbeats. Once the database is back, the others get time to do so.
                self._trusts_from = time.monotonic() + self._settings.dead_after_s
                reason = str(error) if isinstance(error, ResourcesError) else type(error).__name__
                log.warning("heartbeats wait for the database", error=reason)

    def _run(self) -> None:
        tasks: tuple[Callable[[], object], ...] = (
            self._mend_clock,
            self.take_over,
            self._take_up,
            self._clean,
            self._count,
        )
        interval_s = self._settings.heartbeat_interval_s
        due_s = time.monotonic() + interval_s
        while self._thread.goes_on(min(LOOK_S, interval_s)):
            self._clock.look()
            if time.monotonic() < due_s:
                continue
            due_s = time.monotonic() + interval_s
            for task in tasks:
                try:
                    task()
                except ResourcesError as error:
                    log.warning("roll-call waits for the database", error=str(error))
                except Exception:
                    log.exception("roll-call failed, it goes on")

    def _mend_clock(self) -> None:
        """If the clock was set back, now or before this start, release work that waits for a former time."""
        if not self._clock.may_have_been_set_back():
            return
        with self._database.begin() as transaction:
            count = clock.mend(transaction, datetime.now(UTC), self._longest_pause)
        self._clock.noted()
        if count:
            log.warning("the clock was set back: what waited for a later time goes on", count=count)

    def take_over(self) -> int:
        """Queue the running jobs of processes that have been silent for too long; return their number."""
        if time.monotonic() < self._trusts_from:
            return 0
        with self._database.begin() as transaction:
            oldest = datetime.now(UTC) - timedelta(seconds=self._settings.dead_after_s)
            dead = executors.silent(transaction, oldest) - {self._name}
        if not dead:
            return 0
        held = DBOS.list_workflows(
            status="PENDING", name=ASSESS_JOB, executor_id=sorted(dead), load_input=False, load_output=False
        )
        if held:
            self._resume([job.workflow_id for job in held])
            log.warning("took over the jobs of silent processes", processes=sorted(dead), jobs=len(held))
        with self._database.begin() as transaction:
            for name in dead:
                executors.leave(transaction, name)
        return len(held)

    def _take_up(self) -> None:
        """Queue jobs of this process that it no longer runs: a full disk prevented their outcome from being written."""
        if self._running is None:
            return
        held = DBOS.list_workflows(
            status="PENDING", name=ASSESS_JOB, executor_id=self._name, load_input=False, load_output=False
        )
        orphans = {job.workflow_id for job in held} - self._running()
        # Only if seen twice: between two steps of the queue a job is briefly in no list.
        lost, self._left = sorted(orphans & self._left), orphans
        if lost:
            self._resume(lost)
            log.warning("took up jobs whose outcome could not be written", jobs=len(lost))

    def _resume(self, jobs: list[str]) -> None:
        """Queue the jobs once more, and tell all processes."""
        DBOS.resume_workflows(jobs, queue_name=RECOVERY_QUEUE)
        with self._database.begin() as transaction:
            announce(transaction, RECOVERIES)

    def _clean(self) -> None:
        now = datetime.now(UTC)
        if now - self._cleaned_at < CLEANING_INTERVAL:
            return
        if (trusted_now := self._trusted_now()) is None:
            return
        before = trusted_now - JOBS_KEPT
        done = DBOS.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            name=ASSESS_JOB,
            end_time=before.isoformat(),
            limit=CLEANING_BATCH,
            load_input=False,
            load_output=False,
        )
        if done:
            DBOS.delete_workflows([job.workflow_id for job in done])
        if len(done) < CLEANING_BATCH:
            self._cleaned_at = now

    def _count(self) -> None:
        waiting = DBOS.list_workflows(
            status=["ENQUEUED", "PENDING"],
            queue_name=[IMAGE_QUEUE, EARLIER_QUEUE, RECOVERY_QUEUE],
            load_input=False,
            load_output=False,
            limit=10_000,
        )
        metrics.JOBS_WAITING.set(len(waiting))
