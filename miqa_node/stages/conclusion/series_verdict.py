"""Gives all members of a unit, such as the slices of a series, its one verdict."""

from __future__ import annotations

from dataclasses import replace

from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.base import UnitContext
from miqa_node.stages.units.rows import unit_verdicts


class SeriesEffect(Effect):
    """Only the representative instance of the series is flagged."""

    def __init__(self, context: UnitContext) -> None:
        self._context = context

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """Find the members."""
        return replace(conclusion, members=conclusion.unit.members(conclusion.instance, self._context))

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Replace the judgements of earlier representatives, and record the verdict for all members."""
        c = conclusion
        if not c.members:
            return
        unit_verdicts.replace_earlier(transaction, c.instance.digest, c.members, c.decided_at)
        unit_verdicts.share(
            transaction, c.instance.digest, c.members, c.study_instance_uid, c.disposition, c.decided_at
        )


KIND = EffectKind("series_verdict", lambda context: SeriesEffect(context.unit), on_giving_up=True, order=12)
