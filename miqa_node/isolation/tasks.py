"""Tasks of a worker process: decodes images, judges them with its own models, and makes reports.

The processes are forked from one that has imported this module but has no threads or sessions yet.
:class:`miqa_node.isolation.workers.ImageWorkers` calls the functions here, with the choice of models and the policy.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog

from miqa_node import plugins
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.image import EnhancedImage, Radiograph, SaliencyMaps
from miqa_node.core.domain.instance import StoredInstance
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.ports import Assessor, AssessorResult
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.observe.log import set_up_logging
from miqa_node.core.observe.stages import ObservedStage, observed_here
from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import watched_policy
from miqa_node.errors import MiqaError, ModelPackageError
from miqa_node.isolation.canary import judge_canary
from miqa_node.isolation.sandbox import confine
from miqa_node.local import LocalTools, assess_path
from miqa_node.runtime.store import documents
from miqa_node.runtime.workers import child
from miqa_node.runtime.workers.children import OpenFile
from miqa_node.stages.assess.active import ActiveModels
from miqa_node.stages.assess.caption.captioned import with_captions
from miqa_node.stages.assess.enhance.enhancer import Enhancer
from miqa_node.stages.assess.inference.client import connect
from miqa_node.stages.assess.session import ModelSessions, available_provider
from miqa_node.stages.assess.sidecars import SidecarModels
from miqa_node.stages.assess.text.assessor import with_text
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.units.base import Decode, JudgedImage
from miqa_node.stages.units.image import judge_here

log = structlog.get_logger(__name__)

LookedAt = tuple[Path, bool, Assessment, Disposition, SaliencyMaps]
"""A :class:`~miqa_node.local.LocalResult` without its pixels."""


@dataclass(frozen=True, slots=True)
class SiteChoice:
    """The site's decisions about judging at the time of a task."""

    models: ModelChoice
    policy: Policy


class _WorkerModels:
    """The models of this process, or those loaded by its parent before the fork."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.choice = SiteChoice(ModelChoice(), watched_policy(settings.policy_file).current())
        self.active = ActiveModels(settings, lambda: self.choice.models, self.policy)
        self.sidecars = SidecarModels(settings, self.active.assessor, self.policy)
        self.assessor: Callable[[], Assessor] = self.sidecars.assessor
        self.enhancer = Enhancer(settings)

    def take_settings(self, settings: Settings) -> None:
        """Replace the settings by those with secrets, which captions need."""
        self.settings = settings
        self.assessor = with_captions(settings, with_text(settings, self.sidecars.assessor))

    def policy(self) -> Policy:
        """The policy of the current task."""
        return self.choice.policy

    @property
    def tools(self) -> LocalTools:
        """The parts that judge a file in this process."""
        return LocalTools(
            self.assessor,
            self.policy,
            self.active.certificate,
            decoding(self.settings),
            anatomy=self.settings.imaging.anatomy,
        )


_sessions = ModelSessions()
_models: _WorkerModels | MiqaError = MiqaError("This process is no worker of a node.")


def load_models(settings: Settings) -> None:
    """Load the models into this process; if that fails, later users get the reason."""
    global _models  # noqa: PLW0603 - a process has its models for all its life
    plugins.allow(settings.plugins.allow)
    try:
        _models = _WorkerModels(settings)
    except MiqaError as error:
        _models = error
        return
    with suppress(MiqaError):
        _models.active.load()
        _models.sidecars.check()


def set_up(settings: Settings, *, logs: bool, inference: str = "") -> None:
    """Set up this process as a worker of a node with these settings. It loads the models missing since the fork.

    ``inference`` is the address of the process that runs the models of all workers, if there is one.
    """
    global _models  # noqa: PLW0603 - a process is one worker for all its life
    child.set_up()
    if logs:
        set_up_logging(settings.log, node=settings.node.name)
    if inference:
        connect(inference)
    try:
        confine(settings, is_alone=not inference)
    except OSError as error:
        log.warning("a worker process has the rights of the node", reason=str(error))
    if inference or isinstance(_models, MiqaError) or _models.settings.model_dump_json() != settings.model_dump_json():
        load_models(settings)
    if isinstance(_models, _WorkerModels):
        try:
            _models.take_settings(settings)
        except MiqaError as error:
            _models = error


def decoding(settings: Settings) -> Decode:
    """A function that decodes in the process that calls it."""
    return partial(child.decode_here, max_pixels=settings.imaging.max_pixels)


class JudgedParts(NamedTuple):
    """A judged image on its way to the node.

    The assessment is a JSON document: an answer of many small values takes four times as long to read.
    """

    document: str
    maps: SaliencyMaps
    preview: bytes
    stages: list[ObservedStage]

    def image(self) -> JudgedImage:
        """The image in the node."""
        assessment = documents.load_assessment(json.loads(self.document))
        return JudgedImage(AssessorResult(assessment, self.maps), self.preview)


def judge(instance: StoredInstance, path: Path, frame: int, choice: SiteChoice) -> JudgedParts:
    """Decode and judge one frame of an image."""
    models = _following(choice)
    with observed_here() as stages:
        judged = judge_here(decoding(models.settings), models.assessor)(instance, path, frame)
    document = json.dumps(documents.dump_assessment(judged.result.assessment))
    return JudgedParts(document, judged.result.maps, judged.preview, stages)


def certify(assessment: Assessment, choice: SiteChoice) -> str:
    """The reliability of the verdict on an assessment."""
    models = _following(choice)
    with suppress(MiqaError):  # no package, no certificate
        models.active.load()
    return models.active.certificate(assessment, choice.policy)


def take_up(choice: SiteChoice) -> None:
    """Load the models of a new choice; return the error if they cannot be used."""
    models = _following(choice)
    models.active.load()
    if reason := models.active.refusal:
        raise ModelPackageError(reason)


def obstacle(choice: SiteChoice, series: bool) -> str:
    """Why no package can judge a series, or an image; empty if one can."""
    return _following(choice).active.obstacle(series=series)


def check(choice: SiteChoice) -> None:
    """Raise the error that keeps models from running."""
    models = _following(choice)
    available_provider(models.settings.node.accelerator)
    models.active.check()
    models.sidecars.check()


def check_canary(choice: SiteChoice, reports: ReportSettings) -> None:
    """Judge and report the test image; ResourcesError with the reason if that fails."""
    tools = replace(tools_of(choice), reports=reports)
    with observed_here():
        judge_canary(tools, reports.encode)


def look(
    path: Path, described: tuple[str, str, str], transfer: OpenFile, choice: SiteChoice
) -> tuple[LookedAt, child.Layout]:
    """Assess a file without receiving it; its pixels go to the transfer file."""
    models = _following(choice)
    with observed_here():
        result = assess_path(path, described, models.tools)
    judged = (result.source, result.is_dicom, result.assessment, result.disposition, result.maps)
    return judged, child.write_pixels(result.radiograph, transfer)


def tools_of(choice: SiteChoice) -> LocalTools:
    """What judges pictures here that are no patient's own, for tasks of features: without captions of the site."""
    models = _following(choice)
    return replace(models.tools, assessor=models.sidecars.assessor)


def enhance(radiograph: Radiograph) -> EnhancedImage:
    """The enhanced copy, made with the method of the settings."""
    return _given().enhancer.enhance(radiograph)


def _following(choice: SiteChoice) -> _WorkerModels:
    models = _given()
    models.choice = choice
    models.active.follow()
    if _sessions.trouble():
        _sessions.heal()
    return models


def _given() -> _WorkerModels:
    if isinstance(_models, MiqaError):
        raise _models
    return _models
