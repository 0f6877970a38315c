"""Assesses one image without a node: a file in, an assessment and a verdict out; nothing is stored or delivered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.image import Radiograph, SaliencyMaps
from miqa_node.core.domain.instance import Header, InstanceDigest, ReceivedObject, StudyRecord
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.ports import Assessor
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.observe.stages import StageClock
from miqa_node.core.settings import Settings, WatchedFile
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.anatomy import STANDARD, Anatomy
from miqa_node.core.taxonomy.verdict_score import judged
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.picture import is_picture, read_picture
from miqa_node.errors import DecodeError, NotAnImageError, NotFoundError
from miqa_node.pipeline import Pipeline
from miqa_node.runtime.store.artifacts import MemoryArtifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.active import ActiveModels
from miqa_node.stages.assess.caption.captioned import with_captions
from miqa_node.stages.assess.sidecars import SidecarModels
from miqa_node.stages.assess.text.assessor import with_text
from miqa_node.stages.conclusion.base import Effects
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.units.base import (
    Decode,
    ImagingTools,
    JudgingTools,
    ReportingTools,
    UnitContext,
    installed,
    unit_of,
)
from miqa_node.stages.units.image import judge_here
from miqa_node.stages.units.rows import instances


@dataclass(frozen=True, slots=True)
class LocalResult:
    """The result for one file."""

    source: Path
    is_dicom: bool
    assessment: Assessment
    disposition: Disposition
    maps: SaliencyMaps
    radiograph: Radiograph
    objects: Sequence[MadeObject] | None = None
    """What a node would send to every destination; None if no object is wanted or could refer to the file."""


@dataclass(frozen=True, slots=True)
class LocalTools:
    """The parts that judge a file, and the settings of the objects to make of it; None if none are wanted."""

    assessor: Callable[[], Assessor]
    policy: Callable[[], Policy]
    certify: Callable[[Assessment, Policy], str]
    decode: Decode
    reports: ReportSettings | None = None
    anatomy: Anatomy = STANDARD


class LocalAssessor:
    """Assesses files one by one with the models and the policy of the settings.

    ``choice`` is the model choice of a node with these settings, ``limits`` the confirmed limits of its rooms;
    ``calibrated=False`` ignores the site's calibration. ``packages`` run beside the quality package, regardless of the
    policy. ``reports``, the settings of DICOM objects, adds these objects to the results.
    """

    def __init__(
        self,
        settings: Settings,
        choice: ModelChoice | None = None,
        *,
        calibrated: bool = True,
        packages: Sequence[str] = (),
        limits: SiteLimits | None = None,
        reports: ReportSettings | None = None,
    ) -> None:
        self._policy_file = WatchedFile(settings.policy_file, read_policy)
        self._limits = limits or SiteLimits()
        chosen = choice or ModelChoice()
        self._models = ActiveModels(settings, lambda: chosen, self._current_policy, calibrated=calibrated)
        self._sidecars = SidecarModels(settings, self._models.assessor, self._current_policy, packages)
        self._pool = WorkerPool(settings)
        self._tools = LocalTools(
            with_captions(settings, with_text(settings, self._sidecars.assessor)),
            self._current_policy,
            self._models.certificate,
            self._pool.decode,
            reports,
            settings.imaging.anatomy,
        )

    def assess_file(self, path: Path, *, modality: str = "DX", body_part: str = "", view: str = "") -> LocalResult:
        """Assess a DICOM, PNG or JPEG file; modality, body part and view describe pictures, which have no header.

        Without a body part the pixels say whether it is a frontal chest, and what judges it.

        Raises
        ------
        NotAnImageError
            There is nothing to judge, as in a report or a segmentation.
        UnreadableError
            The file is neither DICOM nor a picture, or its pixels cannot be decoded.
        """
        return assess_path(path, (modality, body_part, view), self._tools)

    @property
    def models(self) -> ActiveModels:
        """The models in use."""
        return self._models

    @property
    def judge(self) -> Assessor:
        """What judges a decoded image, without captions and the search for text."""
        return self._sidecars.assessor()

    @property
    def pool(self) -> WorkerPool:
        """The processes that decode and measure."""
        return self._pool

    @property
    def tools(self) -> LocalTools:
        """The parts that judge a file."""
        return self._tools

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._current_policy()

    def _current_policy(self) -> Policy:
        return self._policy_file.current().with_limits(self._limits)

    def close(self) -> None:
        """End the decoding processes."""
        self._pool.close()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def assess_path(path: Path, described: tuple[str, str, str], tools: LocalTools) -> LocalResult:
    """Do the work of :meth:`LocalAssessor.assess_file` with the caller's tools, such as those of a node's worker.

    The file goes through the normal pipeline, with a temporary store. ``described`` is (modality, body part, view) of a
    picture, which has no header.
    """
    image = _ImageFile(path, described, tools)
    artifacts, digest = MemoryArtifacts(), digest_of(path)
    with closing(Database.in_memory()) as database:
        imaging = ImagingTools(image.read_header, image.decode)
        judging = JudgingTools(judge_here(image.decode, tools.assessor), tools.policy, tools.certify)
        reporting = ReportingTools(tools.reports or ReportSettings(), lambda: set(default_kinds()), image.decode)
        context = UnitContext(database, artifacts, imaging, judging, reporting)
        units = [unit for unit in installed() if not (unit.needs_others or unit.is_guard)]
        way = Pipeline(context, NoJobs(), Effects(), Effects(), max_attempts=1, units=units)
        way.receive(ReceivedObject(str(path), digest, path.stat().st_size, "", "", "", datetime.now(UTC)))
        way.judge(digest)
        with database.begin() as transaction:
            instance = instances.load(transaction, digest)
            assessment = instances.load_assessment(transaction, digest)
            disposition = instances.load_disposition(transaction, digest)
        if assessment is None or disposition is None or image.header is None:
            raise NotFoundError("{path} was not judged.", path=path)
        if image.radiograph is None:  # a node records the verdict NOT_ASSESSED; here the caller waits for an answer
            raise image.error or NotAnImageError(assessment.not_assessed)
        objects = None
        if tools.reports is not None and image.has_identity:
            judgement = judged(instance, assessment, disposition)
            objects = unit_of(instance.header, units).outputs(judgement, context)
    # The pipeline generates missing UIDs; the result states those of the file.
    assessment = replace(assessment, header=image.header, timings_ms={**assessment.timings_ms, **image.timings_ms})
    maps = artifacts.maps(digest)
    return LocalResult(path, not image.is_picture, assessment, disposition, maps, image.radiograph, objects)


class _ImageFile:
    """A DICOM file or a picture, and its content once read."""

    def __init__(self, path: Path, described: tuple[str, str, str], tools: LocalTools) -> None:
        self.is_picture = is_picture(path)
        self.header: Header | None = None
        self.radiograph: Radiograph | None = None
        self.error: DecodeError | None = None
        self.timings_ms: dict[str, float] = {}
        self._described = described
        self._decode = tools.decode
        self._anatomy = tools.anatomy

    @property
    def has_identity(self) -> bool:
        """Whether DICOM objects can refer to the file."""
        header = self.header
        return (
            not self.is_picture
            and header is not None
            and bool(header.sop_class_uid and header.sop_instance_uid and header.study_instance_uid)
        )

    def read_header(self, path: Path) -> tuple[Header, StudyRecord]:
        """The header; a picture is decoded with it."""
        if not self.is_picture:
            self.header, study = read_header(path, nameless=True, anatomy=self._anatomy)
            return self.header, study
        clock, (modality, body_part, view) = StageClock(), self._described
        self.header, self.radiograph = clock.time(
            "decode", lambda: read_picture(path, modality=modality, body_part=body_part, view=view)
        )
        self.timings_ms = dict(clock.milliseconds)
        return self.header, StudyRecord(self.header.study_instance_uid, "", "", "", "", "")

    def decode(self, path: Path, frame: int = 0) -> Radiograph:
        """The decoded frame; the first one that is asked for is the one that is assessed, and is kept."""
        if self.radiograph is None:
            try:
                self.radiograph = self._decode(path, frame)
            except DecodeError as error:
                self.error = error
                raise
        return self.radiograph if self.is_picture or frame == self.radiograph.frame else self._decode(path, frame)


class NoJobs:
    """A queue that ignores jobs: the stages are called one after the other."""

    def enqueue_assess(self, connection: Any, digest: InstanceDigest, sender: str = "") -> None:
        """Nothing."""

    def enqueue_reassess(self, connection: Any, digest: InstanceDigest, generation: int) -> None:
        """Nothing."""


def digest_of(path: Path) -> InstanceDigest:
    """Identity of a file that was never received: the SHA-256 of all its bytes."""
    with path.open("rb") as file:
        return InstanceDigest(hashlib.file_digest(file, "sha256").hexdigest())
