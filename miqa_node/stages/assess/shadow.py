"""Runs a candidate package in the background, where it can do no harm to the active one.

The candidate works in a child process of low priority, which decodes the image again, and only after the active
verdict is stored. If it crashes, hangs, exhausts memory or is slow, it leaves images unjudged; nothing else happens.
Its assessments are kept apart (stages/conclusion/rows/shadows.py) and reach no report, no worklist and no PACS.
"""

from __future__ import annotations

import os
import queue
import resource
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import structlog

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.core.observe import metrics
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError
from miqa_node.runtime.workers.child import decode_here
from miqa_node.runtime.workers.children import ChildDeathError, ChildProcesses, ChildTimeoutError
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.field import judge_field
from miqa_node.stages.assess.package_checks import package_label
from miqa_node.stages.assess.package_files import find_package
from miqa_node.stages.assess.packages import open_package, with_calibration
from miqa_node.stages.assess.session import CPU_PROVIDER, available_provider
from miqa_node.stages.assess.site_calibration import calibration_path, in_force

log = structlog.get_logger(__name__)

LOWEST_PRIORITY = 19
MOST_WAITING = 4
"""More images are not judged by the candidate."""
MAX_FAILURES = 5
"""After as many in a row the candidate is paused until another is chosen."""
STUCK_AFTER_S = 60.0
"""The thread counts as stuck if it is silent this long beyond an image's timeout, at which the child is killed."""

Save = Callable[[str, Assessment], None]
"""Stores a candidate's assessment: name of the package, and the assessment."""


@dataclass(frozen=True, slots=True)
class _Image:
    header: Header
    path: Path
    frame: int
    digest: InstanceDigest
    traits: ImageTraits


class ShadowRunner:
    """One candidate, a short queue, one thread and one child process; without a candidate it does nothing.

    ``offer`` and ``verdict_is_out`` never wait, and never raise because of the candidate.
    """

    def __init__(self, settings: Settings, choice: Callable[[], ModelChoice], save: Save) -> None:
        self._settings = settings
        self._choice = choice
        self._save = save
        self._folder: Path | None = None
        self._missing = ""
        self._lock = threading.Lock()
        self._waiting_for_verdict: OrderedDict[InstanceDigest, _Image] = OrderedDict()
        self._queue: queue.Queue[_Image] = queue.Queue(MOST_WAITING)
        self._offered = threading.Event()
        self._child: _ShadowChild | None = None
        self._thread = SteadyThread("shadow", self._run, settings.assess.shadow_timeout_s + STUCK_AFTER_S)
        self._stopping = self._thread.stopping
        self.threads = (self._thread,)

    @property
    def name(self) -> str:
        """Name of the candidate; empty without one."""
        return package_label(self._folder) if self._folder else ""

    def start(self) -> None:
        """Begin to judge offered images."""
        self.follow()
        self._thread.start()

    def stop(self) -> None:
        """Stop at once; waiting images stay unjudged."""
        self._stopping.set()
        self._offered.set()
        if (child := self._child) is not None:
            child.close()
        self._thread.stop()

    def follow(self) -> None:
        """Check whether another candidate was chosen."""
        choice = self._choice()
        folder = find_package(self._settings.model_folders, choice.shadow) if choice.shadow else None
        missing = choice.shadow if folder is None else ""
        if missing and missing != self._missing:
            log.error("the shadow package is not there", package=missing)
        self._missing = missing
        if folder != self._folder:
            self._folder = folder
            log.info("shadow package changed", package=self.name)

    def offer(self, header: Header, path: Path, frame: int, digest: InstanceDigest, traits: ImageTraits) -> None:
        """Keep an image until its verdict is stored; if there are too many, the oldest is dropped."""
        if self._folder is None:
            return
        with self._lock:
            self._waiting_for_verdict[digest] = _Image(header, path, frame, digest, traits)
            if len(self._waiting_for_verdict) > MOST_WAITING:
                self._waiting_for_verdict.popitem(last=False)
                metrics.SHADOW_IMAGES.labels("dropped").inc()

    def verdict_is_out(self, digest: InstanceDigest) -> None:
        """Queue the image for the candidate; drop it if the queue is full."""
        with self._lock:
            image = self._waiting_for_verdict.pop(digest, None)
        if image is None:
            return
        try:
            self._queue.put_nowait(image)
        except queue.Full:
            metrics.SHADOW_IMAGES.labels("dropped").inc()
        else:
            self._offered.set()

    def _run(self) -> None:
        failures = 0
        try:
            while self._thread.goes_on(None, self._offered):
                self._offered.clear()
                while not self._stopping.is_set() and not self._queue.empty():
                    failures = self._take(self._queue.get_nowait(), failures)
                    self._thread.beat()
        finally:
            if self._child is not None:
                self._child.close()
                self._child = None

    def _take(self, image: _Image, failures: int) -> int:
        """Let the candidate judge one image; return the number of consecutive failures (``failures`` before it)."""
        child, folder = self._child, self._folder
        if folder is None:
            return failures
        if child is None or child.folder != folder:
            if child is not None:
                child.close()
            self._child = child = _ShadowChild(folder, self._settings)
            failures = 0
        if failures >= MAX_FAILURES or self._stopping.is_set():
            return failures
        if self._judge(child, image):
            return 0
        failures += 1
        if failures == MAX_FAILURES:
            log.error("the shadow package failed too often and is no longer used", package=self.name)
        return failures

    def _judge(self, child: _ShadowChild, image: _Image) -> bool:
        try:
            assessment = child.judge(image)
            self._save(package_label(child.folder), assessment)
        except Exception as error:  # noqa: BLE001 - whatever a candidate does must not reach the active way
            if not self._stopping.is_set():
                reason = str(error) if isinstance(error, MiqaError) else type(error).__name__
                log.warning("the shadow package failed", package=package_label(child.folder), reason=reason)
                metrics.SHADOW_IMAGES.labels("failed").inc()
            return False
        metrics.SHADOW_IMAGES.labels("judged").inc()
        return True


class _ShadowChild:
    """The candidate's process; a new one replaces it if it dies."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self._settings = settings
        self._children = ChildProcesses(1)

    def judge(self, image: _Image) -> Assessment:
        """The candidate's assessment; an error in the child is raised here."""
        arguments = (self.folder, self._settings.model_dump_json(), image)
        try:
            assessment: Assessment = self._children.run(
                _judge_in_child, *arguments, timeout_s=self._settings.assess.shadow_timeout_s
            )
        except ChildTimeoutError:
            raise TimeoutError("over its time") from None
        except ChildDeathError as death:
            raise ChildProcessError("its process died") from death
        return assessment

    def close(self) -> None:
        """Kill the process."""
        self._children.close()


def _judge_in_child(folder: Path, settings: str, image: _Image) -> Assessment:
    assessor, max_pixels = _load(folder, settings)
    radiograph = decode_here(image.path, image.frame, max_pixels)
    return judge_field(assessor.assess, image.header, radiograph, image.digest, image.traits).assessment


@lru_cache(maxsize=1)  # a child serves one candidate, which is opened for its first image
def _load(folder: Path, settings_json: str) -> tuple[ImageAssessor, int]:
    """Limit this process, then open the candidate on one thread: threads of its session inherit the low priority."""
    settings = Settings.model_validate_json(settings_json)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if available_provider(settings.node.accelerator) == CPU_PROVIDER:  # CUDA reserves more address space than any limit
        limit = settings.assess.shadow_memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    assess = settings.assess.model_copy(update={"intra_op_threads": 1})
    package = open_package(folder, settings.node.accelerator, assess, goldens_required=False)
    path = calibration_path(settings.node.data_dir, package.name)
    calibration = in_force(path, package.card, package.identity.sha256, settings.node.site)
    return ImageAssessor(with_calibration(package, calibration)), settings.imaging.max_pixels
