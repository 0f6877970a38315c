"""Gives the slices of a series the verdict of the series."""

from __future__ import annotations

from dataclasses import replace

from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.base import UnitContext
from miqa_node.stages.units.rows import series


class SeriesEffect(Effect):
    """Only the representative instance of the series is flagged."""

    def __init__(self, context: UnitContext) -> None:
        self._context = context

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """Find the slices."""
        return replace(conclusion, members=conclusion.unit.members(conclusion.instance, self._context))

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Record the verdict for the slices that have none yet."""
        c = conclusion
        uid, again = c.study_instance_uid, c.is_again
        series.share_verdict(transaction, c.members, uid, c.disposition, c.decided_at, again=again)


KIND = EffectKind("series_verdict", lambda context: SeriesEffect(context.unit), order=30)
