"""Runs the packages that a site's policy switches on beside the quality package: first quality, then the others.

A package is opened for the first image that needs it, and judges until the policy no longer names it. A package that
cannot be used never delays the quality verdict: the image gets a pending prediction with the reason, and ``/readyz``
reports it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.ports import Assessor, AssessorResult
from miqa_node.core.domain.prediction import PackageRule, PendingCause, PendingReason, Prediction
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe.stages import observe
from miqa_node.core.settings import Accelerator, AssessSettings, Settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.errors import MiqaError, ModelPackageError, NotFoundError
from miqa_node.stages.assess import any_radiograph
from miqa_node.stages.assess.anomaly import sidecar as anomaly
from miqa_node.stages.assess.another_kind import noisy_not_blank
from miqa_node.stages.assess.caption import package as caption
from miqa_node.stages.assess.card import BaseCard, Task, checked_card, read_sections
from miqa_node.stages.assess.classify import sidecar as classify
from miqa_node.stages.assess.enhance import denoiser
from miqa_node.stages.assess.field import judge_field
from miqa_node.stages.assess.landmarks import sidecar as landmarks
from miqa_node.stages.assess.objects import sidecar as objects
from miqa_node.stages.assess.package_checks import package_label
from miqa_node.stages.assess.package_files import (
    find_package,
    name_and_version,
    newest_package,
    package_folders,
    places,
    read_package_card,
    versions_of,
)
from miqa_node.stages.assess.prediction_certificate import SiteCertificates
from miqa_node.stages.assess.sidecar import ImageContext, SidecarModel, SideTask

log = structlog.get_logger(__name__)

SIDE_TASKS = (
    landmarks.SIDE_TASK,
    objects.SIDE_TASK,
    anomaly.SIDE_TASK,
    classify.SIDE_TASK,
    denoiser.SIDE_TASK,
    caption.SIDE_TASK,
)
"""In the order in which they judge: an object's place needs the outlines of the lungs, and without lungs nobody looks
for objects; routing a prediction needs every finding, the anomaly score and the patient's positioning."""
BY_TASK: Mapping[Task, SideTask] = {one.task: one for one in SIDE_TASKS}
ORDER = tuple(BY_TASK)
CARDS: Mapping[Task, type[BaseCard]] = {one.task: one.card for one in SIDE_TASKS if one.card is not None}
"""Schema of the card, by task; quality is separate."""
EVERYWHERE: Mapping[Task, SideTask] = {
    one.task: one for one in (*SIDE_TASKS, any_radiograph.SIDE_TASK) if one.everywhere
}
"""Tasks with a package that runs wherever it applies; the one for quality judges what the quality package leaves."""
LANDMARKS, OBJECTS = landmarks.SIDE_TASK.everywhere, objects.SIDE_TASK.everywhere
ANY_RADIOGRAPH = any_radiograph.SIDE_TASK.everywhere
NO_PACKAGE = "off"
"""Value of the setting that runs no such package."""
RETRY_AFTER_S = 60.0
"""Time after which a package that could not be opened is tried again."""


class SidecarModels:
    """An :class:`~miqa_node.core.domain.ports.Assessor` that wraps the quality package's."""

    def __init__(
        self,
        settings: Settings,
        quality: Callable[[], Assessor],
        policy: Callable[[], Policy],
        always: Sequence[str] = (),
    ) -> None:
        """``always`` are packages that run in addition to those of the policy.

        Raises
        ------
        NotFoundError
            One of ``always`` is missing.
        ModelPackageError
            One of them cannot be used.
        """
        self._settings = settings
        self._quality = quality
        self._policy = policy
        self._lock = threading.Lock()
        self._opened: dict[str, tuple[Task, SidecarModel]] = {}
        self._failed: dict[str, tuple[float, str]] = {}
        self._always = tuple(PackageRule(name) for name in always)
        self._everywhere = packages_everywhere(settings)
        self._certificates = SiteCertificates(settings.node.data_dir, settings.node.site)
        for name in always:
            self._open(name)

    def assess(
        self, header: Header, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits
    ) -> AssessorResult:
        """Judge the quality, then add the results of the packages that the policy switches on for the image."""
        return judge_field(self._assess, header, radiograph, digest, traits)

    def _assess(
        self, header: Header, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits
    ) -> AssessorResult:
        policy = self._policy()
        judgement = self._judged(header, radiograph, self._quality().assess(header, radiograph, digest, traits), policy)
        judgement = self._of_any_part(header, radiograph, judgement, policy, traits)
        context = ImageContext(header, radiograph, judgement, policy, PackageRule(LANDMARKS))
        return noisy_not_blank(self._with_any_part(context))

    def _of_any_part(
        self, header: Header, radiograph: Radiograph, judgement: AssessorResult, policy: Policy, traits: ImageTraits
    ) -> AssessorResult:
        """With what the package for any radiograph adds, if the quality package left the image."""
        package = self._everywhere.get(ANY_RADIOGRAPH)
        if package is None or not traits.is_single_exposure:
            return judgement
        if LANDMARKS in self._everywhere:  # the package that tells a chest by its pixels
            judgement = any_radiograph.left_unsure(judgement)
        if not any_radiograph.is_left(judgement.assessment):
            return judgement
        try:
            task, model = self._open(package)
        except MiqaError:  # the log and check() say why
            return judgement
        return _add(task, model, ImageContext(header, radiograph, judgement, policy, PackageRule(package)))

    def _with_any_part(self, context: ImageContext) -> AssessorResult:
        """With what the package of anatomical points reads on radiographs of any part: side markers, and the part."""
        package = self._everywhere.get(LANDMARKS)
        if package is None or context.judgement.assessment.quarantined:
            return context.judgement
        try:
            task, model = self._open(package)
        except MiqaError:  # the log and check() say why
            return context.judgement
        if not isinstance(model, landmarks.LandmarkSidecar) or not model.looks_at(context):
            return context.judgement
        return _timed(task, model, model.with_any_part, context)

    def _judged(
        self, header: Header, radiograph: Radiograph, judgement: AssessorResult, policy: Policy
    ) -> AssessorResult:
        """With what the packages for frontal chests add, those that the policy or the settings switch on.

        Where the header names no body part, the policy's are those for the part that the pixels show.
        """
        rules = self._rules(header, policy)
        judgement = self._with_packages(header, radiograph, judgement, policy, rules)
        part = judgement.assessment.part_seen
        if header.body_part_examined or not part:
            return judgement
        header = replace(header, body_part_examined=part)
        more = tuple(rule for rule in self._rules(header, policy) if rule not in rules)
        return self._with_packages(header, radiograph, judgement, policy, more)

    def _with_packages(
        self,
        header: Header,
        radiograph: Radiograph,
        judgement: AssessorResult,
        policy: Policy,
        rules: Sequence[PackageRule],
    ) -> AssessorResult:
        if not rules or judgement.assessment.is_of_another_kind:
            return judgement
        results: list[tuple[Task, SidecarModel, PackageRule]] = []
        for rule in rules:
            try:
                results.append((*self._open(rule.package), rule))
            except MiqaError as error:
                if rule.package in self._everywhere.values():
                    continue  # nothing depends on it: the image has no points, the log and check() say why
                judgement = _without(ImageContext(header, radiograph, judgement, policy, rule), str(error))
        for task, sidecar, rule in sorted(results, key=lambda one: ORDER.index(one[0])):
            if judgement.assessment.is_of_another_kind:
                break  # by the gate, or because the package of anatomical points saw no lungs
            context = ImageContext(header, radiograph, judgement, policy, rule, self._certificates)
            judgement = _add(task, sidecar, context)
        return judgement

    def assessor(self) -> Assessor:
        """The assessor for the pipeline: this object."""
        return self

    def check(self) -> None:
        """Raise the error that keeps a package of the policy from being used."""
        for _, rule in self._policy().packages:
            self._open(rule.package)
        for name, package in self._everywhere.items():
            if name == ANY_RADIOGRAPH:  # many nodes see no other part: it is loaded for the first image that needs it
                read_any_card(sidecar_folder(self._settings.model_folders, package))
            else:
                self._open(package)

    def _rules(self, header: Header, policy: Policy) -> tuple[PackageRule, ...]:
        switched_on = policy.packages_for(header)
        named = {rule.package for rule in switched_on}
        everywhere = [
            PackageRule(package)
            for name, package in self._everywhere.items()
            if name not in named and name != ANY_RADIOGRAPH
        ]
        return (*switched_on, *(rule for rule in (*self._always, *everywhere) if rule.package not in named))

    def _open(self, name: str) -> tuple[Task, SidecarModel]:
        with self._lock:
            if name in self._opened:
                return self._opened[name]
            since, reason = self._failed.get(name, (0.0, ""))
            if reason and time.monotonic() - since < RETRY_AFTER_S:
                raise ModelPackageError(reason)
            try:
                model = self._load(name)
            except MiqaError as error:
                if str(error) != reason:  # log once, not for every image
                    log.error("a package of the policy cannot be used", package=name, reason=str(error))
                self._failed[name] = (time.monotonic(), str(error))
                raise
            self._failed.pop(name, None)
            self._opened[name] = model
            log.info("package opened", package=model[1].name, task=model[0].value, provider=model[1].provider)
            return model

    def _load(self, name: str) -> tuple[Task, SidecarModel]:
        if (own := _own(self._settings.model_folders, name)) is not None:
            return own
        path = sidecar_folder(self._settings.model_folders, name)
        if name == self._everywhere.get(ANY_RADIOGRAPH):
            opener = any_radiograph.open_any_radiograph
            return Task.QUALITY, opener(path, self._settings.node.accelerator, self._settings.assess)
        return open_sidecar(path, self._settings.node.accelerator, self._settings.assess)


def _own(models: Sequence[Path], name: str) -> tuple[Task, SidecarModel] | None:
    """What a task does without a package, such as "anomaly" with the quality package, if no package has its name."""
    for one in SIDE_TASKS:
        if one.own is not None and name == one.task.value:
            is_taken = any(name_and_version(folder)[0] == name for folder in package_folders(models))
            return None if is_taken else (one.task, one.own)
    return None


def open_sidecar(folder: Path, accelerator: Accelerator, settings: AssessSettings) -> tuple[Task, SidecarModel]:
    """Load and check a package of any task but quality.

    Raises
    ------
    ModelPackageError
        The package is for quality or an unknown task, or it did not pass its checks.
    """
    task = task_of(folder)
    opener = BY_TASK[task].open if task in BY_TASK else None
    if opener is None:
        raise ModelPackageError(
            "{folder} is a package for {task}: it cannot run beside the quality package. miqa-node models "
            "activate chooses the quality package.",
            folder=folder.name,
            task=task.value,
        )
    return task, opener(folder, accelerator, settings)


def sidecar_folder(models: Path | Sequence[Path], name: str) -> Path:
    """Folder of ``<name>-<version>``, or of the newest version of a name; NotFoundError if there is none."""
    exact = find_package(models, name)
    if exact is not None and exact.is_dir():
        return exact
    folders = versions_of(models, name)
    if not folders:
        raise NotFoundError(
            "There is no package {name} in {models}; miqa-node models list shows them.",
            name=name,
            models=places(models),
        )
    return folders[-1]


def task_of(path: Path) -> Task:
    """The task that a package's card names; ModelPackageError if there is no such task.

    A bare file is always for quality: packages of other tasks are folders.
    """
    task_name = Task.QUALITY.value if path.is_file() else read_sections(path).get("task", Task.QUALITY.value)
    try:
        return Task(task_name)
    except ValueError as error:
        raise ModelPackageError(
            "{path}: there is no task {task_name}; update the node.", path=path.name, task_name=f"{task_name!r}"
        ) from error


def read_any_card(path: Path) -> BaseCard:
    """The card of a package of any task; ModelPackageError if it does not follow its schema."""
    task = task_of(path)
    if task is Task.QUALITY:
        return read_package_card(path)
    kind = CARDS.get(task)
    if kind is None:
        raise ModelPackageError(
            "{path}: this version has no schema of cards for {task}.", path=path.name, task=task.value
        )
    return checked_card(kind, read_sections(path), path.name)


def packages_everywhere(settings: Settings) -> dict[str, str]:
    """Name and version, by name, of each package that runs wherever it applies.

    It is the one that the settings name, else the newest; absent if there is none, or if the settings switch it off.
    """
    named = {one.everywhere: one.choice(settings.assess) for one in EVERYWHERE.values()}
    packages = {}
    for name, chosen in named.items():
        newest = None if chosen else newest_package(settings.model_folders, name)
        label = chosen if newest is None else package_label(newest)
        if label and label != NO_PACKAGE:
            packages[name] = label
    return packages


def landmark_package(settings: Settings) -> str:
    """Name and version of the package of anatomical points that runs; empty if none does."""
    return packages_everywhere(settings).get(LANDMARKS, "")


def switched_on(folder: Path, settings: Settings) -> bool:
    """Whether the policy in force switches the package on, or the settings do."""
    if package_label(folder) in packages_everywhere(settings).values():
        return True
    named = {rule.package for _, rule in read_policy(settings.policy_file).packages}
    for name in named:
        try:
            if sidecar_folder(settings.model_folders, name) == folder:
                return True
        except NotFoundError:  # an unknown name switches nothing on
            continue
    return False


def _add(task: Task, sidecar: SidecarModel, context: ImageContext) -> AssessorResult:
    return _timed(task, sidecar, sidecar.contribute, context)


def _timed(
    task: Task, sidecar: SidecarModel, step: Callable[[ImageContext], AssessorResult], context: ImageContext
) -> AssessorResult:
    """The result of one step of a package; times of all its steps add up."""
    started = time.perf_counter()
    try:
        judgement = step(context)
    except Exception as error:  # noqa: BLE001 - whatever a package does, the quality verdict is given
        log.error("a package failed on an image", package=sidecar.name, error=type(error).__name__)
        if task in EVERYWHERE:
            return context.judgement
        return _without(context, Phrase("The package failed on this image."))
    seconds = time.perf_counter() - started
    observe(task.value, seconds)
    before = judgement.assessment.timings_ms
    timings = {**before, sidecar.name: round(before.get(sidecar.name, 0.0) + seconds * 1e3, 1)}
    return replace(judgement, assessment=replace(judgement.assessment, timings_ms=timings))


def _without(context: ImageContext, reason: str) -> AssessorResult:
    """The result with the reason for a missing prediction, so that reports can state it."""
    waiting = (PendingCause(PendingReason.NOT_JUDGED, reason),)
    return context.with_prediction(Prediction(context.rule.package, "", "", 0.0, {}, pending=waiting))
