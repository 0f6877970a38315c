"""The composition root: builds a node from settings and wires its parts, all in one process or by role."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

import structlog

from miqa_node import plugins
from miqa_node.core.domain.event import EventOrigin
from miqa_node.core.domain.role import NodeRole
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe.log import log_plugins
from miqa_node.core.process import give_back_memory
from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import watched_policy
from miqa_node.isolation.judging import NodeJudging
from miqa_node.parts import NodePart, OpenParts, PartContext, StartMoment
from miqa_node.pipeline import Pipeline
from miqa_node.runtime.store.database import DELIVERIES
from miqa_node.runtime.store.disk import check_writing
from miqa_node.runtime.store.listening import CommitListener
from miqa_node.runtime.store.site_store import open_store
from miqa_node.runtime.work.clock_trust import ClockTrust
from miqa_node.runtime.work.migration import migrate
from miqa_node.runtime.work.parts import RunningParts
from miqa_node.runtime.work.queue import DurableQueue, Worker
from miqa_node.runtime.work.recovery import RollCall, longest_pause_s
from miqa_node.runtime.work.site_rules import SiteRules
from miqa_node.runtime.workers.forks import Fork
from miqa_node.runtime.workers.readiness import ReadinessChecks
from miqa_node.runtime.workers.supervisor import Supervisor
from miqa_node.stages.assess.session import ModelSessions
from miqa_node.stages.conclusion.effects import EffectContext, giving_up_effects, verdict_effects
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.kinds.base import DestinationConfig
from miqa_node.stages.deliver.lanes import Lanes
from miqa_node.stages.deliver.rows.announcements import Announcer
from miqa_node.stages.deliver.rows.outbox import DatabaseOutbox
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.rows.reserve import DiskReserve
from miqa_node.stages.receive.sources.base import ImageSource, SourceContext, open_sources
from miqa_node.stages.report.lower import lower_class
from miqa_node.stages.units.kinds import NOT_IMAGE_MODALITIES
from miqa_node.stages.units.rows.acquisition_rules import acquisition_rules

log = structlog.get_logger(__name__)


class Node:
    """A node with all its parts. Call ``start`` and ``stop`` once each, or use it as a context manager."""

    def __init__(
        self,
        settings: Settings,
        destinations: Sequence[DestinationConfig] = (),
        role: NodeRole = NodeRole.ALL,
        on_hopeless: Callable[[str], None] = lambda _reason: None,
        fork: Fork | None = None,
    ) -> None:
        """``on_hopeless`` gets why a part cannot be healed: end the process then. ``fork`` makes further receivers."""
        plugins.allow(settings.plugins.allow)
        self.settings, self.role = settings, role
        # What the site has, and wants.
        self.database, self.objects = database, objects = open_store(settings)
        self.destinations = there = Destinations(settings.destinations_file, destinations)
        policy_file = watched_policy(settings.policy_file)
        rules = settings.policy
        self.policy = SiteRules(database, policy_file.current, rules.silent_days, rules.learn_images)
        origin = EventOrigin(settings.node.name, settings.node.site, settings.web_url, settings.node.language)
        announcer = Announcer(there.hearing, origin, settings.work.study_quiet_s, NOT_IMAGE_MODALITIES, there.current)
        # The way of an image: judged, with effects, in jobs; results are delivered in lanes.
        self.judging = judging = NodeJudging(settings, database, self.policy, announcer, works=role.works)
        unit, workers = judging.unit_context(objects, there.taking), judging.workers
        queue = DurableQueue(database, judging.version)
        effects = EffectContext(unit, queue, acquisition_rules(settings), announcer, there.taking, there.declining)
        self._pipeline = Pipeline(
            unit, queue, verdict_effects(effects), giving_up_effects(effects),
            max_attempts=settings.work.max_attempts, pseudonym=effects.rules.operator, faults=judging.faults,
        )  # fmt: skip
        self._worker = Worker(database, settings.node.name, settings.work, settings.node.data_dir)
        outbox, ae_title = DatabaseOutbox(database, objects, lower_class), settings.dicom.ae_title
        plain = workers.pool.uncompress
        self._lanes = Lanes(outbox, there, settings.deliver, calling_ae_title=ae_title, uncompress=plain)
        # Where images come in, as long as there is room for them.
        self._clock = ClockTrust(database, settings.retention.clock_step)
        self._reserve = reserve = DiskReserve(database, objects, settings)
        receive, check = reserve.counting(self._pipeline.receive), reserve.check_store
        anatomy, has_room = settings.imaging.anatomy, reserve.suffices
        intake = Intake.of(settings.dicom, settings.incoming_dir, receive, check, anatomy=anatomy, has_room=has_room)
        now, needed = self._clock.now, lambda: reserve.needed_bytes
        source = SourceContext(settings, database, objects, intake, receive, check, {}, now, needed, fork)
        self._sources = open_sources(source, role)
        # What runs in the background, and who watches all of this.
        self._supervisor = Supervisor(on_hopeless)
        self._readiness = ReadinessChecks(self._checks(), {Phrase("The database"): database.is_busy})
        self._running = RunningParts()
        context = PartContext(
            settings, role, database, objects, queue, unit, announcer, there, self._lanes.snapshot, intake, reserve,
            self._clock, workers.pool, workers.look, workers.work, workers.obstacle, judging.names, self.readiness,
            self._readiness.is_starting)  # fmt: skip
        try:
            self._parts = OpenParts(context)
        except BaseException:  # a port is taken
            database.close()
            raise

    def start(self) -> None:
        """Migrate, then start the parts of the role; if one fails, those already started are stopped."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        log_plugins()
        begin, judging, works = self._running.begin, self.judging, self.role.works
        begin(lambda: None, self.database.close)
        # If this role assesses images, workers start in parallel with the following; else with the first image.
        begin(judging.workers.start if works else lambda: None, judging.workers.close)
        self._supervisor.watch(judging.workers.threads)
        migrate(self.database)
        self._reserve.count()
        self._begin(*self._parts.at(StartMoment.RECORDING))
        begin(judging.follow, judging.choice.stop)
        self._supervisor.watch(judging.choice.threads)
        if works:
            self._start_work()
        self._begin(*self._parts.at(StartMoment.DELIVERING))
        if works:
            self._begin(CommitListener(self.database))
            self.database.on_commit(DELIVERIES, self._lanes.wake)
        self._begin(*self._parts.at(StartMoment.SERVING))
        self._begin(*self._sources.values())  # last: no sender connects before the node can store
        begin(self._supervisor.start, self._supervisor.stop)
        give_back_memory()  # memory that only the start needed
        ports = {"dicom_port": self.dicom_port, "web_port": self.web_port, "health_port": self.health_port}
        log.info("started", role=self.role.value, ae_title=self.settings.dicom.ae_title, **ports)

    def _start_work(self) -> None:
        self.judging.check()
        self._supervisor.watch([ModelSessions()])
        self._begin(self.judging.shadow, self.judging.faults)
        way, settings, running = self._pipeline, self.settings, self._worker.running
        schedules = self._parts.schedules
        self._running.begin(lambda: self._worker.start(way.judge, schedules, way.give_up), self._worker.stop)
        self._running.begin(lambda: None, way.close)
        self._supervisor.watch(self._worker.threads)
        pause_s, now = longest_pause_s(settings), self._clock.now
        roll_call = RollCall(self.database, settings.node.name, settings.work, running, pause_s, now)
        self._begin(roll_call, *self._parts.at(StartMoment.WORKING), self._lanes)

    def _begin(self, *parts: NodePart | ImageSource | RollCall) -> None:
        for part in parts:
            self._running.begin(part.start, part.stop)
            self._supervisor.watch(part.threads)

    def stop(self) -> None:
        """Stop everything, in reverse order; unfinished work resumes after the next start."""
        self._running.stop_all()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    @property
    def dicom_port(self) -> int:
        """The actual port of the storage SCP; 0 if it does not run here."""
        return self._sources["cstore"].port if "cstore" in self._sources else 0

    @property
    def web_port(self) -> int:
        """The actual port of pages and REST interface."""
        return self._parts.port("web")

    @property
    def health_port(self) -> int:
        """The actual port that serves only health and metrics."""
        return self._parts.port("web", "health_port")

    def readiness(self) -> list[str]:
        """Why the node cannot do its work now; empty if it can. The answer takes less than a second."""
        return self._readiness.reasons()

    def _checks(self) -> dict[str, Callable[[], None]]:
        checks: dict[str, Callable[[], None]] = {
            Phrase("The database"): self.database.check_writing,
            Phrase("The data directory"): partial(check_writing, self.settings.incoming_dir),
            Phrase("The object store"): self._reserve.check,
            Phrase("The supervisor"): self._supervisor.check,
        }
        return checks | self.judging.checks(self._worker.waiting.check) if self.role.works else checks
