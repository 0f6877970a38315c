"""Lists series recognised as phantoms."""

from __future__ import annotations

from miqa_node.features.phantoms import rows as phantoms
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind


class PhantomEffect(Effect):
    """The list of phantom series, so that nothing is hidden from people silently."""

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Add the series."""
        if conclusion.unit.needs_others:
            phantoms.record(transaction, conclusion.instance, conclusion.assessment, conclusion.decided_at)


KIND = EffectKind("phantom", lambda _context: PhantomEffect(), order=35)
