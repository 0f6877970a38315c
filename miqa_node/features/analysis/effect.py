"""Counts the exposure for the analysis of rejects, rooms and dose."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.domain import derivation
from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.ports import JobQueue
from miqa_node.features.analysis.rows import acquisitions
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.rows import instances, judgements, reassessments
from miqa_node.stages.units.rows.exposures import ExposureImage

ACTOR = "miqa-node"
COMMENT = "It derives from another image of the same exposure, which came later."


class AcquisitionEffect(Effect):
    """One narrow row for each exposure of a patient, whatever number of images shows it."""

    def __init__(self, rules: AcquisitionRules, queue: JobQueue) -> None:
        self._rules = rules
        self._queue = queue

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Write the row and mark earlier exposures that this one repeats, or update the row with the new verdict."""
        c = conclusion
        if not c.unit.is_exposure or not acquisitions.counts(c.instance):
            return
        if c.is_again:
            replaced, _, _ = judgements.earlier(transaction, c.instance)
            if acquisitions.follow(transaction, c.judgement, replaced, c.decided_at):
                return
        same = acquisitions.record(transaction, c.judgement, self._rules, c.decided_at)
        self._judge_again(transaction, conclusion, same)

    def _judge_again(self, transaction: Transaction, c: Conclusion, same: Sequence[ExposureImage]) -> None:
        """Request new judgements of images that were judged as plain ones, before the plain one came."""
        own, digests = derivation.rank(c.instance.header), list[InstanceDigest]()
        if any(derivation.rank(one.header) < own for one in same) and not c.assessment.derived:
            digests.append(c.instance.digest)
        for one in same:
            if derivation.rank(one.header) > own:
                assessment = instances.load_assessment(transaction, one.digest)
                is_decided = instances.load_disposition(transaction, one.digest) is not None
                if assessment is not None and not assessment.derived and is_decided:
                    digests.append(one.digest)
        for digest in digests:
            generation = reassessments.ask(transaction, digest, ACTOR, COMMENT, c.decided_at)
            if generation:
                self._queue.enqueue_reassess(transaction, digest, generation)


KIND = EffectKind("acquisition", lambda context: AcquisitionEffect(context.rules, context.queue), order=5)
