"""Has images judged again that were judged as plain ones, before the plain image of their exposure came."""

from __future__ import annotations

from collections.abc import Iterator

from miqa_node.core.domain import derivation
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.ports import JobQueue
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.rows import exposures, instances, reassessments

ACTOR = "miqa-node"
COMMENT = "It derives from another image of the same exposure, which came later."


class DerivedEffect(Effect):
    """Requests new judgements: of this image if the plain one came meanwhile, or of those that derive from this one."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """After the first judgement of an exposure: what is judged again has all images before it."""
        c, header = conclusion, conclusion.instance.header
        if not c.unit.is_exposure or c.is_again or header.quality_control or c.instance.conflicting:
            return
        for digest in _judged_as_plain(transaction, c):
            reassessments.request(transaction, self._queue, digest, ACTOR, COMMENT, c.decided_at)


def _judged_as_plain(transaction: Transaction, c: Conclusion) -> Iterator[InstanceDigest]:
    own, others = derivation.rank(c.instance.header), exposures.others(transaction, c.instance)
    if not c.assessment.derived and any(derivation.rank(one.header) < own for one in others):
        yield c.instance.digest
    for one in others:
        if derivation.rank(one.header) > own:
            assessment = instances.load_assessment(transaction, one.digest)
            is_decided = instances.load_disposition(transaction, one.digest) is not None
            if assessment is not None and not assessment.derived and is_decided:
                yield one.digest


KIND = EffectKind("derived_images", lambda context: DerivedEffect(context.queue), order=7)
