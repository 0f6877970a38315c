"""The interface of units: a unit is the smallest thing that gets a verdict, such as an image or a series.

A unit of another distribution is an entry point of the group ``miqa.units`` that refers to a :class:`Unit`. It comes
before the built-in units, so it takes over all objects that it covers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from miqa_node.core.domain.assessment import Assessment, PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.image import EnhancedImage, Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest, ReceivedObject, StoredInstance, StudyRecord
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.note import RejectionNote, Revocations
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.ports import AssessorResult, JobQueue
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import WorkSettings
from miqa_node.errors import NotFoundError
from miqa_node.plugins import Seam
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.workers.spread import Spread
from miqa_node.stages.assess.packages import Package
from miqa_node.stages.assess.shadow import ShadowRunner
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.make import ReportSubject
from miqa_node.stages.units.kinds import is_image

Returned = TypeVar("Returned")

CONFLICTING = PlausibilityIssue(
    "conflicting_instance",
    Phrase("An object with the same SOP Instance UID and other content came earlier; both are kept."),
    OTHER_FAILURE,
)


class Decode(Protocol):
    """Decodes one frame of a file, counted from 0; DecodeError gives the reason if that fails."""

    def __call__(self, path: Path, frame: int = 0) -> Radiograph:
        """Shape and values as in :class:`Radiograph`."""
        ...


class Runner(Protocol):
    """Runs a function where its failure does no harm: in a worker process, or in this process."""

    def __call__(self, function: Callable[..., Returned], *arguments: Any, sender: str = "") -> Returned:
        """The result of the function, run on behalf of that sender. Its exceptions are raised here."""
        ...


@dataclass(frozen=True, slots=True)
class ImagingTools:
    """Tools that read header and pixels of a file.

    Slices of series are measured by ``run``, ``count`` at a time, and decoded there with ``there``. ``whose`` completes
    whose patient the Patient ID names, by the sender, and ``clocked`` which zone's time the header gives.
    """

    read_header: Callable[[Path], tuple[Header, StudyRecord]]
    decode: Decode
    there: Decode | None = None
    run: Runner | None = None
    count: int = 1
    whose: Callable[[StudyRecord, ReceivedObject], StudyRecord] = lambda study, _received: study
    clocked: Callable[[Header, ReceivedObject], Header] = lambda header, _received: header

    def for_slices(self, sender: str) -> SliceTools:
        """The tools for a series of that sender."""
        spread = Spread() if self.run is None else Spread(partial(self.run, sender=sender), self.count)
        return SliceTools(self.decode, spread, self.there)


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """One decoded, measured and judged image; ``preview`` is the small PNG for pages."""

    result: AssessorResult
    preview: bytes


class FileJudge(Protocol):
    """Decodes one frame of a file, counted from 0, and judges it with the models in force."""

    def __call__(self, instance: StoredInstance, path: Path, frame: int) -> JudgedImage:
        """The judged image; DecodeError gives the reason if it cannot be decoded, or needs too much time or memory."""
        ...


def run_here(function: Callable[..., Returned], *arguments: Any, sender: str = "") -> Returned:  # noqa: ARG001
    """A :class:`Runner` for a process that does one task at a time."""
    return function(*arguments)


@dataclass(frozen=True, slots=True)
class JudgingTools:
    """The models and the policy in force, and ``certify``, which states the reliability of a verdict.

    ``image`` decodes and judges one image. ``shadow`` judges the same images in the background, after their verdict.
    ``series`` returns the package for CT and MR series, None if they are only measured. ``silence`` gives the reason
    why the verdict on an image is only recorded; empty if it counts.
    """

    image: FileJudge
    policy: Callable[[], Policy]
    certify: Callable[[Assessment, Policy], str]
    shadow: ShadowRunner | None = None
    series: Callable[[], Package | None] = lambda: None
    silence: Callable[[Header], str] = lambda _header: ""


@dataclass(frozen=True, slots=True)
class ReportingTools:
    """Tools that make results: ``kinds`` are those that some destination requests, ``enhance`` makes the enhanced copy.

    ``run`` runs the functions that make them, with ``decode`` and ``enhance`` for those that need pixels.
    """

    settings: ReportSettings
    kinds: Callable[[], set[ResultKind]]
    decode: Decode
    enhance: Callable[[Radiograph], EnhancedImage] | None = None
    run: Runner = run_here


@dataclass(frozen=True, slots=True)
class UnitContext:
    """The tools of a unit. ``max_slices`` limits the length of a series.

    With ``results_before``, an earlier result is made again: those made later do not count. By notes with a title of
    ``revocations`` archives take rejections back.
    """

    database: Database
    artifacts: Artifacts
    imaging: ImagingTools
    judging: JudgingTools
    reporting: ReportingTools
    max_slices: int = 5000
    results_before: datetime | None = None
    revocations: Revocations = frozenset()


class Unit(ABC):
    """One kind of unit. Units hold no state: the pipeline calls them from several threads."""

    name: str
    is_exposure: bool = False
    """Whether the unit counts as an exposure in the analysis."""
    needs_others: bool = False
    """Whether an instance is judged together with others, such as a slice with its series."""
    is_guard: bool = False
    """Whether the unit comes before all others."""
    is_last_resort: bool = False
    """Whether the unit applies only if no other covers the object."""

    @abstractmethod
    def covers(self, header: Header) -> bool:
        """Whether an object belongs to this unit, by its header alone."""

    def is_image(self, header: Header) -> bool:
        """Whether an object of this unit shows the patient; it then counts as an image of its study."""
        return is_image(header)

    def admit(self, transaction: Transaction, header: Header, received: ReceivedObject, queue: JobQueue) -> None:  # noqa: ARG002
        """Queue the job for a new object in the transaction that records it; by default one job per object."""
        queue.enqueue_assess(transaction, received.digest, received.calling_ae_title)

    def quiet_s(self, settings: WorkSettings) -> Mapping[str, float]:  # noqa: ARG002
        """Seconds without a new instance after which a series is judged, by modality; empty if nothing waits."""
        return {}

    @abstractmethod
    def judge(self, instance: StoredInstance, context: UnitContext) -> AssessorResult:
        """Judge the object and store the data for later stages. A second run must give the same result.

        A DecodeError makes the verdict NOT_ASSESSED with its reason.
        """

    def restated(self, instance: StoredInstance, assessment: Assessment, context: UnitContext) -> Assessment:  # noqa: ARG002
        """A stored assessment with what is known now besides the files, for when they are gone; most often the same."""
        return assessment

    def outputs(self, judgement: Judgement, context: UnitContext) -> Sequence[MadeObject]:  # noqa: ARG002
        """The DICOM objects that carry the verdict, by default none. Equal arguments must give equal bytes."""
        return ()

    def subject(
        self,
        instance: StoredInstance,  # noqa: ARG002
        assessment: Assessment,  # noqa: ARG002
        context: UnitContext,  # noqa: ARG002
        *,
        amends: bool = False,  # noqa: ARG002
    ) -> ReportSubject | None:
        """The subject of reports; None if there are none. With ``amends`` a report replaces those of this judgement."""
        return None

    def members(self, instance: StoredInstance, context: UnitContext) -> Sequence[InstanceDigest]:  # noqa: ARG002
        """The other instances that share the verdict."""
        return ()

    def note(self, instance: StoredInstance, context: UnitContext) -> RejectionNote | None:  # noqa: ARG002
        """The rejection of other images, if the object is a note."""
        return None


UNITS: Seam[Unit] = Seam("units", Unit)  # type: ignore[type-abstract]


def installed() -> tuple[Unit, ...]:
    """All units in order of precedence: guards, third-party units, built-in ones, last resorts."""
    built_in = {plugin.name: plugin.built_in for plugin in UNITS.plugins()}
    units = sorted(
        UNITS.all().items(), key=lambda item: (not item[1].is_guard, item[1].is_last_resort, built_in[item[0]])
    )
    return tuple(unit for _, unit in units)


def unit_of(header: Header, units: Iterable[Unit]) -> Unit:
    """The first unit that covers the object."""
    for unit in units:
        if unit.covers(header):
            return unit
    raise NotFoundError("No installed unit covers this object.")


def not_assessed(instance: StoredInstance, reason: str, *, quarantined: bool = False) -> AssessorResult:
    """An assessment that contains only the reason why the image was not assessed."""
    now = datetime.now(UTC)
    return AssessorResult(
        Assessment(
            instance.digest,
            instance.header,
            now,
            not_assessed=reason,
            quarantined=quarantined,
            generation=instance.generation,
        )
    )


def with_conflict(result: AssessorResult, *, conflicting: bool) -> AssessorResult:
    """The result, with an issue if an earlier object had the same UID."""
    if not conflicting:
        return result
    assessment = result.assessment
    return replace(result, assessment=replace(assessment, plausibility=(*assessment.plausibility, CONFLICTING)))
