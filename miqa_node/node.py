"""The composition root: settings become a node whose parts are wired together, all in one process or by role."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Self

import structlog

from miqa_node.analysis.archive import keep_last_month
from miqa_node.assess.active import ActiveModels
from miqa_node.assess.caption.captioned import with_captions
from miqa_node.assess.companions import Companions
from miqa_node.assess.enhance.enhancer import Enhancer
from miqa_node.assess.local import LocalAssessor, assess_path
from miqa_node.assess.shadow import Shadow
from miqa_node.deliver.commitment import read_report
from miqa_node.deliver.destinations import DestinationConfig, Destinations
from miqa_node.deliver.lanes import Lanes
from miqa_node.deliver.reports import CommitmentReporter
from miqa_node.domain.acquisition import AcquisitionRules
from miqa_node.domain.assessment import Assessment
from miqa_node.domain.delivery import ResultKind
from miqa_node.domain.event import Origin
from miqa_node.domain.policy import decide
from miqa_node.domain.ports import ObjectStore
from miqa_node.errors import MiqaError, SettingsError
from miqa_node.imaging.decode import Decoder
from miqa_node.pipeline import Pipeline
from miqa_node.receive.commitment import Commitment
from miqa_node.receive.folder import FolderWatch
from miqa_node.receive.intake import Intake
from miqa_node.receive.scp import StorageScp
from miqa_node.receive.upload import Uploads
from miqa_node.report import ReportSettings, lower_class
from miqa_node.report.catalogue import voice
from miqa_node.settings import Settings, WatchedFile, read_policy
from miqa_node.store import shadows, users
from miqa_node.store.announcements import Announcer
from miqa_node.store.commitment_requests import DatabaseLedger
from miqa_node.store.database import Database
from miqa_node.store.objects import open_objects
from miqa_node.store.outbox import DatabaseOutbox
from miqa_node.store.pseudonyms import open_key
from miqa_node.web.app import create_app
from miqa_node.web.server import WebServer
from miqa_node.web.services import WebServices
from miqa_node.work.chosen import ChosenModels
from miqa_node.work.counting import Counting
from miqa_node.work.queue import DurableQueue, Schedule, Worker, migrate_queue
from miqa_node.work.recovery import RollCall
from miqa_node.work.series import SeriesWatch
from miqa_node.work.studies import StudyWatch

log = structlog.get_logger(__name__)


class Role(StrEnum):
    """Which parts run in this process; several processes share one database and one object store."""

    ALL = "all"
    RECEIVE = "receive"
    WORK = "work"
    WEB = "web"

    @property
    def receives(self) -> bool:
        """Whether the storage SCP runs here."""
        return self in (Role.ALL, Role.RECEIVE)

    @property
    def works(self) -> bool:
        """Whether images are assessed and results delivered here."""
        return self in (Role.ALL, Role.WORK)

    @property
    def serves(self) -> bool:
        """Whether the full pages and REST interface are served; health and metrics always are."""
        return self in (Role.ALL, Role.WEB)


class Node:
    """A node, wired. ``start`` and ``stop`` once each, or use it as a context manager."""

    def __init__(
        self, settings: Settings, destinations: Sequence[DestinationConfig] = (), role: Role = Role.ALL
    ) -> None:
        self.settings = settings
        self.role = role
        self.database, self.objects = open_store(settings)
        self.destinations = Destinations(settings.destinations_file, destinations)
        self.policy = WatchedFile(settings.policy_file, read_policy)
        self._choice = ChosenModels(self.database, settings.assess.follow_interval_s)
        self.models = ActiveModels(settings, self._choice.current)
        self.companions = Companions(settings, self.models.assessor, self.policy.current)
        self._shadow = Shadow(settings, self._choice.current, self._keep_shadow)
        self._queue = DurableQueue(self.database, self._version)
        self._decoder = Decoder(settings.imaging)
        assessor = with_captions(settings, self.companions.assessor)
        self._announcer = Announcer(
            self.destinations.wanting,
            Origin(settings.node.name, settings.node.site, settings.web_url),
            settings.work.study_quiet_s,
        )
        self._pipeline = Pipeline(
            database=self.database,
            objects=self.objects,
            queue=self._queue,
            decoder=self._decoder,
            assessor=assessor,
            policy=self.policy.current,
            destinations=self.destinations.wanting,
            max_attempts=settings.work.max_attempts,
            report_settings=ReportSettings(
                settings.node.name,
                settings.assess.saliency_threshold,
                language=voice(settings.node.language).language,
            ),
            certify=self.models.certificate,
            candidate=self._shadow,
            max_slices=settings.work.series_max_slices,
            enhance=Enhancer(settings).enhance,
            rules=acquisition_rules(settings),
            announcer=self._announcer,
        )
        outbox = DatabaseOutbox(self.database, self.objects, lower_class)
        self._reporter = CommitmentReporter(
            DatabaseLedger(self.database), settings.deliver, settings.dicom.ae_title, settings.dicom.commitment_peers
        )
        self._scp = StorageScp(
            settings.dicom,
            settings.incoming_dir,
            self._pipeline.receive,
            self._check_store,
            commitment=Commitment(
                self._reporter.ask,
                self._reporter.answered,
                lambda event_type, information: outbox.commitment_reported(read_report(event_type, information)),
            ),
        )
        self._worker = Worker(self.database, settings.node.name, settings.work, settings.node.data_dir)
        self._counting = Counting(self.database, settings.analysis)
        self._roll_call = RollCall(self.database, settings.node.name, settings.work, self._worker.running)
        self._series = SeriesWatch(self.database, self._queue, settings.work)
        self._studies = StudyWatch(self.database, self._announcer)
        self._lanes = Lanes(
            outbox,
            self.destinations,
            settings.deliver,
            calling_ae_title=settings.dicom.ae_title,
        )
        self._intake = Intake(
            settings.incoming_dir, self._pipeline.receive, self._check_store, settings.dicom.max_object_bytes
        )
        self._watch = FolderWatch(settings.watch, self._intake, settings.dicom.ae_title)
        uploads = Uploads(
            settings.incoming_dir, settings.dicom.max_object_bytes, self._check_store, self._pipeline.receive
        )
        services = WebServices(
            self.database,
            self.objects,
            settings,
            self.readiness,
            self._decoder.decode,
            lambda: self.destinations.wanting(ResultKind.REJECTION),
            self._intake,
            uploads=uploads,
            policy=self.policy.current,
            look=lambda path, described: assess_path(
                path, described, assessor(), self._decoder.decode, self.policy.current(), self.models.certificate
            ),
        )
        self._web = WebServer(create_app(services, pages_and_api=role.serves), settings.web)
        self._stops: list[Callable[[], None]] = []

    def start(self) -> None:
        """Migrate, then start what the role asks for; whatever started is stopped again when a later part fails."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self._stops.append(self.database.close)
        if self.role.works:  # first, because the children start beside all that follows
            self._begin(self._decoder.warm, self._decoder.close)
        elif self.role.serves:  # its children start with the first image that somebody looks at
            self._stops.append(self._decoder.close)
        migrate(self.database)
        followers = (self.models.follow, *((self._shadow.follow,) if self.role.works else ()))
        self._begin(lambda: self._choice.start(followers), self._choice.stop)
        if self.role.works:
            self._start_work()
            self._begin(self._lanes.start, self._lanes.stop)
        self._begin(self._web.start, self._web.stop)
        if self.role.receives:  # last: nobody is let in before the node can keep what it is given
            self._begin(self._reporter.start, self._reporter.stop)
            self._begin(self._scp.start, self._scp.stop)
            self._begin(self._watch.start, self._watch.stop)
        log.info(
            "started",
            role=self.role.value,
            ae_title=self.settings.dicom.ae_title,
            dicom_port=self.dicom_port,
            web_port=self.web_port,
        )

    def _start_work(self) -> None:
        try:
            self.models.check()
        except MiqaError as error:
            # Images are still received and kept: their jobs wait, and /readyz says what for.
            log.error("no image will be assessed", reason=str(error))
            return
        self._begin(self._shadow.start, self._shadow.stop)
        self._begin(
            lambda: self._worker.start(self._pipeline_steps(), self._schedules(), self._pipeline.give_up),
            self._worker.stop,
        )
        self._begin(self._counting.start, self._counting.stop)
        self._begin(self._roll_call.start, self._roll_call.stop)
        self._begin(self._series.start, self._series.stop)
        self._begin(self._studies.start, self._studies.stop)

    def stop(self) -> None:
        """Stop everything, in the opposite order of starting; what is unfinished is finished after the next start."""
        while self._stops:
            try:
                self._stops.pop()()
            except Exception:  # the other parts must end, too
                log.exception("a part of the node did not stop in order")

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
        """The port that the storage SCP really listens on."""
        return self._scp.port if self.role.receives else 0

    @property
    def web_port(self) -> int:
        """The port that pages and REST interface really listen on."""
        return self._web.port

    def set_up_link(self) -> str:
        """The address at which the first account is made, good once; empty when there are accounts already."""
        if not self.role.serves or self.settings.oidc.used:
            return ""
        with self.database.begin() as transaction:
            if users.any_exists(transaction):
                return ""
            until = datetime.now(UTC) + timedelta(seconds=self.settings.access.invitation_lifetime_s)
            secret = users.invite(transaction, "", until)
        url = self.settings.web_url if self.settings.web.public_url else f"http://localhost:{self.web_port}"
        return f"{url}/welcome/{secret}"

    def readiness(self) -> list[str]:
        """Why the node cannot do its work now; empty when it can."""
        reasons = []
        judges = (self.models.check, self.companions.check) if self.role.works else ()
        for check in (self.database.check, self.objects.check, *judges):
            try:
                check()
            except MiqaError as error:
                reasons.append(str(error))
        return reasons

    def _begin(self, start: Callable[[], None], stop: Callable[[], None]) -> None:
        # Registered first: a part that fails half way through its start has something to stop, too.
        self._stops.append(stop)
        start()

    def _pipeline_steps(self) -> tuple[tuple[str, Callable[..., None]], ...]:
        return (("assess", self._pipeline.assess), ("conclude", self._pipeline.conclude))

    def _schedules(self) -> tuple[Schedule, ...]:
        def report(due_at: datetime) -> None:
            month = keep_last_month(self.database, self.objects, self.settings, due_at)
            log.info("monthly report", month=month)

        return (Schedule("monthly-report", self.settings.analysis.report_schedule, report),)

    def _version(self) -> str:
        return f"{self.models.name}:{self.policy.current().version}"

    def _keep_shadow(self, package: str, assessment: Assessment) -> None:
        disposition = decide(assessment, self.policy.current())
        with self.database.begin() as transaction:
            shadows.save(transaction, package, assessment, disposition)

    def _check_store(self) -> None:
        self.objects.check()
        with self.database.begin():
            pass


def open_store(settings: Settings) -> tuple[Database, ObjectStore]:
    """Database and object store of the settings; makes the data directory."""
    try:
        settings.node.data_dir.mkdir(parents=True, exist_ok=True)
        settings.incoming_dir.mkdir(exist_ok=True)
    except OSError as error:
        raise SettingsError(f"node.data_dir {settings.node.data_dir} cannot be made: {error.strerror}.") from error
    store = settings.store
    objects = open_objects(store.objects_url, settings.objects_dir, store.min_free_bytes, store.cache_bytes)
    return Database(settings.database_url, store.pool_size), objects


def acquisition_rules(settings: Settings) -> AcquisitionRules:
    """How the site names rooms and shifts, keeps people's names and draws samples; makes the key of pseudonyms."""
    site = settings.analysis
    return AcquisitionRules(
        key=open_key(settings.node.data_dir / "pseudonym.key", site.pseudonym_key),
        rooms=site.rooms,
        shifts={name: time.fromisoformat(start) for name, start in site.shifts.items()},
        repeat_window_s=site.repeat_window_s,
        show_operators=site.show_operators,
        assume_archived=site.assume_archived,
        archive_ae_titles=site.archive_ae_titles,
        audit_share=site.audit_share,
    )


def build_assessor(settings: Settings) -> LocalAssessor:
    """What assesses single files without a node."""
    return LocalAssessor(settings)


def migrate(database: Database) -> None:
    """Bring all tables to their newest version: the node's own and the queue's."""
    database.migrate()
    migrate_queue(database)
