"""A verdict with all its data, and the interface of its effects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.delivery import ResultObject
from miqa_node.domain.instance import InstanceDigest, StoredInstance, StudyInstanceUid
from miqa_node.domain.note import RejectionNote
from miqa_node.domain.policy import Disposition
from miqa_node.store.database import Transaction
from miqa_node.units.base import Unit


@dataclass(frozen=True, slots=True)
class Conclusion:
    """One verdict. The fields after ``announced`` are filled in by the effects that prepare them.

    ``disposition`` is recorded by the node, ``announced`` goes into reports and events: an audit of an accepted
    image stays inside the node.
    """

    instance: StoredInstance
    unit: Unit[Any]
    assessment: Assessment
    disposition: Disposition
    announced: Disposition
    results: Sequence[ResultObject] = ()
    members: Sequence[InstanceDigest] = ()
    note: RejectionNote | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    decided_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_again(self) -> bool:
        """Whether it replaces an earlier verdict on the same unit."""
        return self.instance.generation > 0

    @property
    def study_instance_uid(self) -> StudyInstanceUid:
        """The study that the instance belongs to."""
        return self.instance.header.study_instance_uid


class Effect(ABC):
    """Something that a verdict does, in the transaction that writes it down."""

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """What takes long or may fail, before the transaction begins. It is run again after a crash."""
        return conclusion

    @abstractmethod
    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Write it down."""


class LaterEffect(ABC):
    """Something that follows the commit. A process that is killed in between leaves it out."""

    @abstractmethod
    def follow(self, conclusion: Conclusion) -> None:
        """Do it; the verdict is in the database."""


@dataclass(frozen=True, slots=True)
class Effects:
    """All effects of a verdict, in their order."""

    in_transaction: Sequence[Effect] = ()
    after_commit: Sequence[LaterEffect] = ()

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """Let every effect prepare, one after the other."""
        for effect in self.in_transaction:
            conclusion = effect.prepare(conclusion)
        return conclusion

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Write all of them down."""
        for effect in self.in_transaction:
            effect.apply(transaction, conclusion)

    def follow(self, conclusion: Conclusion) -> None:
        """Do what follows the commit."""
        for effect in self.after_commit:
            effect.follow(conclusion)
