"""Counts the exposure for the analysis of rejects, rooms and dose."""

from __future__ import annotations

from miqa_node.conclusion.base import Conclusion, Effect
from miqa_node.domain.acquisition import AcquisitionRules
from miqa_node.store import acquisitions, judgements
from miqa_node.store.database import Transaction


class AcquisitionEffect(Effect):
    """One narrow row for each exposure of a patient."""

    def __init__(self, rules: AcquisitionRules) -> None:
        self._rules = rules

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Write the row and mark earlier exposures that this one repeats, or update the row with the new verdict."""
        c = conclusion
        if c.unit.is_exposure and acquisitions.counts(c.instance):
            if c.is_again:
                replaced, _, _ = judgements.earlier(transaction, c.instance)
                if acquisitions.follow(transaction, c.assessment, c.disposition, replaced, c.decided_at):
                    return
            acquisitions.record(transaction, c.instance, c.assessment, c.disposition, self._rules, c.decided_at)
