"""Interface of the worker processes for the rest of the node; see docs/adr/0012-worker-processes.md."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import StoredInstance
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.domain.policy import Policy
from miqa_node.core.observe.recent_check import RecentCheck
from miqa_node.core.observe.stages import count_observed
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError, ResourcesError
from miqa_node.isolation import sandbox, tasks
from miqa_node.isolation.early import LOADER, announce
from miqa_node.isolation.inference import InferenceProcess, has_inference_process
from miqa_node.isolation.tasks import SiteChoice
from miqa_node.local import LocalResult
from miqa_node.runtime.workers.child import transfer_file
from miqa_node.runtime.workers.children import OpenFile
from miqa_node.runtime.workers.pool import WorkerPool, map_pixels
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.units.base import JudgedImage

log = structlog.get_logger(__name__)

OWN = "(the node itself)"
"""Sender of the node's own checks, so people who view images do not delay them."""
CHECK_INTERVAL_S = 5.0
CHECK_WAIT_S = 0.5
CHECK_LIMIT_S = 60.0
CERTIFICATE_S = 60.0


class LastCertificate(NamedTuple):
    """The sentence about a verdict, what it depends on, and when a worker gave it."""

    basis: object
    text: str
    at_s: float


class ImageWorkers:
    """Judges and reports in worker processes; ``pool`` are the processes, which decode and encode as well.

    An image that exceeds a worker's memory or time, or kills it, only fails itself, with DecodeLimitError.
    """

    def __init__(
        self,
        settings: Settings,
        models: Callable[[], ModelChoice],
        policy: Callable[[], Policy],
        reports: ReportSettings,
        *,
        is_alone: bool = True,
    ) -> None:
        """``models`` and ``policy`` are called for each image.

        Unless each worker ``is_alone``, with models of its own, they share an inference process if the settings say so.
        """
        self._models, self._policy, self._reports = models, policy, reports
        self._data_dir = settings.node.data_dir
        self._certificate: LastCertificate | None = None
        self._accepted: ModelChoice | None = None
        self._refused: ModelChoice | None = None
        logs = structlog.is_configured()
        announce(settings, logs=logs)
        shares = not is_alone and has_inference_process(settings)
        self._inference = InferenceProcess(settings) if shares else None
        prepare = partial(tasks.set_up, logs=logs, inference=self._inference.address if self._inference else "")
        self.pool = WorkerPool(settings, prepare, (settings,), (LOADER,))
        if reason := sandbox.reason_for_none(settings, is_alone=not shares):
            log.warning("worker processes have the rights of the node", reason=reason)
        else:
            log.info("worker processes are sandboxed", by=sandbox.described(settings, is_alone=not shares))
        self._check = RecentCheck(
            "A worker process",
            self.check_now,
            max_age_s=CHECK_INTERVAL_S,
            limit_s=CHECK_LIMIT_S,
            is_busy=lambda: self.pool.all_busy,
        )

    def start(self) -> None:
        """Start the processes in the background; without it, each starts when it is needed."""
        if self._inference is not None:
            self._inference.start()
        self.pool.warm()

    def close(self) -> None:
        """End the processes."""
        self.pool.close()
        if self._inference is not None:
            self._inference.close()

    @property
    def threads(self) -> tuple[SteadyThread, ...]:
        """What has to stay alive."""
        return self.pool.threads if self._inference is None else (*self.pool.threads, self._inference.thread)

    def follow(self) -> None:
        """Test a new choice of models in one worker: models that cannot be loaded never replace working ones."""
        chosen = self._models()
        if self._accepted is None or chosen in (self._accepted, self._refused):
            return
        try:
            self.pool.run(tasks.take_up, SiteChoice(chosen, self._policy()), sender=OWN)
        except ResourcesError:
            return  # no process is available at the moment
        except MiqaError as error:
            self._refused = chosen
            log.error("the chosen models cannot be used, those before stay", reason=str(error))
        else:
            self._accepted, self._refused = chosen, None
            log.info("models changed", active=chosen.active)

    def judge(self, instance: StoredInstance, path: Path, frame: int) -> JudgedImage:
        """See :class:`~miqa_node.stages.units.base.FileJudge`."""
        parts: tasks.JudgedParts = self.pool.run(
            tasks.judge, instance, path, frame, self._choice(), sender=instance.calling_ae_title
        )
        count_observed(parts.stages)
        return parts.image()

    def certify(self, assessment: Assessment, policy: Policy) -> str:
        """What to show beside the verdict on this assessment; a worker is asked if anything that it depends on changed.

        What a worker said is believed for a minute at most: it may have had no model just then.
        """
        choice, now = self._choice(policy), time.monotonic()
        basis = (assessment.model, assessment.calibration, choice, self._calibrations())
        last = self._certificate
        if last is None or last.basis != basis or now - last.at_s > CERTIFICATE_S:
            certificate: str = self.pool.run(tasks.certify, assessment, choice, sender=OWN)
            last = self._certificate = LastCertificate(basis, certificate, now)
        return last.text

    def _calibrations(self) -> tuple[tuple[str, int, int], ...]:
        """Name, time and size of the site's calibrations."""
        with suppress(OSError):  # there are none
            files = [(file.name, file.stat()) for file in os.scandir(self._data_dir / "calibration")]
            return tuple(sorted((name, status.st_mtime_ns, status.st_size) for name, status in files))
        return ()

    def look(self, path: Path, described: tuple[str, str, str]) -> LocalResult:
        """Assess a file without receiving it, see :func:`miqa_node.local.assess_path`."""
        with transfer_file() as file:
            transfer = OpenFile(file.fileno())
            result: tasks.LookedAt
            result, layout = self.pool.run(tasks.look, path, described, transfer, self._choice())
            return LocalResult(*result, map_pixels(file, layout))

    def work(self, task: Callable[..., Any], *arguments: object) -> Any:
        """A feature's own task in a worker process, which gets the choice of models and the policy last."""
        return self.pool.run(task, *arguments, self._choice(), sender=OWN)

    def check_canary(self) -> None:
        """Judge and report the test image; ResourcesError with the reason if that fails."""
        with self.pool.own_turn():
            self.pool.run(tasks.check_canary, self._choice(), self._reports, sender=OWN)

    def check_now(self) -> None:
        """Raise the error that keeps the models from running in a worker."""
        with self.pool.own_turn():
            self.pool.run(tasks.check, self._choice(), sender=OWN)

    def obstacle(self, *, series: bool) -> str:
        """Why no package can judge a series, or an image, now; empty if one can."""
        try:
            reason: str = self.pool.run(tasks.obstacle, self._choice(), series, sender=OWN)
        except MiqaError as error:
            return str(error)
        return reason

    def check(self) -> None:
        """ResourcesError with the reason if the models do not run; the result may be a few seconds old."""
        if reason := self._check.reason(CHECK_LIMIT_S if self._check.is_new else CHECK_WAIT_S):
            raise ResourcesError(reason)

    def _choice(self, policy: Policy | None = None) -> SiteChoice:
        if self._accepted is None:
            self._accepted = self._models()
        return SiteChoice(self._accepted, policy or self._policy())
