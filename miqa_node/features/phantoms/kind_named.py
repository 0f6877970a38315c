"""Has a series measured again whose kind a person named while it was measured: its verdict does not depend on that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.ports import JobQueue
from miqa_node.core.language.phrase import Phrase
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.units.rows import reassessments

KIND_SAID = Phrase("A person said which phantom the series shows.")
MeasureAgain = Callable[[Transaction, InstanceDigest, datetime], None]


def measuring_again(queue: JobQueue) -> MeasureAgain:
    """What asks for it, in the transaction of a verdict."""
    return partial(_ask, queue)


def _ask(queue: JobQueue, transaction: Transaction, digest: InstanceDigest, now: datetime) -> None:
    reassessments.request(transaction, queue, digest, "miqa-node", KIND_SAID, now)
