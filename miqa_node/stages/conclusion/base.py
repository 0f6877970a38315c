"""A verdict with all its data, and the interface of its effects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import ResultObject
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance, StudyInstanceUid
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.note import RejectionNote
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.taxonomy.verdict_score import judged
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.units.base import Unit

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """One verdict. The fields after ``announced`` are filled in by the effects that prepare them.

    The node records the disposition of ``judgement``; reports and events contain ``announced``, which does not reveal
    the audit of an accepted image.
    """

    judgement: Judgement
    unit: Unit
    announced: Disposition
    results: Sequence[ResultObject] = ()
    members: Sequence[InstanceDigest] = ()
    note: RejectionNote | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    decided_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    is_reported: bool = True
    """False if the files that a report is made from are gone: reports that were sent stay as they are."""
    of_features: Mapping[str, object] = field(default_factory=dict)
    """What effects of features prepared for their rows, by the name of each."""

    @property
    def instance(self) -> StoredInstance:
        """The image, or what stands for its series."""
        return self.judgement.instance

    @property
    def assessment(self) -> Assessment:
        """What was found."""
        return self.judgement.assessment

    @property
    def disposition(self) -> Disposition:
        """What the node records."""
        return self.judgement.disposition

    @property
    def announcement(self) -> Judgement:
        """The judgement as reports and events tell it."""
        return judged(self.instance, self.assessment, self.announced)

    def decided(self, disposition: Disposition, announced: Disposition) -> Conclusion:
        """The same with other dispositions."""
        return replace(self, judgement=judged(self.instance, self.assessment, disposition), announced=announced)

    @property
    def is_again(self) -> bool:
        """Whether it replaces an earlier verdict on the same unit."""
        return self.instance.generation > 0

    @property
    def unit_digests(self) -> tuple[InstanceDigest, ...]:
        """All members, what stands for them first."""
        return (self.instance.digest, *(one for one in self.members if one != self.instance.digest))

    @property
    def study_instance_uid(self) -> StudyInstanceUid:
        """The study that the instance belongs to."""
        return self.instance.header.study_instance_uid


class Effect(ABC):
    """An effect of a verdict, in the transaction that records the verdict."""

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """Do slow or fallible work before the transaction begins; repeated after a crash."""
        return conclusion

    @abstractmethod
    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Write the effect to the database."""


class LaterEffect(ABC):
    """An effect after the commit; lost if the process is killed in between."""

    @abstractmethod
    def follow(self, conclusion: Conclusion) -> None:
        """Perform the effect; the verdict is in the database."""


@dataclass(frozen=True, slots=True)
class Effects:
    """All effects of a verdict, in their order."""

    in_transaction: Sequence[Effect] = ()
    after_commit: Sequence[LaterEffect] = ()

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """Prepare all effects in order."""
        for effect in self.in_transaction:
            conclusion = effect.prepare(conclusion)
        return conclusion

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Apply all effects."""
        for effect in self.in_transaction:
            effect.apply(transaction, conclusion)

    def follow(self, conclusion: Conclusion) -> None:
        """Perform the effects after the commit. One that fails is lost, as with the process, and the others follow."""
        for effect in self.after_commit:
            try:
                effect.follow(conclusion)
            except Exception:  # the verdict is in the database, and the job is done
                log.exception("an effect after a verdict failed", effect=type(effect).__name__)
