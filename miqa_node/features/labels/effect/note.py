"""Takes rejection notes of other systems as labels: the object itself, if a note, and notes that waited for it."""

from __future__ import annotations

from dataclasses import replace

from miqa_node.features.labels.rows import notes
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.base import UnitContext


class NoteEffect(Effect):
    """Notes may arrive before or after their images."""

    def __init__(self, context: UnitContext) -> None:
        self._context = context

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """Read the note, if the object is one."""
        return replace(conclusion, note=conclusion.unit.note(conclusion.instance, self._context))

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Store it, and apply the notes that wait for this object."""
        notes.take(transaction, conclusion.note, conclusion.instance, conclusion.decided_at)


KIND = EffectKind("note", lambda context: NoteEffect(context.unit), order=25)
