"""Lists the series that were taken for those of a phantom."""

from __future__ import annotations

from miqa_node.conclusion.base import Conclusion, Effect
from miqa_node.store import phantoms
from miqa_node.store.database import Transaction


class PhantomEffect(Effect):
    """A list of its own, so that nothing is kept from people silently."""

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Write the series down."""
        if conclusion.unit.needs_others:
            phantoms.record(transaction, conclusion.instance, conclusion.assessment, conclusion.decided_at)
