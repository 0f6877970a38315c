"""Notes what an image shows of its place: numbers that the verdict has in memory, so that no document is read again."""

from __future__ import annotations

from collections.abc import Callable

from miqa_node.core.domain.policy import Policy
from miqa_node.features.limits.rows import room_images
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind


class RoomEffect(Effect):
    """One narrow row for each image that shows how its place looks."""

    def __init__(self, policy: Callable[[], Policy]) -> None:
        self._policy = policy

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Write the row, or replace that of an earlier verdict."""
        if conclusion.unit.is_image(conclusion.instance.header):
            room_images.note(transaction, conclusion.assessment, self._policy())


KIND = EffectKind("room_image", lambda context: RoomEffect(context.unit.judging.policy), order=20)
