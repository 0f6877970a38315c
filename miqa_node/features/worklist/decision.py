"""A person's decision about a flagged study: one operation for pages, the REST interface and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.delivery import ResultObject
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import RegionOutline
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.domain.worklist import Resolution, WorklistItem
from miqa_node.core.settings import Settings
from miqa_node.errors import ConflictError, InputError
from miqa_node.features.worklist.rows import decisions, worklist
from miqa_node.features.worklist.rows.decisions import RecordedRejection
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.outputs.rejection import Confirmation, rejection_note
from miqa_node.stages.units.rows import instances

MAX_IMAGES = 1000


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision and its images; InputError if ``reason`` is neither empty nor a code value of CID 7011."""

    resolution: Resolution
    actor: str
    comment: str = ""
    reason: str = ""
    digests: tuple[str, ...] = ()
    """The flagged images that it is about; all of the study if empty."""
    regions: Mapping[str, Sequence[RegionOutline]] = field(default_factory=dict)
    """The person's drawings, by digest."""
    archives: tuple[str, ...] = ()
    """The destinations of a rejection note."""
    image_count: int | None = None
    """How many flagged images the person saw; None if a program decides."""

    def __post_init__(self) -> None:
        if self.reason and self.reason not in REASON_CODES:
            raise InputError("reason: no code value of CID 7011.")

    @property
    def is_sent(self) -> bool:
        """Whether archives get a rejection note."""
        return self.resolution is Resolution.CONFIRMED and bool(self.archives)


class DecisionDesk:
    """Where people decide: it has what a rejection note is made with, and names the ``archives`` that take one."""

    def __init__(
        self, database: Database, objects: ObjectStore, settings: Settings, archives: Callable[[], Sequence[str]]
    ) -> None:
        self._database, self._objects, self._settings, self._archives = database, objects, settings, archives

    def decide(self, study_uid: str, decision: Decision) -> WorklistItem:
        """Record a decision and, for a rejection, queue the note to the chosen archives, in one transaction.

        The note is written before, because that takes long; it counts only if it says what was decided then.
        It is sent after ``deliver.rejection_delay_s``; withdrawing the decision before then cancels it.

        Raises
        ------
        ConflictError
            The study is decided already, has another number of flagged images than the person saw, or got another one
            while the note was written.
        InputError
            It names an image that is not flagged, or a region on an image outside the decision; or a rejection note is
            requested without a reason or an image, or for an unknown archive.
        """
        now = datetime.now(UTC)
        note = self._note(study_uid, decision, now) if decision.is_sent else None
        with self._database.begin() as transaction:
            decided = worklist.resolve(
                transaction, study_uid, decision.resolution, decision.actor, decision.comment, now,
                digests=decision.digests, reason=decision.reason, regions=decision.regions,
                image_count=decision.image_count,
            )  # fmt: skip
            if note is not None and decided.decision is not None:
                if decisions.rejection(transaction, decided.decision) != note.rejection:
                    raise ConflictError(worklist.JUDGED_MEANWHILE)
                deliveries.record_result(
                    transaction, note.rejection.images[0], note.result, now, note.generation, decided.decision
                )
                for archive in decision.archives:
                    delay_s = self._settings.deliver.rejection_delay_s
                    deliveries.queue(transaction, note.result, archive, now, delay_s)
        return decided

    def _note(self, study_uid: str, decision: Decision, now: datetime) -> _StoredNote:
        """Write the note to the object store; it becomes visible when its rows are committed."""
        if unknown := sorted(set(decision.archives) - set(self._archives())):
            raise InputError("archive: {unknown} takes no rejection notes.", unknown=", ".join(unknown))
        if not decision.reason:
            raise InputError("reason: say why, with a code value of CID 7011.")
        with self._database.begin() as transaction:
            flagged = worklist.show(transaction, study_uid)
            about = tuple(map(InstanceDigest, worklist.images_of(flagged, decision.digests)))
            number = decisions.count(transaction, study_uid)
            images = [instances.load(transaction, digest) for digest in about]
            assessment = instances.load_assessment(transaction, about[0]) if about else None
        if assessment is None:
            raise InputError("digest: no assessed image is left to reject.")
        rejection = RecordedRejection(decision.actor, now, decision.reason, decision.comment, about, number)
        settings = ReportSettings(self._settings.node.name, zone=self._settings.node.zone)
        made = note_of(rejection, [self._objects.local_path(one.object_key) for one in images], assessment, settings)
        key = Artifacts(self._objects).keep_result(about[0], made.sop_instance_uid, made.data)
        result = ResultObject(made.sop_instance_uid, made.sop_class_uid, made.kind, key, made_with=settings.kept())
        return _StoredNote(rejection, result.of(made.data), images[0].generation)


def note_of(
    rejection: RecordedRejection, paths: Sequence[Path], assessment: Assessment, settings: ReportSettings
) -> MadeObject:
    """The rejection note of a decision; ``paths`` are the files of its images, ``assessment`` is of the first."""
    confirmation = Confirmation(rejection.actor, rejection.at, rejection.reason, rejection.comment, rejection.number)
    return rejection_note(paths, assessment, confirmation, settings)


@dataclass(frozen=True, slots=True)
class _StoredNote:
    """A note in the object store, what it says, and the judgement of its first image that it was made with."""

    rejection: RecordedRejection
    result: ResultObject
    generation: int
