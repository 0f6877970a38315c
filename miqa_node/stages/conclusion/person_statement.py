"""Has a series judged again that a person called a phantom, or a patient, while it was judged otherwise."""

from __future__ import annotations

from miqa_node.core.domain.ports import JobQueue
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.rows import reassessments, series


class StatementEffect(Effect):
    """Compares the verdict with what was said after its judgement began."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Request another judgement; it begins later than the statement."""
        c = conclusion
        if not c.unit.needs_others:
            return
        header = c.instance.header
        statement = series.phantom_said(transaction, header, series.uids_of(transaction, header))
        if statement is None or statement.at <= c.assessment.assessed_at:
            return
        if statement.is_phantom == bool(c.assessment.phantom):
            return
        reassessments.request(transaction, self._queue, c.instance.digest, "miqa-node", "", c.decided_at)


KIND = EffectKind("person_statement", lambda context: StatementEffect(context.queue), order=8)
