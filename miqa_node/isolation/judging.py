"""The judging side of a node: the models that the site chose, processes that run them, and the tools of units."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import Settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import MiqaError
from miqa_node.isolation.tasks import decoding, enhance
from miqa_node.isolation.workers import ImageWorkers
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.chosen import ChosenModels
from miqa_node.runtime.work.site_rules import SiteRules
from miqa_node.runtime.workers.faults import NodeFaults
from miqa_node.stages.assess.active import ActiveModels
from miqa_node.stages.assess.shadow import ShadowRunner
from miqa_node.stages.assess.sidecars import landmark_package
from miqa_node.stages.conclusion.deliver import kinds_to_make
from miqa_node.stages.conclusion.effects import DestinationsFor
from miqa_node.stages.conclusion.shadow import save_shadow
from miqa_node.stages.deliver.rows.announcements import Announcer
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.units.base import ImagingTools, JudgingTools, ReportingTools, UnitContext

ALIKE_FAILURES = 5
"""So many different images in a row that fail alike are a fault of the node."""


class NodeJudging:
    """All that judges in one process, and what follows the site's choices; only a process that ``works`` judges."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        policy: SiteRules,
        announcer: Announcer,
        *,
        works: bool,
    ) -> None:
        """Subscribers hear from ``announcer`` if the node is at fault and judges no images."""
        self._settings, self._database, self._policy, self._works = settings, database, policy, works
        self._announcer = announcer
        self._reports = ReportSettings.of(settings)
        self.choice = ChosenModels(database, settings.assess.follow_interval_s)
        chosen, work = self.choice.current, settings.work
        self.models = ActiveModels(settings, chosen)
        self.shadow = ShadowRunner(settings, chosen, partial(save_shadow, database, policy.current))
        self.workers = ImageWorkers(settings, chosen, policy.current, self._reports, is_alone=not works)
        self.faults = NodeFaults(self._check_canary, ALIKE_FAILURES, work.canary_interval_s, self._announce_pause)

    def unit_context(self, objects: ObjectStore, destinations: DestinationsFor) -> UnitContext:
        """The tools of units: worker processes decode, judge and report what ``destinations`` request."""
        settings, pool, policy = self._settings, self.workers.pool, self._policy
        there, relaxed = decoding(settings), settings.dicom.relaxed_uids
        imaging = ImagingTools(
            partial(read_header, relaxed=relaxed, anatomy=settings.imaging.anatomy),
            pool.decode,
            there,
            pool.run,
            settings.work.worker_processes,
            settings.patients.authorities.complete,
            settings.dicom.clocks.complete,
        )
        judging = JudgingTools(
            self.workers.judge,
            policy.current,
            self.workers.certify,
            self.shadow,
            self.models.series,
            policy.silence,
        )
        return UnitContext(
            self._database,
            Artifacts(objects),
            imaging,
            judging,
            ReportingTools(self._reports, lambda: kinds_to_make(destinations), there, enhance, pool.run),
            settings.work.series_max_slices,
            revocations=settings.analysis.revocations,
        )

    def follow(self) -> None:
        """Follow the site's choice of models and limits from now on, in this thread once, then in one of its own."""
        working = (self.workers.follow, self.shadow.follow) if self._works else ()
        self.choice.lead((self._policy.follow, self.models.follow, *working))

    def check(self) -> None:
        """Have the node judge nothing, until its canary passes, if the models do not run or the policy has no rules."""
        try:
            self._policy.check()
            self.workers.check_now()
        except MiqaError as error:
            self.faults.pause(str(error))  # images are received and wait

    def _check_canary(self) -> None:
        self._policy.check()
        self.workers.check_canary()

    def _announce_pause(self, reason: str) -> None:
        with self._database.begin() as transaction:
            self._announcer.node_judges(transaction, reason, datetime.now(UTC))

    def version(self) -> str:
        """The model and the policy in force."""
        return f"{self.models.name}:{self._policy.current().version}"

    def names(self) -> dict[str, str]:
        """The model packages in force by slot; empty if a slot has none."""
        points, shadow = landmark_package(self._settings), self.choice.current().shadow
        return {"Quality": self.models.name, "Anatomical points": points, "In trial (shadow)": shadow}

    def checks(self, waiting: Callable[[], None]) -> dict[str, Callable[[], None]]:
        """Checks of readiness; ``waiting`` counts the jobs that wait."""
        return {
            Phrase("The work on images"): waiting,
            Phrase("The models"): self.workers.check,
            Phrase("The decoder"): self.workers.pool.check,
            Phrase("The judgement of images"): self.faults.check,
        }
