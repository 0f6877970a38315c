"""Counts the exposure for the analysis of rejects, rooms and dose."""

from __future__ import annotations

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.features.analysis.rows import acquisitions
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.rows import judgements


class AcquisitionEffect(Effect):
    """One narrow row for each exposure of a patient, whatever number of images shows it."""

    def __init__(self, rules: AcquisitionRules) -> None:
        self._rules = rules

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Write the row and mark earlier exposures that this one repeats, or update the row with the new verdict."""
        c = conclusion
        if not c.unit.is_exposure or not acquisitions.counts(c.instance):
            return
        if c.is_again:
            replaced, _, _ = judgements.earlier(transaction, c.instance)
            if acquisitions.follow(transaction, c.judgement, replaced, c.decided_at):
                return
        acquisitions.record(transaction, c.judgement, self._rules, c.decided_at)


KIND = EffectKind("acquisition", lambda context: AcquisitionEffect(context.rules), order=5)
