"""The durable queue: a job exists once the transaction that enqueued it commits, and runs until it is done.

Only this module uses DBOS Transact's queues (docs/adr/0003 describes how to replace it). :class:`DurableQueue` enqueues
jobs in any process; :class:`Worker` runs them in processes whose role includes work.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import structlog
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions, StepOptions
from dbos import error as queue_errors
from dbos._utils import INTERNAL_QUEUE_NAME

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.observe.traces import span
from miqa_node.core.settings import WorkSettings
from miqa_node.errors import SettingsError
from miqa_node.parts import Schedule
from miqa_node.runtime.store.database import JOBS, REASSESSMENTS, RECOVERIES, Database, announce
from miqa_node.runtime.work.alarm import JobAlarm, attach
from miqa_node.runtime.work.lease import IN_USE, NameLease
from miqa_node.runtime.work.limited_pauses import limit_pauses
from miqa_node.runtime.work.queue_threads import QueueThreads
from miqa_node.runtime.work.rare_polls import make_polls_rare
from miqa_node.runtime.work.stages import RETRY_BACKOFF, RETRY_INTERVAL_S, JobStage, Stage, StoppedError
from miqa_node.runtime.work.waiting import WaitingStages

log = structlog.get_logger(__name__)

ScheduledWorkflow = Callable[[datetime, Any], None]

APPLICATION_NAME = "miqa-node"
APPLICATION_VERSION = "1"
"""Pinned: the library's default is a hash of the code, so waiting jobs would never run after an update.
Raise it only if the steps of the job change, and keep the old job's code until its jobs are done."""

IMAGE_QUEUE = "images"
"""Partitioned by sender, so no sender's backlog delays another sender's new image."""
NO_SENDER = "-"
SENDERS_AT_ONCE = 4
"""Number of senders whose jobs are taken at the same time; they share the workers fairly."""
JOBS_PER_WORKER = 4
"""Jobs of one sender that are taken for each worker: one is in the worker, others read and write meanwhile, and one
transaction of the queue takes several."""
EARLIER_QUEUE = "assess"
"""Jobs enqueued by versions without partitions; they run one by one."""
RECOVERY_QUEUE = "recovery"
REASSESS_QUEUE = "reassess"
REASSESS_PREFIX = "reassess:"
"""Prefix of the identifiers of jobs that judge an image again."""
FRESH_LOOK_S = 1.0
"""Interval at which such a job checks whether new images still wait."""
IDLE_LOOK_S = 5.0
"""Interval of the polls of queues that are usually empty, in case an announcement was lost."""
EARLIER_LOOK_S = 30.0
"""Interval of the polls of :data:`EARLIER_QUEUE`, to which nothing is added; the first polls follow each other fast."""
INTERNAL_LOOK_S = 10.0
"""Interval of the polls of the library's own queue, which takes scheduled work only."""
ASSESS_JOB = "assess-instance"
"""The workflow of every job. The name stays, whatever a job does: jobs of earlier versions have it, and run on."""

SHUTDOWN_GRACE_S = 20


class DurableQueue:
    """Enqueues jobs; see :class:`~miqa_node.core.domain.ports.JobQueue`.

    ``version`` names the model and policy in force. A job's id consists of it and the instance's digest, so each
    version assesses the same image once, however often it arrives.
    """

    def __init__(self, database: Database, version: Callable[[], str]) -> None:
        self._version = version
        self._client = DBOSClient(
            system_database_engine=database.engine,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION_NAME,
            lazy=True,
            # During C-STORE an unreachable database must cause 0xA700 at once, not a wait.
            retry_connection_errors=False,
        )

    def enqueue_assess(self, connection: Any, digest: InstanceDigest, sender: str = "") -> None:
        """Enqueue the job within the caller's transaction."""
        announce(connection, JOBS)
        self._enqueue(connection, IMAGE_QUEUE, f"assess:{digest}:{self._version()}", digest, sender or NO_SENDER)

    def enqueue_reassess(self, connection: Any, digest: InstanceDigest, generation: int) -> None:
        """Enqueue the job for an image to be judged again; its generation makes the job's id different."""
        announce(connection, REASSESSMENTS)
        self._enqueue(connection, REASSESS_QUEUE, f"{REASSESS_PREFIX}{digest}:{generation}", digest)

    def _enqueue(self, connection: Any, queue: str, job: str, digest: InstanceDigest, sender: str = "") -> None:
        options: EnqueueOptions = {
            "queue_name": queue,
            "workflow_name": ASSESS_JOB,
            "workflow_id": job,
            "app_version": APPLICATION_VERSION,
        }
        if sender:
            options["queue_partition_key"] = sender
        self._client.enqueue_in_transaction(connection, options, digest)

    def active(self) -> frozenset[str]:
        """Digests of the instances with a waiting or running job."""
        jobs = self._client.list_workflows(
            status=["ENQUEUED", "PENDING"], name=ASSESS_JOB, load_input=False, load_output=False
        )
        return frozenset(job.workflow_id.split(":")[1] for job in jobs if job.workflow_id.count(":") >= 2)


class Worker:
    """Runs jobs in this process. At most one Worker per process and per node name."""

    def __init__(self, database: Database, name: str, settings: WorkSettings, lock_dir: Path) -> None:
        self._database = database
        self._name = name
        self._settings = settings
        self._lock_path = lock_dir / f"executor-{name}.lock"
        self._lock: IO[str] | None = None
        self._lease = NameLease(database, name, settings)
        self._stopping = threading.Event()
        self._running: set[str] = set()
        self.waiting = WaitingStages()
        self._jobs_per_sender = JOBS_PER_WORKER * settings.worker_processes
        self._alarms = {
            IMAGE_QUEUE: JobAlarm(enough=self._jobs_per_sender // 2),
            REASSESS_QUEUE: JobAlarm(IDLE_LOOK_S),
            RECOVERY_QUEUE: JobAlarm(IDLE_LOOK_S),
            EARLIER_QUEUE: JobAlarm(EARLIER_LOOK_S),
            INTERNAL_QUEUE_NAME: JobAlarm(INTERNAL_LOOK_S),
        }
        self.threads: tuple[QueueThreads, ...] = ()

    def start(
        self,
        stage: Stage,
        schedules: tuple[Schedule, ...] = (),
        give_up: Stage | None = None,
    ) -> None:
        """Begin to take jobs; each runs the ``stage`` (:class:`~miqa_node.runtime.work.stages.JobStage`).

        Raises
        ------
        SettingsError
            Another process works under the same node name, here or on another machine.
        """
        self._lock = _lock_name(self._lock_path, self._name)
        self._lease.take()
        DBOS(config=self._config())
        self._register(stage, give_up)
        scheduled = [(schedule, self._register_schedule(schedule)) for schedule in schedules]
        counts_polls = attach(self._alarms)
        limit_pauses()
        make_polls_rare(is_sqlite=self._database.is_sqlite)
        for topic, name in ((JOBS, IMAGE_QUEUE), (REASSESSMENTS, REASSESS_QUEUE), (RECOVERIES, RECOVERY_QUEUE)):
            self._database.on_commit(topic, self._alarms[name].ring)
        DBOS.listen_queues([IMAGE_QUEUE, EARLIER_QUEUE, RECOVERY_QUEUE, REASSESS_QUEUE])
        others = threading.enumerate()
        DBOS.launch()
        polls = (lambda: self._alarms[IMAGE_QUEUE].polls) if counts_polls else itertools.count().__next__
        self.threads = (QueueThreads(polls, self._database.check, others),)
        DBOS.register_queue(
            IMAGE_QUEUE,
            worker_concurrency=SENDERS_AT_ONCE * self._jobs_per_sender,
            partition_worker_concurrency=self._jobs_per_sender,
            polling_interval_sec=self._settings.poll_interval_s,
            on_conflict="always_update",
        )
        DBOS.register_queue(EARLIER_QUEUE, worker_concurrency=1, polling_interval_sec=5.0, on_conflict="always_update")
        # One at a time: a job that kills its worker must not take others with it a second time.
        DBOS.register_queue(RECOVERY_QUEUE, worker_concurrency=1, polling_interval_sec=1.0, on_conflict="always_update")
        DBOS.register_queue(
            REASSESS_QUEUE,
            worker_concurrency=1,
            limiter={"limit": self._settings.reassess_per_minute, "period": 60.0},
            polling_interval_sec=max(FRESH_LOOK_S, self._settings.poll_interval_s),
            on_conflict="always_update",
        )
        for schedule, workflow in scheduled:
            _set_schedule(schedule, workflow)

    def stop(self) -> None:
        """Finish running jobs within a limit and take no more. A waiting step ends and runs again later."""
        self._stopping.set()
        for alarm in self._alarms.values():
            alarm.retire()
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=SHUTDOWN_GRACE_S)
        if self._lock is not None:
            self._lease.release()
            self._lock.close()

    def running(self) -> frozenset[str]:
        """Identifiers of the jobs that this process is running."""
        return frozenset(self._running)

    def _config(self) -> DBOSConfig:
        return {
            "name": APPLICATION_NAME,
            "application_version": APPLICATION_VERSION,
            "executor_id": self._name,
            "system_database_url": self._database.url.render_as_string(hide_password=False),
            "system_database_engine": self._database.engine,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "enable_otlp": False,
            "run_migrations": False,
        }

    def _register(self, stage: Stage, give_up: Stage | None) -> None:
        # Two more than the node's own counter: the first counts against nobody, and the last records "quarantined".
        job_stage = JobStage(stage, self._settings.max_attempts + 2, give_up, self._stopping, self.waiting)

        @DBOS.workflow(name=ASSESS_JOB, max_recovery_attempts=None)
        def assess_instance(digest: str) -> None:
            job = str(DBOS.workflow_id)
            self._running.add(job)
            try:
                with span("job", job=job):
                    if job.startswith(REASSESS_PREFIX):
                        DBOS.run_step({"name": "wait-for-new-images"}, self._wait_for_new_images)
                    job_stage.run(InstanceDigest(digest))
            finally:
                self._running.discard(job)

    def _wait_for_new_images(self) -> None:
        """Wait until no new image is waiting: images that are judged again come after them."""
        while DBOS.list_workflows(
            status="ENQUEUED", queue_name=IMAGE_QUEUE, limit=1, load_input=False, load_output=False
        ):
            if self._stopping.wait(FRESH_LOOK_S):
                raise StoppedError

    def _register_schedule(self, schedule: Schedule) -> ScheduledWorkflow:
        options: StepOptions = {
            "name": schedule.name,
            "retries_allowed": True,
            "max_attempts": self._settings.max_attempts,
            "interval_seconds": RETRY_INTERVAL_S,
            "backoff_rate": RETRY_BACKOFF,
        }

        @DBOS.workflow(name=schedule.name)
        def scheduled(due_at: datetime, _context: Any) -> None:
            DBOS.run_step(options, _scheduled_step(schedule), due_at)

        return scheduled


def _scheduled_step(schedule: Schedule) -> Callable[[datetime], None]:
    def run(due_at: datetime) -> None:
        try:
            schedule.run(due_at)
        except Exception as error:
            log.error("scheduled work failed, it will be tried again", name=schedule.name, error=type(error).__name__)
            raise

    return run


def _set_schedule(schedule: Schedule, workflow: ScheduledWorkflow) -> None:
    """Apply the schedule of the settings; an unchanged one continues, so missed runs are made up for."""
    there = DBOS.get_schedule(schedule.name)
    if there is not None and there["schedule"] == schedule.cron:
        return
    if there is not None:
        DBOS.delete_schedule(schedule.name)
    if schedule.cron:
        try:
            DBOS.create_schedule(
                schedule_name=schedule.name, workflow_fn=workflow, schedule=schedule.cron, automatic_backfill=True
            )
        except queue_errors.DBOSException:
            there = DBOS.get_schedule(schedule.name)  # another starting process may have created it
            if there is None or there["schedule"] != schedule.cron:
                raise


def migrate_queue(database: Database) -> None:
    """Bring the queue's own tables to their newest version."""
    DBOS.migrate(database.url.render_as_string(hide_password=False))


def _lock_name(path: Path, name: str) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+")  # it keeps the number of the process that has the lock
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read(20).strip()
        file.close()
        place = f"here, as process {holder}" if holder.isdecimal() else "here"
        raise SettingsError(IN_USE.format(node=name, place=place)) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
