"""The composition root: builds a node from settings and wires its parts, all in one process or by role."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Self

import structlog

from miqa_node import plugins
from miqa_node.assess.active import ActiveModels
from miqa_node.assess.session import ModelSessions
from miqa_node.assess.shadow import ShadowRunner
from miqa_node.assess.sidecars import landmark_package
from miqa_node.conclusion.amendment import Amendments
from miqa_node.conclusion.deliver import kinds_to_make
from miqa_node.conclusion.effects import EffectContext, giving_up_effects, verdict_effects
from miqa_node.conclusion.remaking import Remaking
from miqa_node.deliver.certificates import certificate_files
from miqa_node.deliver.destinations import Destinations
from miqa_node.deliver.kinds.base import DeliveryContext, DestinationConfig, probe
from miqa_node.deliver.lanes import Lanes
from miqa_node.domain.assessment import Assessment
from miqa_node.domain.delivery import REJECTION
from miqa_node.domain.event import EventOrigin
from miqa_node.domain.policy import decide
from miqa_node.domain.role import NodeRole
from miqa_node.errors import MiqaError, NotFoundError
from miqa_node.health.faults import NodeFaults
from miqa_node.health.readiness import ReadinessChecks
from miqa_node.health.supervisor import Supervisor
from miqa_node.imaging.headers import read_header
from miqa_node.isolation.tasks import decoding, enhance
from miqa_node.isolation.workers import ImageWorkers
from miqa_node.observe.log import log_plugins
from miqa_node.pipeline import Pipeline
from miqa_node.process import give_back_memory
from miqa_node.reassessment import Reassessment
from miqa_node.receive.intake import Intake
from miqa_node.report.lower import lower_class
from miqa_node.report.made import ReportSettings
from miqa_node.settings import Settings, WatchedFile
from miqa_node.settings.policy import read_policy
from miqa_node.signing import KEY_FILE, Signer
from miqa_node.sources.base import ImageSource, SourceContext, open_sources
from miqa_node.sources.rest import RestSource
from miqa_node.store import shadows
from miqa_node.store.acquisition_rules import acquisition_rules
from miqa_node.store.announcements import Announcer
from miqa_node.store.artifacts import Artifacts
from miqa_node.store.database import ARRIVALS, DELIVERIES
from miqa_node.store.disk import check_writing
from miqa_node.store.listening import CommitListener
from miqa_node.store.outbox import DatabaseOutbox
from miqa_node.store.reserve import DiskReserve
from miqa_node.store.site_store import open_store
from miqa_node.units.base import ImagingTools, JudgingTools, ReportingTools, UnitContext
from miqa_node.units.kinds import NOT_IMAGE_MODALITIES
from miqa_node.web.app import create_app
from miqa_node.web.server import WebServer
from miqa_node.web.services import WebServices
from miqa_node.web.set_up import first_invitation
from miqa_node.work.amending import AmendmentWatch
from miqa_node.work.archives import ArchiveRetrieval, Archives, ArchiveWatch
from miqa_node.work.audit import AuditKeeper, Watched
from miqa_node.work.audit_sending import AuditSending
from miqa_node.work.better_copies import BetterCopies
from miqa_node.work.certificates import CertificateWatch
from miqa_node.work.chosen import ChosenModels
from miqa_node.work.clock_trust import ClockTrust
from miqa_node.work.counting import AnalysisCounter
from miqa_node.work.destinations import DestinationWatch
from miqa_node.work.identification import IdentificationWork
from miqa_node.work.indexing import ResultIndexing
from miqa_node.work.mending import ResultMending
from miqa_node.work.migration import migrate
from miqa_node.work.monthly_report import monthly_report
from miqa_node.work.notices import NoticeSender
from miqa_node.work.parts import RunningParts
from miqa_node.work.pseudonym_watch import PseudonymWatch
from miqa_node.work.queue import DurableQueue, Worker
from miqa_node.work.recovery import RollCall, longest_pause_s
from miqa_node.work.regular import RegularWork
from miqa_node.work.retention import Retention
from miqa_node.work.series import SeriesWatch
from miqa_node.work.site_rules import SiteRules
from miqa_node.work.studies import StudyWatch

log = structlog.get_logger(__name__)


class Node:
    """A node with all its parts. Call ``start`` and ``stop`` once each, or use it as a context manager."""

    def __init__(
        self,
        settings: Settings,
        destinations: Sequence[DestinationConfig] = (),
        role: NodeRole = NodeRole.ALL,
        on_hopeless: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        """``on_hopeless`` is called with the reason if a part of the node cannot be healed: end the process then."""
        plugins.allow(settings.plugins.allow)
        self.settings, self.role = settings, role
        self.database, self.objects = open_store(settings)
        self.destinations = Destinations(settings.destinations_file, destinations)
        policy_file = WatchedFile(settings.policy_file, read_policy)
        self.policy = SiteRules(self.database, policy_file.current, settings.policy.silent_days)
        self._clock = ClockTrust(self.database, settings.retention.clock_step)
        self._audit = self._audit_trail()
        self._choice = ChosenModels(self.database, settings.assess.follow_interval_s)
        self.models = ActiveModels(settings, self._choice.current)
        self._shadow = ShadowRunner(settings, self._choice.current, self._keep_shadow)
        self._reports = ReportSettings.of(settings)
        self._workers = ImageWorkers(
            settings, self._choice.current, self.policy.current, self._reports, is_alone=not role.works
        )
        self._decoder = self._workers.decoder
        self._queue = DurableQueue(self.database, self._version)
        self._announcer = Announcer(
            self.destinations.hearing,
            EventOrigin(settings.node.name, settings.node.site, settings.web_url),
            settings.work.study_quiet_s,
            NOT_IMAGE_MODALITIES,
        )
        self._judging = JudgingTools(
            self._workers.judge,
            self.policy.current,
            self._workers.certify,
            self._shadow,
            self.models.series,
            self.policy.silence,
        )
        work = settings.work
        self._faults = NodeFaults(
            self._workers.check_canary, work.alike_failures, work.canary_interval_s, self._announce_pause
        )
        self._pipeline = self._build_pipeline()
        self._archives = Archives(self.destinations.current, settings)
        self._reserve = DiskReserve(self.database, self.objects, settings)
        self._retention = Retention(self.database, self.objects, settings, self._reserve, self._clock)
        self._lanes = Lanes(
            DatabaseOutbox(self.database, self.objects, lower_class),
            self.destinations,
            settings.deliver,
            calling_ae_title=settings.dicom.ae_title,
            uncompress=self._decoder.uncompress,
        )
        self._worker = Worker(self.database, settings.node.name, settings.work, settings.node.data_dir)
        self._sources = self._open_sources()
        self._supervisor = Supervisor(on_hopeless)
        self._readiness = ReadinessChecks(self._checks(), {"The database": self.database.is_busy})
        services = self._web_services()
        try:
            self._web = WebServer(create_app(services, pages_and_api=role.serves), settings.web)
            self._health = WebServer(create_app(services, pages_and_api=False), settings.web, health=True)
        except BaseException:  # a port is taken
            self.database.close()
            raise
        self._parts = RunningParts()

    def _build_pipeline(self) -> Pipeline:
        settings, taking = self.settings, self.destinations.taking
        rules = acquisition_rules(settings)
        context = UnitContext(
            self.database,
            Artifacts(self.objects),
            ImagingTools(
                partial(read_header, relaxed=settings.dicom.relaxed_uids, anatomy=settings.imaging.anatomy),
                self._decoder.decode,
                decoding(settings),
                self._decoder.run,
                settings.work.worker_processes,
                settings.patients.authorities.complete,
                settings.dicom.clocks.complete,
            ),
            self._judging,
            ReportingTools(
                self._reports, lambda: kinds_to_make(taking), decoding(settings), enhance, self._decoder.run
            ),
            settings.work.series_max_slices,
            revocations=settings.analysis.revocations,
        )
        self._amendments, self._remaking = Amendments(context, taking), Remaking(context)
        effects = EffectContext(context, self._queue, rules, self._announcer, taking, self.destinations.declining)
        return Pipeline(
            context,
            self._queue,
            verdict_effects(effects),
            giving_up_effects(effects),
            max_attempts=settings.work.max_attempts,
            pseudonym=rules.operator,
            faults=self._faults,
        )

    def _audit_trail(self) -> AuditKeeper:
        signer = Signer.open(self.settings.node.data_dir / KEY_FILE)
        watched: dict[str, Watched] = {
            "policy": lambda: {"version": self.policy.current().version},
            "destinations": self.destinations.current,
        }
        return AuditKeeper(self.database, self.settings, signer, self.role, watched, self._clock)

    def _open_sources(self) -> dict[str, ImageSource]:
        settings, receive = self.settings, self._reserve.counting(self._pipeline.receive)
        folder, check, has_room = settings.incoming_dir, self._retention.check_store, self._reserve.suffices
        anatomy = settings.imaging.anatomy
        intake = Intake.of(settings.dicom, folder, receive, check, anatomy=anatomy, has_room=has_room)
        context = SourceContext(settings, self.database, self.objects, intake, receive, check, {}, self._clock.now)
        return open_sources(context, self.role)

    def _web_services(self) -> WebServices:
        rest = next((source for source in self._sources.values() if isinstance(source, RestSource)), None)
        return WebServices(
            self.database,
            self.objects,
            self.settings,
            self.readiness,
            self._decoder.decode,
            archives=lambda: self.destinations.taking(REJECTION),
            decode_frame=self._decoder.decode,
            uncompress=self._decoder.uncompress,
            intake=rest.intake if rest else None,
            uploads=rest.uploads if rest else None,
            policy=self.policy.current,
            fetch=ArchiveRetrieval(self.database, self.objects, self._archives, self.settings).fetch,
            reassess=Reassessment(self.database, self.objects, self._queue, self._workers.obstacle),
            look=self._workers.look,
            destinations=lambda: tuple(self.destinations.current()),
            certificates=self._certificates,
            echo=self._echo,
            models=self._models,
        )

    def start(self) -> None:
        """Migrate, then start the parts of the role; if one fails, those already started are stopped."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        log_plugins()
        if self.settings.deliver.max_attempts:
            log.warning("deliver.max_attempts has no effect any more; deliver.give_up_after_days took its place")
        begin = self._parts.begin
        begin(lambda: None, self.database.close)
        # If this role assesses images, workers start in parallel with the following; else with the first image.
        begin(self._workers.start if self.role.works else lambda: None, self._workers.close)
        self._supervisor.watch(self._workers.threads)
        migrate(self.database)
        self._reserve.count()
        begin(self._audit.start, self._audit.stop)
        self._supervisor.watch(self._audit.threads)
        if self.role.works and self.settings.audit.sends:
            sending = AuditSending(self.database, self.settings)
            begin(sending.start, sending.stop)
            self._supervisor.watch(sending.threads)
        working = (self._workers.follow, self._shadow.follow) if self.role.works else ()
        begin(lambda: self._choice.start((self.policy.follow, self.models.follow, *working)), self._choice.stop)
        self._supervisor.watch(self._choice.threads)
        if self.role.works:
            self._start_work()
            watch = DestinationWatch(self.database, self.destinations, self._lanes.snapshot, self.settings)
            asking = ArchiveWatch(self.database, self._archives, self.settings)
            for part in (self._lanes, watch, self._retention, asking, CommitListener(self.database)):
                begin(part.start, part.stop)
                self._supervisor.watch(part.threads)
            self.database.on_commit(DELIVERIES, self._lanes.wake)
        watches = CertificateWatch(self._certificates), PseudonymWatch(self.database, self.settings)
        for server in (*watches, self._health, self._web):
            begin(server.start, server.stop)
            self._supervisor.watch(server.threads)
        for source in self._sources.values():  # last: no sender connects before the node can store
            begin(source.start, source.stop)
            self._supervisor.watch(source.threads)
        begin(self._supervisor.start, self._supervisor.stop)
        give_back_memory()  # memory that only the start needed
        ports = {"dicom_port": self.dicom_port, "web_port": self.web_port, "health_port": self.health_port}
        log.info("started", role=self.role.value, ae_title=self.settings.dicom.ae_title, **ports)

    def _start_work(self) -> None:
        try:
            self._workers.check_now()
        except MiqaError as error:
            self._faults.pause(str(error))  # images are received and wait, until the canary passes
        begin, way = self._parts.begin, self._pipeline
        self._supervisor.watch([ModelSessions()])
        for judging in (self._shadow, self._faults):
            begin(judging.start, judging.stop)
            self._supervisor.watch(judging.threads)
        monthly = monthly_report(self.database, self.objects, self.settings)
        stages = (("assess", way.assess), ("conclude", way.conclude))
        begin(lambda: self._worker.start(stages, (monthly,), way.give_up), self._worker.stop)
        self._supervisor.watch(self._worker.threads)
        settings, work, now = self.settings, self.settings.work, self._clock.now
        series_watch = SeriesWatch(self.database, self._queue, work)
        self.database.on_commit(ARRIVALS, series_watch.wake)
        parts: list[RegularWork | RollCall] = [
            AnalysisCounter(self.database, self.settings.analysis),
            RollCall(self.database, settings.node.name, work, self._worker.running, longest_pause_s(settings), now),
            series_watch,
            BetterCopies(self.database, self._queue),
            StudyWatch(self.database, self._announcer),
            AmendmentWatch(self._amendments),
            ResultMending(self.database, self._remaking),
            ResultIndexing(self.database, self.objects),
            IdentificationWork(self.database, self.objects, self.settings),
        ]
        if self.settings.notices.used:
            parts.append(NoticeSender(self.database, settings, trusted_now=now))
        for part in parts:
            begin(part.start, part.stop)
            self._supervisor.watch(part.threads)

    def stop(self) -> None:
        """Stop everything, in reverse order; unfinished work resumes after the next start."""
        self._parts.stop_all()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def dicom_port(self) -> int:
        """The actual port of the storage SCP; 0 if it does not run here."""
        return self._sources["cstore"].port if "cstore" in self._sources else 0

    @property
    def web_port(self) -> int:
        """The actual port of pages and REST interface."""
        return self._web.port

    @property
    def health_port(self) -> int:
        """The actual port that serves only health and metrics."""
        return self._health.port

    def set_up_link(self) -> str:
        """The one-time address for creating the first account; empty if there are accounts."""
        if not self.role.serves or self.settings.oidc.used:
            return ""
        web, url = self.settings.web, self.settings.web_url
        return first_invitation(self.database, self.settings, url if web.public_url else web.address(self.web_port))

    def readiness(self) -> list[str]:
        """Why the node cannot do its work now; empty if it can. The answer takes less than a second."""
        return self._readiness.reasons()

    def _checks(self) -> dict[str, Callable[[], None]]:
        checks: dict[str, Callable[[], None]] = {
            "The database": self.database.check_writing,
            "The data directory": partial(check_writing, self.settings.incoming_dir),
            "The object store": self._reserve.check,
            "The supervisor": self._supervisor.check,
        }
        if self.role.works:
            checks |= {
                "The models": self._workers.check,
                "The decoder": self._decoder.check,
                "The judgement of images": self._faults.check,
                "The work on images": self._worker.waiting.check,
            }
        return checks

    def _version(self) -> str:
        return f"{self.models.name}:{self.policy.current().version}"

    def _echo(self, destination: str) -> str:
        config = self.destinations.current().get(destination)
        if config is None:
            raise NotFoundError("No destination {destination} is configured here.", destination=destination)
        return probe(config, DeliveryContext(self.settings.deliver, self.settings.dicom.ae_title))

    def _certificates(self) -> dict[str, str]:
        return certificate_files(self.settings, self.destinations.current().values())

    def _models(self) -> dict[str, str]:
        choice = self._choice.current()
        points = landmark_package(self.settings)
        return {"Quality": self.models.name, "Anatomical points": points, "In trial (shadow)": choice.shadow}

    def _keep_shadow(self, package: str, assessment: Assessment) -> None:
        disposition = decide(assessment, self.policy.current())
        with self.database.begin() as transaction:
            shadows.save(transaction, package, assessment, disposition)

    def _announce_pause(self, reason: str) -> None:
        with self.database.begin() as transaction:
            self._announcer.node_judges(transaction, reason, datetime.now(UTC))
